"""Which subnet the management network gets."""

from __future__ import annotations

import pytest

from labprov.model import Mgmt, Node
from labprov_docker.networks import subnet


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
