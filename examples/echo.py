#!/usr/bin/env python3
"""Send ICMP echo requests and show the replies: ``echo.py ADDRESS [COUNT]``, IPv4 or IPv6.

What ping does, for nodes that have no ping. Run it inside a node::

    labprov exec --node pc1 -- python3 echo.py 10.0.2.2

Exit code 0: at least one reply came; 1: none; 2: it could not be asked at all.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from dataclasses import dataclass

TIMEOUT = 1.0  # seconds to wait for each reply
PAYLOAD = b"labprov" * 8


@dataclass(frozen=True)
class Family:
    """ICMP in one version of IP (RFC 792, RFC 4443)."""

    family: int
    protocol: int
    request: int
    reply: int


V4 = Family(socket.AF_INET, socket.IPPROTO_ICMP, 8, 0)
V6 = Family(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129)


def checksum(data: bytes) -> int:
    """Compute the Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return 0xFFFF - total


def request(family: Family, identifier: int, sequence: int) -> bytes:
    """Build one echo request; over IPv6 the kernel fills in the checksum."""
    empty = struct.pack("!BBHHH", family.request, 0, 0, identifier, sequence) + PAYLOAD
    value = checksum(empty) if family is V4 else 0
    return struct.pack("!BBHHH", family.request, 0, value, identifier, sequence) + PAYLOAD


def open_socket(family: Family) -> tuple[socket.socket, bool]:
    """Open a raw socket, or the kernel's ping socket where that is not allowed; tell whether it is raw."""
    try:
        return socket.socket(family.family, socket.SOCK_RAW, family.protocol), True
    except PermissionError:
        return socket.socket(family.family, socket.SOCK_DGRAM, family.protocol), False


def is_reply(family: Family, packet: bytes, raw: bool, identifier: int, sequence: int) -> bool:
    """Whether *packet* answers our request; a ping socket shows the kernel's identifier, not ours."""
    if raw and family is V4:
        packet = packet[(packet[0] & 15) * 4 :]
    if len(packet) < 8:
        return False
    kind, _, _, answered, number = struct.unpack("!BBHHH", packet[:8])
    return kind == family.reply and number == sequence and (answered == identifier or not raw)


def wait_for_reply(
    link: socket.socket, family: Family, raw: bool, identifier: int, sequence: int
) -> str | None:
    """Give the address that answered, None if nobody did in time."""
    deadline = time.monotonic() + TIMEOUT
    while (remaining := deadline - time.monotonic()) > 0:
        link.settimeout(remaining)
        try:
            packet, sender = link.recvfrom(2048)
        except TimeoutError:
            return None
        if is_reply(family, packet, raw, identifier, sequence):
            return str(sender[0])
    return None


def echo(address: str, count: int) -> int:
    """Send *count* requests to *address*, print what comes back, and give the number of replies."""
    family = V6 if ":" in address else V4
    link, raw = open_socket(family)
    identifier = os.getpid() & 0xFFFF
    replies = 0
    with link:
        for sequence in range(1, count + 1):
            began = time.monotonic()
            try:
                link.sendto(request(family, identifier, sequence), (address, 0))
            except OSError as error:
                print(f"request {sequence} to {address}: {error.strerror}")
                continue
            sender = wait_for_reply(link, family, raw, identifier, sequence)
            if sender is None:
                print(f"request {sequence} to {address}: no reply within {TIMEOUT:.0f} s")
                continue
            replies += 1
            print(f"reply {sequence} from {sender} after {1000 * (time.monotonic() - began):.2f} ms")
    print(f"{address}: {count} sent, {replies} received")
    return replies


def main() -> int:
    """Read the arguments; give the exit code."""
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return 0 if echo(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 3) else 1
    except (OSError, ValueError) as error:
        print(f"echo to {sys.argv[1]}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
