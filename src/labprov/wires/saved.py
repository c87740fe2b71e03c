"""What an interface is configured with, saved before it is made anew and put back after.

A veth can't change its other end; where a wire is re-pointed, one end may have to be made anew, and its
addresses and routes shall not be lost by that. Helper side: standard library only.

Kept: permanent addresses, and every route through the interface that the kernel did not make by itself
(multipath ones whole). Not kept: what a router advertised (it will again), and routes over next-hop objects
(whose maker, a routing daemon, hears of the new interface and puts them back itself).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from labprov.wires import netlink as nl

_ADDR = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=8BI")
_HOP = struct.Struct("=HBBi")
_IFA_CACHEINFO, _IFA_FLAGS = 6, 8
_RTA_OIF, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_CACHEINFO, _RTA_VIA, _RTA_NH_ID = 4, 5, 9, 12, 18, 30
_SECONDARY, _NODAD, _DAD_FAILED, _TENTATIVE, _PERMANENT = 0x01, 0x02, 0x08, 0x40, 0x80
_AF_INET6 = 10
_BY_KERNEL, _BY_ADVERTISEMENT = 2, 9
_LOCAL_TABLE = 255


@dataclass(frozen=True)
class Saved:
    """Addresses and routes of the interface that was numbered ``index``, as the kernel told them."""

    index: int
    addresses: tuple[bytes, ...]
    routes: tuple[bytes, ...]

    def restore(self, index: int) -> list[nl.Message]:
        """The messages that put all of it onto interface *index*, which is up."""
        messages = [
            nl.Message(nl.NEWADDR, _address(body, index), nl.CREATE | nl.REPLACE) for body in self.addresses
        ]
        for body in sorted(self.routes, key=_depends):
            flags = nl.CREATE | (nl.REPLACE if _RTA_MULTIPATH in _kinds(body) else nl.APPEND)
            messages.append(nl.Message(nl.NEWROUTE, _route(body, self.index, index), flags))
        return messages


def save(socket: nl.Socket, index: int) -> Saved:
    """Read what interface *index* has."""
    addresses = socket.dump(nl.Message(nl.GETADDR, bytes(_ADDR.size)))
    routes = socket.dump(nl.Message(nl.GETROUTE, bytes(_ROUTE.size)))
    return Saved(
        index,
        tuple(body for body in addresses if _ADDR.unpack_from(body)[4] == index and _permanent(body)),
        tuple(body for body in routes if _is_set(body) and index in _devices(body)),
    )


def _flags(body: bytes) -> int:
    found = dict(nl.attributes(body, _ADDR.size)).get(_IFA_FLAGS)
    return int(struct.unpack("=I", found)[0]) if found else body[2]


def _permanent(body: bytes) -> bool:
    return bool(_flags(body) & _PERMANENT)


def _address(body: bytes, index: int) -> bytes:
    family, length, _, scope, _ = _ADDR.unpack_from(body)
    flags = _flags(body) & ~(_SECONDARY | _DAD_FAILED | _TENTATIVE | _PERMANENT)
    if family == _AF_INET6:
        flags |= _NODAD  # it was checked when it was new, and shall be there at once
    kept = [
        nl.attribute(kind, value)
        for kind, value in nl.attributes(body, _ADDR.size)
        if kind not in (_IFA_CACHEINFO, _IFA_FLAGS)
    ]
    header = _ADDR.pack(family, length, flags & 0xFF, scope, index)
    return header + b"".join(kept) + nl.u32(_IFA_FLAGS, flags)


def _is_set(body: bytes) -> bool:
    table, protocol = body[4], body[5]
    attributes = dict(nl.attributes(body, _ROUTE.size))
    return (
        table != _LOCAL_TABLE
        and protocol not in (_BY_KERNEL, _BY_ADVERTISEMENT)
        and _RTA_NH_ID not in attributes
    )


def _devices(body: bytes) -> set[int]:
    found = set()
    for kind, value in nl.attributes(body, _ROUTE.size):
        if kind == _RTA_OIF:
            found.add(struct.unpack("=I", value)[0])
        elif kind == _RTA_MULTIPATH:
            found.update(hop[3] for hop, _ in _hops(value))
    return found


def _hops(value: bytes) -> Iterator[tuple[tuple[int, int, int, int], bytes]]:
    start = 0
    while start + _HOP.size <= len(value):
        hop = _HOP.unpack_from(value, start)
        yield hop, value[start + _HOP.size : start + hop[0]]
        start += (hop[0] + 3) & ~3


def _route(body: bytes, old: int, index: int) -> bytes:
    """The route with interface *index* where it said *old*."""
    header = body[:8] + bytes(4)
    kept = b""
    for kind, value in nl.attributes(body, _ROUTE.size):
        if kind == _RTA_OIF:
            kept += nl.u32(kind, index)
        elif kind == _RTA_MULTIPATH:
            kept += nl.attribute(kind, _multipath(value, old, index))
        elif kind != _RTA_CACHEINFO:
            kept += nl.attribute(kind, value)
    return header + kept


def _multipath(value: bytes, old: int, index: int) -> bytes:
    hops = []
    for (length, _, weight, device), rest in _hops(value):
        hop = _HOP.pack(length, 0, weight, index if device == old else device)
        hops.append(hop + rest + bytes(-length % 4))
    return b"".join(hops)


def _depends(body: bytes) -> bool:
    """Routes with a gateway come after those that make the gateway reachable."""
    return bool(_kinds(body) & {_RTA_GATEWAY, _RTA_VIA, _RTA_MULTIPATH})


def _kinds(body: bytes) -> set[int]:
    return {kind for kind, _ in nl.attributes(body, _ROUTE.size)}
