"""Taps: devices of the host that a virtual machine borrows, and that outlive it.

A tap carries the label of its port's other side: the end itself is in the guest, where nobody looks. Helper
side: standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labprov.errors import Conflict, EngineFailure
from labprov.wires import links
from labprov.wires.alias import HALF, PortAlias
from labprov.wires.ends import Outcome
from labprov.wires.links import Link
from labprov.wires.spaces import Kernel, Space

_TUN = "/dev/net/tun"
_SET_NAME, _SET_PERSISTENT = 0x400454CA, 0x400454CB  # linux/if_tun.h
_TAP, _NO_INFO, _VIRTIO_HEADER = 0x0002, 0x1000, 0x4000
KIND = "tun"
"""What the kernel calls taps, too."""


@dataclass(frozen=True)
class TapOrder:
    """One tap as it shall be."""

    name: str
    lab: str
    node: str
    interface: str
    mtu: int
    tag: int

    @property
    def alias(self) -> str:
        """Its label."""
        return PortAlias(self.lab, self.node, self.interface, self.tag, HALF).text()


def plug(kernel: Kernel, orders: Sequence[TapOrder]) -> list[Outcome]:
    """Have each tap there, labelled and up; one that is there stays as it is but for what differs."""
    return [_plug(kernel.home, order) for order in orders]


def _plug(home: Space, order: TapOrder) -> Outcome:
    where = {"lab": order.lab, "node": order.node, "interface": order.interface}
    try:
        link = home.links.get(order.name)
        if link is not None and not _is_free(link, order):
            return Conflict(
                f"the host has an interface {order.name} already",
                **where,
                remedy=f"Remove it (ip link delete {order.name}).",
            )
        if link is None:
            _make(order.name)
            home.forget()
            link = home.links[order.name]
        if (link.mtu, link.alias, link.up) != (order.mtu, order.alias, True):
            home.run(
                [
                    links.change(order.name, silent=True),
                    links.change(order.name, mtu=order.mtu, alias=order.alias, up=True),
                ]
            )
    except (OSError, KeyError) as error:
        return EngineFailure(f"the tap {order.name} can't be made: {error}", **where, remedy=_remedy(error))
    return None


def _is_free(link: Link, order: TapOrder) -> bool:
    """Whether it is this port's tap, or one that a kill has left without its label."""
    alias = PortAlias.parse(link.alias)
    if alias is None:
        return link.kind == KIND and not link.alias
    return (alias.lab, alias.node, alias.interface) == (order.lab, order.node, order.interface)


def _make(name: str) -> None:
    fd = os.open(_TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", name.encode(), _TAP | _NO_INFO | _VIRTIO_HEADER)
        fcntl.ioctl(fd, _SET_NAME, request)
        fcntl.ioctl(fd, _SET_PERSISTENT, 1)
    finally:
        os.close(fd)


def _remedy(error: BaseException) -> str:
    missing = isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENODEV)
    return "Load the module: modprobe tun." if missing else "See `labprov doctor`."


def unplug(kernel: Kernel, names: Sequence[str]) -> list[Outcome]:
    """Remove taps of labprov's; one that is not there is no error."""
    return [_unplug(kernel.home, name) for name in names]


def _unplug(home: Space, name: str) -> Outcome:
    link = home.links.get(name)
    if link is None or PortAlias.parse(link.alias) is None:
        return None
    try:
        home.run([links.delete(link.index)])
    except OSError as error:
        if error.errno != errno.ENODEV:
            return EngineFailure(f"the tap {name} can't be removed: {error.strerror}")
    return None


def observe(kernel: Kernel, lab: str | None) -> list[Mapping[str, Any]]:
    """The taps of *lab*, or of every lab."""
    found: list[Mapping[str, Any]] = []
    for link in kernel.home.links.values():
        alias = PortAlias.parse(link.alias) if link.kind == KIND else None
        if alias is not None and lab in (None, alias.lab):
            words = {"lab": alias.lab, "node": alias.node, "interface": alias.interface, "tag": alias.tag}
            found.append({**words, "name": link.name, "mtu": link.mtu, "up": link.up})
    return found
