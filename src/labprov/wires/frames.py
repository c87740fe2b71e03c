"""Raw frames on a node's interface, for the contract suite and tests. Helper side: standard library only."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

from labprov.wires.processes import ready
from labprov.wires.spaces import Space

_ALL = 0x0003
_SOL_PACKET, _ADD_MEMBERSHIP, _AUXDATA, _PROMISCUOUS = 263, 1, 8, 1
_VLAN_VALID, _TPID_VALID = 1 << 4, 1 << 6
_OUTGOING = 4
_AUX = struct.Struct("=IIIHHHH")
_LONGEST = 1 << 16


def send(space: Space, interface: str, frame: bytes) -> None:
    """Send one frame out of *interface*, as a program in the node would."""
    with space.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((interface, 0))
        raw.send(frame)


class Listener:
    """Hears all that arrives at one interface, from its making on."""

    def __init__(self, space: Space, interface: str) -> None:
        with space.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            index = socket.if_nametoindex(interface)
        self._socket.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        self._socket.bind((interface, _ALL))
        membership = struct.pack("=iHH8s", index, _PROMISCUOUS, 0, b"")
        self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)

    def frames(self, seconds: float) -> list[bytes]:
        """What arrived since the last call, and arrives until *seconds* are over."""
        until = time.monotonic() + seconds
        found: list[bytes] = []
        while ready(self._socket.fileno(), max(0.0, until - time.monotonic())):
            with contextlib.suppress(BlockingIOError):
                frame = self._receive()
                if frame is not None:
                    found.append(frame)
        return found

    def _receive(self) -> bytes | None:
        data, control, _, address = self._socket.recvmsg(_LONGEST, 256, socket.MSG_DONTWAIT)
        if address[2] == _OUTGOING:
            return None
        for level, kind, value in control:
            if level == _SOL_PACKET and kind == _AUXDATA:
                return _with_tag(data, value)
        return data

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def _with_tag(data: bytes, auxiliary: bytes) -> bytes:
    """The frame with its outer tag, which the kernel takes off and tells beside it."""
    status, _, _, _, _, tci, tpid = _AUX.unpack_from(auxiliary)
    if not status & _VLAN_VALID:
        return data
    return data[:12] + struct.pack("!HH", tpid if status & _TPID_VALID else 0x8100, tci) + data[12:]
