"""Which subnet the management network gets, and which addresses nodes can have there."""

from __future__ import annotations

import pytest

from labprov.errors import InvalidInput
from labprov.model import Mgmt, Node
from labprov_docker.subnets import check_addresses, free, subnet


def nodes(*addresses: str) -> list[Node]:
    """Give nodes that ask for these addresses."""
    return [
        Node(name=f"r{number}", image="x", settings={"mgmt-ipv6" if ":" in item else "mgmt-ipv4": item})
        for number, item in enumerate(addresses)
    ]


@pytest.mark.parametrize(
    ("mgmt", "addresses", "v4", "v6"),
    [
        (Mgmt(), (), None, None),
        (Mgmt(ipv4_subnet="auto", ipv6_subnet="auto"), (), None, None),
        (Mgmt(ipv4_subnet="10.1.0.0/24"), ("10.1.0.2",), "10.1.0.0/24", None),
        (Mgmt(), ("172.20.20.11", "172.20.20.12"), "172.20.20.0/24", None),
        (Mgmt(), ("172.20.20.11", "10.0.0.1"), None, None),
        (Mgmt(), ("3fff:172:20:20::2",), None, "3fff:172:20:20::/64"),
        (Mgmt(ipv6_subnet="fd00:9::/64"), (), None, "fd00:9::/64"),
    ],
)
def test_subnet(mgmt: Mgmt, addresses: tuple[str, ...], v4: str | None, v6: str | None) -> None:
    """The topology's own; containerlab's usual one where nodes want addresses of it; or the engine's."""
    assert [subnet(mgmt, nodes(*addresses), version) for version in (4, 6)] == [v4, v6]


def refusal(mgmt: Mgmt, address: str) -> str:
    """What is said of a node whose address can't be."""
    with pytest.raises(InvalidInput) as caught:
        check_addresses(mgmt, nodes(address))
    assert caught.value.remedy
    assert caught.value.node == "r0"
    return caught.value.message


def test_a_management_address_needs_a_subnet() -> None:
    """Docker gives a fixed address only on a network whose subnet is said."""
    assert "needs a management network" in refusal(Mgmt(), "192.0.2.10")
    assert "needs a management network" in refusal(Mgmt(ipv4_subnet="auto"), "192.0.2.10")
    assert "ipv6" in refusal(Mgmt(ipv4_subnet="192.0.2.0/24"), "2001:db8::10")
    check_addresses(Mgmt(), nodes("172.20.20.10"))  # containerlab's usual subnet


@pytest.mark.parametrize("address", ["192.0.2.0", "192.0.2.255", "192.0.2.1", "198.51.100.1"])
def test_a_management_address_that_no_node_can_have(address: str) -> None:
    """The network's own, its broadcast's, the gateway's and a foreign address are refused."""
    mgmt = Mgmt(ipv4_subnet="192.0.2.0/24", settings={"ipv4-gw": "192.0.2.1"})
    assert f"{address} is no address for a node" in refusal(mgmt, address)
    check_addresses(mgmt, nodes("192.0.2.10"))


def test_free_subnets_overlap_none() -> None:
    """The first is containerlab's usual one; what is taken, in whatever size, is passed over."""
    assert next(free([])) == "172.20.20.0/24"
    assert next(free(["172.20.20.0/24", "fd00::/64"])) == "172.20.21.0/24"
    assert next(free(["172.20.0.0/16", "172.21.0.128/25"])) == "172.21.1.0/24"
