"""A node's network: whose namespace it is in, what it is called there, its settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from labprov.engine import NodeSpec
from labprov.errors import InvalidInput
from labprov.model import Node
from labprov_docker.reading import lists, text, texts
from labprov_docker.units import PublishedPort, published

CONTAINER = "container:"
"""What a network mode begins with that joins another container."""
_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}", re.ASCII)
_SYSCTL = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", re.ASCII)
_NETWORK_SETTING = "net."
_OWN_SETTINGS = {
    *(f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni")),
    "kernel.shm_rmid_forced",
    "kernel.domainname",
}
"""The kernel's settings, beside the network's and ``fs.mqueue.*``, that a container can have for itself."""
_INTERFACE_SETTING = re.compile(r"net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\.[^.]+")


def mode(node: Node) -> str:
    """``""`` for the lab's management network, or ``none``, ``host``, ``container:NAME``.

    :raises InvalidInput: it is none of these.
    """
    found = text(node, "network-mode")
    if found in ("", "bridge"):
        return ""
    if found in ("none", "host") or (found.startswith(CONTAINER) and found != CONTAINER):
        return found
    raise InvalidInput(
        f"network-mode {found!r} is not one", remedy="There are: none, host, container:NAME; or leave it out."
    )


def has_holder(node: Node) -> bool:
    """Whether the node has a network namespace of its own, and so a holder.

    :raises InvalidInput: its network mode is none.
    """
    return mode(node) in ("", "none")


def aliases(node: Node) -> list[str]:
    """Further names by which others on the management network find the node.

    :raises InvalidInput: one of them is no name.
    """
    found = list(texts(node, "aliases"))
    for name in found:
        if not _ALIAS.fullmatch(name):
            raise InvalidInput(f"the alias {name!r} is no name", remedy="Correct the node's aliases.")
    return found


def address(node: Node, version: int) -> IPv4Address | IPv6Address | None:
    """The management address that the node asks for.

    :param version: 4 or 6.
    :raises InvalidInput: it is no address of that version.
    """
    key = f"mgmt-ipv{version}"
    found = text(node, key)
    if not found:
        return None
    try:
        parsed = ip_address(found)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != version:
        raise InvalidInput(
            f"{key}: {found!r} is no IPv{version} address", remedy=f"Correct the node's {key}."
        )
    return parsed


def dns(node: Node) -> dict[str, list[str]]:
    """The node's name servers and how to ask them, in the engine's words.

    :raises InvalidInput: a server is no address.
    """
    found = lists(node, "dns", ("servers", "options", "search"))
    for server in found["servers"]:
        try:
            ip_address(server)
        except ValueError as error:
            raise InvalidInput(
                f"the name server {server!r} is no address", remedy="Correct the node's dns.servers."
            ) from error
    return {"Dns": found["servers"], "DnsOptions": found["options"], "DnsSearch": found["search"]}


def ports(node: Node) -> tuple[PublishedPort, ...]:
    """The ports that the host passes on to the node.

    :raises InvalidInput: one of them makes no sense, or two want one port of the host.
    """
    found = tuple(port for item in texts(node, "ports") for port in published(item))
    taken = set()
    for port in found:
        protocol = port.container.partition("/")[2]
        if port.host and (port.address, port.host, protocol) in taken:
            raise InvalidInput(
                f"the host's port {port.host}/{protocol} is published twice",
                remedy="Correct the node's ports.",
            )
        taken.add((port.address, port.host, protocol))
    return found


def bindings(found: Iterable[PublishedPort]) -> dict[str, list[dict[str, str]]]:
    """Published ports in the engine's words."""
    said: dict[str, list[dict[str, str]]] = {}
    for port in found:
        said.setdefault(port.container, []).append({"HostIp": port.address, "HostPort": port.host})
    return said


def extra_hosts(hosts: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of ``/etc/hosts``, in the engine's words.

    :param hosts: a name and an address each.
    """
    return [f"{name}:{where}" for name, where in hosts]


def sysctls(node: Node) -> dict[str, str]:
    """The kernel's settings for this node alone, their names with dots.

    :raises InvalidInput: one of them would be the whole machine's.
    """
    return {_setting(name): value for name, value in node.sysctls.items()}


def _setting(name: str) -> str:
    found = name.replace("/", ".") if "." not in name else name
    own = found.startswith((_NETWORK_SETTING, "fs.mqueue.")) or found in _OWN_SETTINGS
    if not _SYSCTL.fullmatch(found) or not own:
        raise InvalidInput(
            f"the setting {name!r} is not a container's own",
            remedy="Set it on the host; a node's sysctls are net.*, fs.mqueue.* and those of kernel.msg*,"
            " kernel.sem and kernel.shm*.",
        )
    return found


def interface_of(setting: str) -> str | None:
    """The interface that a setting is about, None where it is about all, or about none."""
    found = _INTERFACE_SETTING.fullmatch(setting)
    return found[1] if found and found[1] not in ("all", "default", "lo", "eth0") else None


def holder_sysctls(node: Node) -> dict[str, str]:
    """The settings of the node's network, but for those of single data interfaces.

    Those are for the node's own container: when the holder starts, its data interfaces are not there yet.

    :raises InvalidInput: as :func:`sysctls`.
    """
    found = sysctls(node)
    return {name: value for name, value in found.items() if _is_networks(name) and not interface_of(name)}


def own_sysctls(node: Node) -> dict[str, str]:
    """The settings that are left for the container of a node with a holder.

    :raises InvalidInput: as :func:`sysctls`.
    """
    held = holder_sysctls(node)
    return {name: value for name, value in sysctls(node).items() if name not in held}


def _is_networks(setting: str) -> bool:
    return setting.startswith(_NETWORK_SETTING)


def check_sysctls(spec: NodeSpec) -> None:
    """Look whether the node can have its settings.

    :raises InvalidInput: one is the whole machine's, or that of an interface which the node has not.
    """
    names = {port.end.interface for port in spec.ports}
    for setting in sysctls(spec.node):
        interface = interface_of(setting)
        if interface and interface not in names:
            raise InvalidInput(
                f"the setting {setting} is that of an interface which the node has not",
                remedy="Correct the node's sysctls, or link the interface.",
            )


def endpoint(spec: NodeSpec) -> dict[str, Any]:
    """How the node is on the management network, in the engine's words.

    :raises InvalidInput: an address or a name that makes no sense.
    """
    names = dict.fromkeys((spec.name, spec.runtime_name, *aliases(spec.node)))
    addresses = {f"IPv{version}Address": address(spec.node, version) for version in (4, 6)}
    asked = {key: str(value) for key, value in addresses.items() if value is not None}
    return {"Aliases": list(names), "IPAMConfig": asked}
