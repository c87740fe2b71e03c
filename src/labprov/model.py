"""What is wanted, and what was allocated for it, as frozen values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from attrs import evolve, field, frozen

from labprov.errors import InvalidName, InvalidTopology

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")

HOST = "host"
"""The node name of an end that is an interface of the host (``host:x``)."""
MGMT_NET = "mgmt-net"
"""The node name of an end on the host's side of the management network (``mgmt-net:x``)."""

BRIDGE_KINDS = frozenset({"bridge", "ovs-bridge"})
"""Kinds of nodes that are a segment, not a machine."""
HOST_KIND = "host"
MGMT_INTERFACE = "eth0"
"""The management interface, which is never a data interface."""
RESERVED_INTERFACES = frozenset({"lo", "all", "default"})
"""Names that the kernel means something else by."""


def checked_name(value: str, what: str) -> str:
    """Return *value* if it may become part of a path, a name, an XML or a command line.

    :param value: a lab's id or a node's name.
    :param what: which of the two, for the message.
    :raises InvalidName: if it is anything but ``[A-Za-z0-9][A-Za-z0-9_.-]{0,62}``, in full.
    """
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise InvalidName(
            f"{what} {value!r} is not allowed",
            remedy="Use 1 to 63 letters, digits, '_', '.' or '-', and begin with a letter or digit.",
        )
    return value


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts ``eth2`` before ``eth10``."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((1, int(part), part) if part.isdigit() else (0, 0, part) for part in parts)


@frozen(order=True)
class Endpoint:
    """One interface of one node, by its canonical (Linux) name."""

    node: str
    interface: str

    def __str__(self) -> str:
        return f"{self.node}:{self.interface}"


def endpoint(text: Endpoint | str) -> Endpoint:
    """The endpoint that ``node:interface`` means.

    :raises InvalidName: it isn't of that form.
    """
    if isinstance(text, Endpoint):
        return text
    node, colon, interface = text.partition(":")
    if not (node and colon and interface):
        raise InvalidName(f"{text!r} names no interface", remedy="Write it as NODE:INTERFACE.")
    return Endpoint(node, interface)


@frozen
class Link:
    """Two ends that shall be one wire. The first end keeps the tag when the two part.

    An end whose node is :data:`HOST` is the host's interface of that name.
    """

    a: Endpoint
    b: Endpoint
    mtu: int | None = None
    """In bytes, for both ends."""
    mac_a: str | None = None
    mac_b: str | None = None

    @property
    def ends(self) -> tuple[Endpoint, Endpoint]:
        """Both ends, first and second."""
        return (self.a, self.b)

    def mac(self, end: Endpoint) -> str | None:
        """The MAC that the topology asks for at *end*, or None if it leaves it to labprov."""
        return self.mac_a if end == self.a else self.mac_b

    def other(self, end: Endpoint) -> Endpoint:
        """The end that *end* is joined to."""
        return self.b if end == self.a else self.a

    def __str__(self) -> str:
        return f"{self.a} -- {self.b}"


def _texts(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(items)


def _strings(value: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(key): str(item) for key, item in (value or {}).items()}


@frozen(kw_only=True)
class Node:
    """One node as it is wanted. Strings are what containerlab's key of the same name means."""

    name: str
    kind: str = "linux"
    type: str | None = None
    provider: str | None = None
    """None: nobody has chosen yet (see :mod:`labprov.placement`)."""
    image: str | None = None
    cmd: str | None = None
    entrypoint: str | None = None
    env: Mapping[str, str] = field(factory=dict, converter=_strings)
    binds: tuple[str, ...] = field(default=(), converter=_texts)
    """``source:target[:options]``, the source absolute."""
    exec: tuple[str, ...] = field(default=(), converter=_texts)
    """Command lines, run in the node after a start that made its interfaces anew."""
    hostname: str | None = None
    """None: the node's name."""
    sysctls: Mapping[str, str] = field(factory=dict, converter=_strings)
    labels: Mapping[str, str] = field(factory=dict, converter=_strings)
    startup_config: str | None = None
    """An absolute path, or the text itself where it has more than one line."""
    interfaces: tuple[str, ...] = field(default=(), converter=_texts)
    """Data interfaces that exist without a link."""
    settings: Mapping[str, Any] = field(factory=dict, repr=False)
    """Everything else that the file says, by containerlab's key, as plain JSON values; passwords among it."""

    def __attrs_post_init__(self) -> None:
        checked_name(self.name, "node name")
        for interface in self.interfaces:
            _check_interface(Endpoint(self.name, interface))

    @property
    def has_no_management(self) -> bool:
        """Whether it is without a management network, so that eth0 is as any other interface."""
        return self.settings.get("network-mode") == "none"

    @property
    def is_bridge(self) -> bool:
        """Whether this is a segment rather than a machine."""
        return self.kind in BRIDGE_KINDS

    @property
    def is_host(self) -> bool:
        """Whether this stands for the host itself."""
        return self.kind == HOST_KIND

    @property
    def is_machine(self) -> bool:
        """Whether a provider runs it: it is neither a bridge nor the host."""
        return not (self.is_bridge or self.is_host)


@frozen(kw_only=True)
class Mgmt:
    """The management network, as the topology asks for it; None leaves it to the provider."""

    network: str | None = None
    bridge: str | None = None
    ipv4_subnet: str | None = None
    ipv6_subnet: str | None = None
    settings: Mapping[str, Any] = field(factory=dict)
    """What else the file's ``mgmt`` says."""


@frozen(kw_only=True)
class Topology:
    """A lab as it is wanted.

    :raises InvalidTopology: for a duplicate node, a link to an unknown node, an interface used twice, an
        interface linked to itself.
    :raises InvalidName: for a lab or node name that nothing may be built from.
    """

    name: str
    nodes: tuple[Node, ...] = ()
    links: tuple[Link, ...] = ()
    prefix: str | None = None
    """None: the caller's; ``""`` and ``"__lab-name"`` mean what they mean to containerlab."""
    mgmt: Mgmt | None = None

    def __attrs_post_init__(self) -> None:
        checked_name(self.name, "lab name")
        self._check_nodes()
        self._check_links()

    def _check_nodes(self) -> None:
        seen = set()
        for node in self.nodes:
            if node.name in seen:
                raise InvalidTopology("the node is defined twice", lab=self.name, node=node.name)
            if node.name in (HOST, MGMT_NET) and not node.is_host:
                raise InvalidTopology(
                    "the name is reserved for ends on the host", lab=self.name, node=node.name
                )
            seen.add(node.name)

    def _check_links(self) -> None:
        used: dict[Endpoint, Link] = {}
        for link in self.links:
            if link.a == link.b:
                raise InvalidTopology(
                    "the interface is linked to itself",
                    lab=self.name,
                    node=link.a.node,
                    interface=link.a.interface,
                )
            for written in link.ends:
                self._check_end(written, link)
                end = self._meant(written)
                if end in used:
                    raise InvalidTopology(
                        f"the interface is used twice: in {used[end]} and in {link}",
                        lab=self.name,
                        node=end.node,
                        interface=end.interface,
                    )
                used[end] = link
            if not any(self.is_machine(end.node) for end in link.ends):
                raise InvalidTopology(f"neither end of {link} is a node that runs", lab=self.name)

    def _meant(self, end: Endpoint) -> Endpoint:
        """*end*, the host's own interfaces under one name: a node of kind host is the host."""
        node = self.by_name.get(end.node)
        return Endpoint(HOST, end.interface) if node is not None and node.is_host else end

    def _check_end(self, end: Endpoint, link: Link) -> None:
        _check_interface(end)
        if end.node in (HOST, MGMT_NET) or end.node in self.by_name:
            return
        raise InvalidTopology(
            f"the link {link} names a node that is not in the topology",
            lab=self.name,
            node=end.node,
            interface=end.interface,
            remedy="Nodes are: " + ", ".join(sorted(self.by_name, key=natural)) + ".",
        )

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """The nodes by their names."""
        return {node.name: node for node in self.nodes}

    def is_machine(self, name: str) -> bool:
        """Whether *name* is a node that a provider runs (not a bridge, not the host)."""
        node = self.by_name.get(name)
        return node is not None and node.is_machine

    @property
    def machines(self) -> tuple[Node, ...]:
        """The nodes that providers run, in the order of the file."""
        return tuple(node for node in self.nodes if node.is_machine)

    @cached_property
    def interfaces(self) -> Mapping[str, tuple[str, ...]]:
        """Data interfaces by machine, linked or declared, in natural order (``eth2`` before ``eth10``)."""
        names: dict[str, set[str]] = {node.name: set(node.interfaces) for node in self.machines}
        for link in self.links:
            for end in link.ends:
                if end.node in names:
                    names[end.node].add(end.interface)
        return {node: tuple(sorted(found, key=natural)) for node, found in names.items()}

    @property
    def endpoints(self) -> Iterator[Endpoint]:
        """Every data interface of every machine, nodes in the file's order, interfaces in natural order."""
        for node, names in self.interfaces.items():
            for name in names:
                yield Endpoint(node, name)

    @cached_property
    def link_at(self) -> Mapping[Endpoint, Link]:
        """The link by either of its ends."""
        return {end: link for link in self.links for end in link.ends}

    def connected(self, link: Link) -> Topology:
        """This topology with one more link.

        :raises InvalidTopology: an end is linked already, or its node is unknown.
        """
        for end in link.ends:
            node = self.by_name.get(end.node)
            if node is not None and end.interface == MGMT_INTERFACE and not node.has_no_management:
                raise InvalidTopology(
                    "this is the management interface, and no data interface",
                    lab=self.name,
                    node=end.node,
                    interface=end.interface,
                )
        return evolve(self, links=(*self.links, link))

    def disconnected(self, a: Endpoint, b: Endpoint) -> Topology:
        """This topology without the link between *a* and *b*; both interfaces stay.

        :raises InvalidTopology: no link joins them.
        """
        link = self.link_at.get(a)
        if link is None or link.other(a) != b:
            raise InvalidTopology(f"no link joins {a} and {b}", lab=self.name)
        return evolve(
            self,
            nodes=tuple(_with_interfaces(node, link.ends) for node in self.nodes),
            links=tuple(item for item in self.links if item != link),
        )

    def only(self, names: Iterable[str]) -> Topology:
        """This topology with just the nodes *names* and the links that lie whole among them.

        :raises InvalidTopology: if a name is not a node of this topology.
        """
        wanted = set(names)
        unknown = wanted - set(self.by_name)
        if unknown:
            raise InvalidTopology(
                "no such node: " + ", ".join(sorted(unknown)),
                lab=self.name,
                remedy="Nodes are: " + ", ".join(sorted(self.by_name, key=natural)) + ".",
            )
        reachable = wanted | {HOST, MGMT_NET}
        return evolve(
            self,
            nodes=tuple(node for node in self.nodes if node.name in wanted),
            links=tuple(link for link in self.links if all(end.node in reachable for end in link.ends)),
        )


def _with_interfaces(node: Node, ends: Iterable[Endpoint]) -> Node:
    names = [end.interface for end in ends if end.node == node.name and node.is_machine]
    added = [name for name in names if name not in node.interfaces]
    return evolve(node, interfaces=(*node.interfaces, *added)) if added else node


def _check_interface(end: Endpoint) -> None:
    if not INTERFACE.fullmatch(end.interface) or end.interface in RESERVED_INTERFACES:
        raise InvalidTopology(
            f"{end.interface!r} is no name for a Linux interface, and its kind maps it to none",
            node=end.node,
            interface=end.interface,
            remedy="Use up to 15 letters, digits, '_', '.' or '-'.",
        )


@frozen
class Allocations:
    """The VLAN tags of one lab: the allocation document, position by position.

    :param allocations: tags by node; the position is the node's data interface.
    :param next_vlan: where the search for the next free tag begins.
    :param interfaces: the interface names of those positions; None in a document that has no names.
    :param unknown: keys of the document that labprov does not know, kept over a rewrite.
    """

    allocations: Mapping[str, tuple[int, ...]]
    next_vlan: int
    interfaces: Mapping[str, tuple[str, ...]] | None = None
    unknown: Mapping[str, Any] = field(factory=dict)
