"""Subnets of management networks, and the addresses that nodes ask for in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from labprov.errors import InvalidInput
from labprov.model import Mgmt, Node
from labprov_docker import network

RANGE = "172.16.0.0/12"
"""Where subnets come from: private addresses that are seldom a lab's."""
USUAL_IPV4, USUAL_IPV6 = "172.20.20.0/24", "3fff:172:20:20::/64"
"""containerlab's own, which files mean that give nodes addresses and say nothing of the subnet."""
_AUTO = "auto"


def said(mgmt: Mgmt, version: int) -> str | None:
    """The subnet that the topology names; None where it names none."""
    found = mgmt.ipv4_subnet if version == 4 else mgmt.ipv6_subnet
    return None if found == _AUTO else found or None


def subnet(mgmt: Mgmt, nodes: Sequence[Node], version: int) -> str | None:
    """The subnet of a network that is to be made; None: any will do for IPv4, and there is no IPv6.

    Nodes that want addresses of containerlab's usual subnet, in a topology that names none, get that.
    """
    named = said(mgmt, version)
    if named is not None:
        return named
    usual = ip_network(USUAL_IPV4 if version == 4 else USUAL_IPV6)
    asked = [found for node in nodes if (found := network.address(node, version)) is not None]
    return str(usual) if asked and all(found in usual for found in asked) else None


def check_addresses(mgmt: Mgmt, nodes: Sequence[Node]) -> None:
    """See that each node can have the address that it asks for, on a network that is to be made.

    :raises InvalidInput: one can't.
    """
    for node in nodes:
        for version in (4, 6):
            found = network.address(node, version)
            if found is not None:
                _check_address(node, found, mgmt, subnet(mgmt, nodes, version))


def _check_address(node: Node, address: IPv4Address | IPv6Address, mgmt: Mgmt, whole: str | None) -> None:
    version = address.version
    if whole is None:
        raise InvalidInput(
            f"mgmt-ipv{version} {address} needs a management network of a known subnet",
            node=node.name,
            remedy=f"Give the topology's mgmt an ipv{version}-subnet, or leave out the mgmt-ipv{version}.",
        )
    if not _can_have(address, parsed(whole), mgmt.settings.get(f"ipv{version}-gw")):
        raise InvalidInput(
            f"mgmt-ipv{version} {address} is no address for a node in {whole}",
            node=node.name,
            remedy=f"Correct the node's mgmt-ipv{version}.",
        )


def parsed(text: str) -> IPv4Network | IPv6Network:
    """The subnet that *text* means.

    :raises InvalidInput: it is none.
    """
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no subnet", remedy="Correct the topology's mgmt.") from error


def _can_have(address: IPv4Address | IPv6Address, whole: IPv4Network | IPv6Network, gateway: object) -> bool:
    reserved = {whole.network_address}
    if whole.version == 4:
        reserved.add(whole.broadcast_address)
    return address in whole and address not in reserved and str(address) != gateway


def free(taken: Iterable[str]) -> Iterator[str]:
    """Subnets that overlap none of *taken*, from containerlab's usual one upwards.

    The engine's own choice can be as large as 192.168.0.0/20, which a lab's own addresses may lie in.
    """
    others = [found for item in taken if isinstance(found := ip_network(item, strict=False), IPv4Network)]
    for candidate in IPv4Network(RANGE).subnets(new_prefix=24):
        if candidate >= IPv4Network(USUAL_IPV4) and not any(map(candidate.overlaps, others)):
            yield str(candidate)
