"""Links of a topology, brief and extended, from what the file says to the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from labprov.kinds import Kind, Role
from labprov.model import HOST, INTERFACE, MGMT_NET, Endpoint, Link
from labprov.topology.schema import (
    Reader,
    anything,
    fields,
    listed,
    mapped,
    mapping,
    pairs,
    struct,
    text,
    texts,
    whole,
)
from labprov.topology.source import Source, nearest
from labprov.yamltree import Value

_LOWEST_MTU, _HIGHEST_MTU = 68, 65535
_END = struct(
    {"node": text, "interface": text, "mac": text, "ipv4": text, "ipv6": text, "vars": mapped(anything)}
)
_COMMON: Mapping[str, Reader] = {
    "type": text,
    "mtu": whole,
    "labels": pairs,
    "ipv4": texts,
    "ipv6": texts,
    "vars": mapped(anything),
}
_TWO_ENDS = {**_COMMON, "endpoints": listed(_END)}
_HOST_END = {**_COMMON, "endpoint": _END, "host-interface": text}
_VXLAN = {
    **_COMMON,
    "endpoint": _END,
    "remote": text,
    "parent-interface": text,
    **dict.fromkeys(["vni", "udp-port", "dst-port", "src-port"], whole),
}
BRIEF = "brief"
TYPES: Mapping[str, Mapping[str, Reader]] = {
    BRIEF: {**_COMMON, "endpoints": texts},
    "veth": _TWO_ENDS,
    "veth-stitch": _TWO_ENDS,
    "dummy": {**_COMMON, "endpoint": _END},
    HOST: _HOST_END,
    MGMT_NET: _HOST_END,
    "macvlan": {**_HOST_END, "mode": text},
    "vxlan": _VXLAN,
    "vxlan-stitch": _VXLAN,
}
_UNSUPPORTED = ("macvlan", "vxlan", "vxlan-stitch")
_NOT_USED = {
    "labels": "a link's labels are not used",
    "vars": "a link's vars are not used: labprov renders no templates",
    "ipv4": "a link's ipv4 is not used: labprov sets no addresses inside nodes",
    "ipv6": "a link's ipv6 is not used: labprov sets no addresses inside nodes",
}


@frozen
class Links:
    """The links of a topology.

    :param lines: the line of each link.
    :param alone: interfaces without a link, by node; ``alone_lines`` has the line of each node's last.
    """

    links: list[Link] = field(factory=list)
    lines: list[int] = field(factory=list)
    alone: dict[str, list[str]] = field(factory=dict)
    alone_lines: dict[str, int] = field(factory=dict)


@frozen
class Port:
    """What must be known of a node to name its interfaces."""

    kind: Kind
    has_management: bool = True


@frozen
class LinkReader:
    """Reads the links of one topology.

    :param nodes: every node by its name.
    """

    source: Source
    nodes: Mapping[str, Port]

    def read(self, value: Value) -> Links:
        """Read the list of links.

        :raises InvalidTopology: a link of the wrong form or of a type that labprov has not, or an end at a
            node or an interface that does not exist.
        """
        found = Links()
        for item in listed(lambda _source, part, _what: part)(self.source, value, "links"):
            self._add(item, found)
        return found

    def _add(self, value: Value, found: Links) -> None:
        type_, said = self._said(value)
        line = value.line
        if type_ == BRIEF:
            self._keep(self._brief(said, line), said, line, found)
        elif type_ == "dummy":
            self._keep_alone(said, line, found)
        elif type_ in (HOST, MGMT_NET):
            here, mac = self._end(said.get("endpoint"), line)
            far = self._endpoint(type_, said.get("host-interface", ""), line)
            self._keep((here, far, mac, None), said, line, found)
        else:
            self._keep(self._veth(type_, said, line), said, line, found)

    def _said(self, value: Value) -> tuple[str, dict[str, Any]]:
        parts = mapping(self.source, value, "a link")
        written = text(self.source, parts.items["type"], "a link's type") if "type" in parts.items else ""
        type_ = written.strip().lower() or BRIEF
        if type_ not in TYPES:
            raise self.source.error(
                f"the link type {written!r} is not known", parts.lines["type"], remedy=nearest(type_, TYPES)
            )
        said = fields(self.source, value, f"a link of type {type_}", TYPES[type_])
        if type_ in _UNSUPPORTED:
            raise self._unsupported(type_, value.line)
        for key, reason in _NOT_USED.items():
            if said.get(key) or any(end and end.get(key) for end in _ends(said)):
                self.source.warn(reason, value.line)
        return type_, said

    def _unsupported(self, type_: str, line: int) -> Exception:
        return self.source.error(
            f"links of type {type_} are not supported",
            line,
            remedy="Use a veth link, or one to the host ('host:name').",
        )

    def _brief(self, said: Mapping[str, Any], line: int) -> tuple[Endpoint, Endpoint, None, None]:
        ends = said.get("endpoints", [])
        self._check_count(ends, line)
        a, b = (self._split(end, line) for end in ends)
        return a, b, None, None

    def _split(self, end: str, line: int) -> Endpoint:
        node, colon, interface = end.partition(":")
        if not colon:
            raise self.source.error(f"the end {end!r} is not node:interface", line)
        special = node.strip().lower()
        if special in _UNSUPPORTED[:1]:
            raise self._unsupported(special, line)
        return self._endpoint(special if special in (HOST, MGMT_NET) else node, interface, line)

    def _veth(
        self, type_: str, said: Mapping[str, Any], line: int
    ) -> tuple[Endpoint, Endpoint, str | None, str | None]:
        ends = said.get("endpoints", [])
        self._check_count(ends, line)
        if type_ == "veth-stitch":
            self.source.warn("a veth-stitch link is made like every other link", line)
        (a, mac_a), (b, mac_b) = (self._end(end, line) for end in ends)
        return a, b, mac_a, mac_b

    def _check_count(self, ends: list[Any], line: int) -> None:
        if len(ends) != 2:
            raise self.source.error(f"a link has two ends, and this one has {len(ends)}", line)

    def _end(self, end: Mapping[str, Any] | None, line: int) -> tuple[Endpoint, str | None]:
        said = end or {}
        for key in ("node", "interface"):
            if not said.get(key):
                raise self.source.error(f"an end of the link has no {key!r}", line)
        return self._endpoint(said["node"], said["interface"], line), self._mac(said.get("mac", ""), line)

    def _mac(self, written: str, line: int) -> str | None:
        if not written:
            return None
        digits = re.sub(r"[:.-]", "", written).lower()
        if not re.fullmatch(r"[0-9a-f]{12}", digits) or int(digits[1], 16) % 2:
            raise self.source.error(f"{written!r} is no MAC address of an interface", line)
        return ":".join(digits[at : at + 2] for at in range(0, 12, 2))

    def _endpoint(self, node: str, interface: str, line: int) -> Endpoint:
        """The end *node*:*interface*, by its canonical name."""
        port = self.nodes.get(node)
        if port is None and node not in (HOST, MGMT_NET):
            raise self.source.error(
                "a link names a node that is not in the topology",
                line,
                node=node,
                interface=interface or None,
                remedy=nearest(node, self.nodes),
            )
        name = interface if port is None else self._canonical(port, node, interface, line)
        if not INTERFACE.fullmatch(name):
            raise self.source.error(
                f"{interface!r} is no name for an interface",
                line,
                node=node,
                remedy="Use up to 15 letters, digits, '_', '.' or '-'.",
            )
        return Endpoint(node, name)

    def _canonical(self, port: Port, node: str, interface: str, line: int) -> str:
        names = port.kind.interfaces
        if port.kind.role in (Role.BRIDGE, Role.HOST):
            return interface
        name = names.canonical(interface)
        if name is None or (name == names.management and port.has_management):
            what = "is the management interface" if name else "is none"
            raise self.source.error(
                f"{interface!r} {what} of a node of kind {port.kind.name}",
                line,
                node=node,
                interface=interface or None,
                remedy=f"Use {names.allowed}.",
            )
        return name

    def _keep(
        self,
        ends: tuple[Endpoint, Endpoint, str | None, str | None],
        said: Mapping[str, Any],
        line: int,
        found: Links,
    ) -> None:
        a, b, mac_a, mac_b = ends
        mtu = self._mtu(said, line)
        found.links.append(Link(a=a, b=b, mtu=mtu, mac_a=mac_a, mac_b=mac_b))
        found.lines.append(line)

    def _mtu(self, said: Mapping[str, Any], line: int) -> int | None:
        mtu: int | None = said.get("mtu") or None
        if mtu is not None and not _LOWEST_MTU <= mtu <= _HIGHEST_MTU:
            raise self.source.error(f"the MTU {mtu} is not between {_LOWEST_MTU} and {_HIGHEST_MTU}", line)
        return mtu

    def _keep_alone(self, said: Mapping[str, Any], line: int, found: Links) -> None:
        end, mac = self._end(said.get("endpoint"), line)
        port = self.nodes.get(end.node)
        if port is None or port.kind.role is not Role.MACHINE:
            raise self.source.error(
                "an interface without a link belongs to a node that runs", line, node=end.node
            )
        if mac or self._mtu(said, line):
            self.source.warn("the mac and mtu of an interface without a link are not used", line)
        known = found.alone.setdefault(end.node, [])
        if end.interface in known:
            raise self.source.error(
                "the interface is used twice", line, node=end.node, interface=end.interface
            )
        known.append(end.interface)
        found.alone_lines[end.node] = line


def _ends(said: Mapping[str, Any]) -> list[Any]:
    ends = [*said.get("endpoints", []), said.get("endpoint")]
    return [end for end in ends if isinstance(end, dict)]
