"""NETLINK_ROUTE, lean: many messages in one send, errors by message, decoding of just what is asked for.

pyroute2 knows all of netlink, at 143 ms for its import and some 0.2 ms for each message; what labprov
needs is links, addresses and routes. The numbers are the kernel's ABI (``include/uapi/linux/rtnetlink.h``,
``if_link.h``). Helper side: standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
NEWADDR, GETADDR = 20, 22
NEWROUTE, GETROUTE = 24, 26
GETNSID = 90

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCL, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800

_ERROR, _DONE = 2, 3
_CAPPED, _ACK_TLVS = 0x100, 0x200
_INTERRUPTED = 0x10
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_SO_RCVBUFFORCE = 33
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE = 1 << 17
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Message:
    """One request: its type, its flags beside ``REQUEST``, its body."""

    kind: int
    body: bytes
    flags: int = 0


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + bytes(-len(value) % 4)


def u8(kind: int, value: int) -> bytes:
    """An attribute of one byte."""
    return attribute(kind, struct.pack("=B", value))


def u16(kind: int, value: int) -> bytes:
    """An attribute of two bytes."""
    return attribute(kind, struct.pack("=H", value))


def u32(kind: int, value: int) -> bytes:
    """An attribute of four bytes."""
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    """A string attribute, with its final zero."""
    return attribute(kind, value.encode() + b"\0")


def attributes(body: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """The attributes of *body* from offset *start*: type (without flags) and value."""
    end = len(body)
    while start + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(body, start)
        if length < 4:
            return
        yield kind & 0x3FFF, body[start + 4 : start + length]
        start += (length + 3) & ~3


class Socket:
    """A netlink socket of the network namespace that its maker is in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        with contextlib.suppress(PermissionError):  # in a user namespace of one's own the default has to do
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)
        self._sequence = 0

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def batch(self, messages: Sequence[Message]) -> list[OSError | None]:
        """Send *messages* in as few system calls as fit; give what the kernel said to each.

        The kernel works a send off before it returns, so a kill never falls between two messages of one
        send (64 KiB). A message that fails stops none of the others.
        """
        answers: list[OSError | None] = []
        for chunk in _chunks(messages):
            answers += self._send(chunk)
        return answers

    def _send(self, chunk: Sequence[Message]) -> list[OSError | None]:
        """Only the last message asks for an acknowledgement; errors come unasked, and come before it."""
        first = self._sequence + 1
        packets = []
        for message in chunk:
            self._sequence += 1
            ack = ACK if message is chunk[-1] else 0
            packets.append(_packet(message, REQUEST | ack, self._sequence))
        self._socket.send(b"".join(packets))
        answers: list[OSError | None] = [None] * len(chunk)
        while True:
            for kind, flags, sequence, body in _split(self._socket.recv(_RECEIVE)):
                if kind != _ERROR or sequence < first:
                    continue
                answers[sequence - first] = _error(flags, body)
                if sequence == self._sequence:
                    return answers

    def ask(self, message: Message) -> bytes:
        """Send one request that is answered with one message; give that one's body.

        :raises OSError: what the kernel answered instead.
        """
        self._sequence += 1
        self._socket.send(_packet(message, REQUEST, self._sequence))
        while True:
            for kind, flags, sequence, body in _split(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                if kind == _ERROR:
                    raise _error(flags, body) or OSError(errno.ENODATA, "an answer without data")
                return body

    def dump(self, message: Message) -> list[bytes]:
        """Give the bodies of all objects; asked anew where they changed while the kernel told them.

        :raises OSError: what the kernel answered instead.
        """
        while True:
            found = self._dump(message)
            if found is not None:
                return found

    def _dump(self, message: Message) -> list[bytes] | None:
        self._sequence += 1
        self._socket.send(_packet(message, REQUEST | DUMP, self._sequence))
        found: list[bytes] = []
        whole = True
        while True:
            for kind, flags, sequence, body in _split(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                whole = whole and not flags & _INTERRUPTED
                if kind == _DONE:
                    return found if whole else None
                if kind == _ERROR:
                    raise _error(flags, body) or OSError(errno.ENODATA, "a dump without data")
                found.append(body)


def _chunks(messages: Sequence[Message]) -> Iterator[list[Message]]:
    chunk: list[Message] = []
    size = 0
    for message in messages:
        length = len(message.body) + 16
        if chunk and size + length > _CHUNK:
            yield chunk
            chunk, size = [], 0
        chunk.append(message)
        size += length
    if chunk:
        yield chunk


def _packet(message: Message, flags: int, sequence: int) -> bytes:
    length = len(message.body) + 16
    padding = bytes(-length % 4)
    return _HEADER.pack(length, message.kind, message.flags | flags, sequence, 0) + message.body + padding


def _split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    start = 0
    while start + 16 <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, start)
        yield kind, flags, sequence, data[start + 16 : start + length]
        start += (length + 3) & ~3


def _error(flags: int, body: bytes) -> OSError | None:
    (code,) = struct.unpack_from("=i", body)
    if code == 0:
        return None
    said = ""
    if flags & _ACK_TLVS and flags & _CAPPED:
        said = next((value.rstrip(b"\0").decode() for kind, value in attributes(body, 20) if kind == 1), "")
    return OSError(-code, f"{os.strerror(-code)} ({said})" if said else os.strerror(-code))
