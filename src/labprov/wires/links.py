"""Interfaces: the netlink messages that make and change them, and what the kernel says of them.

Helper side: standard library only.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from labprov.wires import netlink as nl

ADDRESS, IFNAME, MTU, LINK, MASTER, LINKINFO, IFALIAS = 1, 3, 4, 5, 10, 18, 20
NET_NS_FD, EXT_MASK, LINK_NETNSID, NEW_IFINDEX = 28, 29, 37, 49
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_DATA = 1, 2, 5
_INFO_SLAVE_KIND = 4
_VETH_PEER = 1
_BR_STP, _BR_GROUP_FWD, _BR_MCAST_SNOOPING = 5, 9, 23
_PORT_LEARNING, _PORT_GROUP_FWD = 8, 31
_SKIP_STATISTICS = 1 << 3
_NETNSA_NSID, _NETNSA_FD = 1, 3

UP = 0x1
_AF_SPEC, _AF_INET6, _ADDR_GEN_MODE, _MODE_NONE = 26, 10, 8, 1
_NO_ADDRESS = nl.attribute(_AF_SPEC, nl.attribute(_AF_INET6, nl.u8(_ADDR_GEN_MODE, _MODE_NONE)))
_NO_ARP = 0x80
_LOWER_UP = 0x10000
_INFO = struct.Struct("=BxHiII")
_NUMBER = struct.Struct("=i")

FORWARD_ALL = 0xFFF8
"""Link-local groups a bridge forwards; the kernel keeps 00, 01 and 02 (STP, pause, LACP) from this mask."""
PORT_FORWARD_ALL = 0xFFFD
"""The same by port, where the kernel keeps only 01 (pause)."""


@dataclass(frozen=True)
class Link:
    """An interface as the kernel has it; ``peer`` and ``nsid`` tell the other end of a veth pair.

    ``nsid`` is this namespace's number for the peer's namespace, -1 for this namespace itself.
    """

    index: int
    name: str
    alias: str
    mac: str
    mtu: int
    flags: int
    kind: str
    peer: int
    nsid: int
    master: int
    learning: bool

    @property
    def up(self) -> bool:
        """Whether it is up, whatever its carrier."""
        return bool(self.flags & UP)


def parse(body: bytes) -> Link:
    """Decode a ``NEWLINK``."""
    _, _, index, flags, _ = _INFO.unpack_from(body)
    found = dict(nl.attributes(body, _INFO.size))
    info = dict(nl.attributes(found.get(LINKINFO, b""), 0))
    slave = dict(nl.attributes(info.get(_INFO_SLAVE_DATA, b""), 0))
    return Link(
        index=index,
        name=_string(found.get(IFNAME, b"")),
        alias=_string(found.get(IFALIAS, b"")),
        mac=found.get(ADDRESS, b"").hex(":"),
        mtu=_number(found.get(MTU)),
        flags=flags,
        kind=_string(info.get(_INFO_KIND, b"")),
        peer=_number(found.get(LINK)),
        nsid=_number(found.get(LINK_NETNSID), -1),
        master=_number(found.get(MASTER)),
        learning=slave.get(_PORT_LEARNING, b"\1") != b"\0",
    )


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _number(value: bytes | None, default: int = 0) -> int:
    return _NUMBER.unpack(value)[0] if value else default


def get_all() -> nl.Message:
    """Dump every interface, without its counters."""
    return nl.Message(nl.GETLINK, _INFO.pack(0, 0, 0, 0, 0) + nl.u32(EXT_MASK, _SKIP_STATISTICS))


def get(name: str) -> nl.Message:
    """Ask for one interface."""
    body = _INFO.pack(0, 0, 0, 0, 0) + nl.u32(EXT_MASK, _SKIP_STATISTICS) + nl.text(IFNAME, name)
    return nl.Message(nl.GETLINK, body)


def get_nsid(fd: int) -> nl.Message:
    """Ask for this namespace's number of the namespace open as *fd*."""
    return nl.Message(nl.GETNSID, bytes(4) + nl.u32(_NETNSA_FD, fd))


def parse_nsid(body: bytes) -> int:
    """That number; -1 where it has none."""
    return next((_number(value) for kind, value in nl.attributes(body, 4) if kind == _NETNSA_NSID), -1)


def _mac(mac: str) -> bytes:
    return nl.attribute(ADDRESS, bytes.fromhex(mac.replace(":", "")))


def new_veth(
    name: str,
    mac: str,
    mtu: int,
    peer: str,
    peer_mac: str | None,
    peer_fd: int,
    index: int = 0,
    peer_index: int = 0,
) -> nl.Message:
    """Make a veth pair, down: *name* here, *peer* directly in the namespace open as *peer_fd*.

    :param index: the interface's number; 0 leaves it to the kernel.
    :param peer_index: the peer's; the kernel takes it only beside an *index*.
    """
    other = (
        _INFO.pack(0, 0, peer_index, 0, 0)
        + nl.text(IFNAME, peer)
        + nl.u32(MTU, mtu)
        + nl.u32(NET_NS_FD, peer_fd)
    )
    other += _mac(peer_mac) if peer_mac else b""
    info = nl.text(_INFO_KIND, "veth") + nl.attribute(_INFO_DATA, nl.attribute(_VETH_PEER, other))
    body = _INFO.pack(0, 0, index, 0, 0) + nl.text(IFNAME, name) + _mac(mac) + nl.u32(MTU, mtu)
    return nl.Message(nl.NEWLINK, body + nl.attribute(LINKINFO, info), nl.CREATE | nl.EXCL)


def new_bridge(name: str) -> nl.Message:
    """Make a Linux bridge that forwards as much as the kernel lets a bridge forward."""
    data = nl.u32(_BR_STP, 0) + nl.u16(_BR_GROUP_FWD, FORWARD_ALL) + nl.u8(_BR_MCAST_SNOOPING, 0)
    info = nl.text(_INFO_KIND, "bridge") + nl.attribute(_INFO_DATA, data)
    body = _INFO.pack(0, 0, 0, 0, 0) + nl.text(IFNAME, name) + nl.attribute(LINKINFO, info)
    return nl.Message(nl.NEWLINK, body, nl.CREATE | nl.EXCL)


def bridge_port(name: str, learn: bool) -> nl.Message:
    """Set how the interface *name*, enslaved to a bridge, learns and forwards."""
    data = nl.u8(_PORT_LEARNING, int(learn)) + nl.u16(_PORT_GROUP_FWD, PORT_FORWARD_ALL)
    info = nl.text(_INFO_SLAVE_KIND, "bridge") + nl.attribute(_INFO_SLAVE_DATA, data)
    body = _INFO.pack(0, 0, 0, 0, 0) + nl.text(IFNAME, name) + nl.attribute(LINKINFO, info)
    return nl.Message(nl.NEWLINK, body)


def change(
    which: int | str,
    *,
    up: bool | None = None,
    name: str | None = None,
    mac: str | None = None,
    mtu: int | None = None,
    alias: str | None = None,
    master: int | None = None,
    into: int | None = None,
    number: int = 0,
    silent: bool = False,
) -> nl.Message:
    """Change an interface; what is None stays.

    :param which: its number, or its name (then it can't get a new *name* in the same message).
    :param master: the number of a bridge, 0 for none.
    :param into: the open namespace that it shall move to.
    :param number: the number that it shall have there (from Linux 5.13); 0 leaves it to the kernel.
    :param silent: it shall get no IPv6 address by itself, and answer no ARP, and so say nothing of its own.
    """
    index, now = (which, name) if isinstance(which, int) else (0, which)
    flags, mask = UP if up else 0, 0 if up is None else UP
    if silent:
        flags, mask = flags | _NO_ARP, mask | _NO_ARP
    body = _INFO.pack(0, 0, index, flags, mask)
    body += nl.text(IFNAME, now) if now else b""
    body += _mac(mac) if mac else b""
    body += nl.u32(MTU, mtu) if mtu else b""
    body += nl.attribute(IFALIAS, alias.encode()) if alias is not None else b""
    body += nl.u32(MASTER, master) if master is not None else b""
    body += nl.u32(NET_NS_FD, into) if into is not None else b""
    body += nl.u32(NEW_IFINDEX, number) if number else b""
    body += _NO_ADDRESS if silent else b""
    return nl.Message(nl.SETLINK, body)


def delete(index: int) -> nl.Message:
    """Remove an interface; a veth takes its other end along."""
    return nl.Message(nl.DELLINK, _INFO.pack(0, 0, index, 0, 0))
