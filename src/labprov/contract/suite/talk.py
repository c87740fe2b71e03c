"""Runs inside a node, as the text of ``python3 -c``: one side of a conversation over TCP or UDP.

Arguments: ``tcp`` or ``udp``; ``serve`` or ``call``; the server's address; port; how much. Prints how many
bytes, or datagrams, have come back whole. Standard library only, Python 3.6 or later.
"""

from __future__ import annotations

import socket
import sys
import time

PATTERN = bytes(range(251)) * 64
PATIENCE = 30.0


def _send(sock: socket.socket, amount: int) -> None:
    whole = PATTERN * (amount // len(PATTERN) + 1)
    sock.sendall(whole[:amount])


def _receive(sock: socket.socket, amount: int) -> int:
    whole = PATTERN * (amount // len(PATTERN) + 1)
    done = 0
    while done < amount:
        part = sock.recv(1 << 16)
        if not part or part != whole[done : done + len(part)]:
            break
        done += len(part)
    return done


def serve_tcp(address: str, port: int, amount: int) -> int:
    """Wait for the one call."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(1)
        listening.settimeout(PATIENCE)
        with listening.accept()[0] as sock:
            sock.settimeout(PATIENCE)
            done = _receive(sock, amount)
            _send(sock, amount)
            return done


def call_tcp(address: str, port: int, amount: int) -> int:
    """Call until somebody listens."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            sock = socket.create_connection((address, port), PATIENCE)
            break
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    with sock:
        _send(sock, amount)
        return _receive(sock, amount)


def _datagram(number: int) -> bytes:
    return b"%d " % number + PATTERN[: 1 + number * 29 % 1400]


def serve_udp(address: str, port: int, amount: int) -> int:
    """Give back every datagram; the kernel drops those whose checksum is wrong before they come here."""
    whole: set[bytes] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, port))
        sock.settimeout(PATIENCE)
        while len(whole) < amount:
            data, sender = sock.recvfrom(1 << 16)
            sock.sendto(data, sender)
            if not data.startswith(b"hello"):
                whole.add(data)
    return len(whole & {_datagram(number) for number in range(amount)})


def call_udp(address: str, port: int, amount: int) -> int:
    """Greet until somebody answers; then send each datagram once, and count the ones that come back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        _greet(sock)
        back = 0
        for number in range(amount):
            sock.send(_datagram(number))
            data = sock.recv(1 << 16)
            while data.startswith(b"hello"):
                data = sock.recv(1 << 16)
            back += data == _datagram(number)
        return back


def _greet(sock: socket.socket) -> None:
    until = time.monotonic() + PATIENCE
    sock.settimeout(0.1)
    while time.monotonic() < until:
        try:
            sock.send(b"hello")
            sock.recv(1 << 16)
        except (TimeoutError, socket.timeout, ConnectionRefusedError):  # noqa: UP041 (another before 3.10)
            time.sleep(0.02)
            continue
        sock.settimeout(10)
        return


def main() -> None:
    """See the module."""
    protocol, side, address, port, amount = sys.argv[1:]
    talk = {
        ("tcp", "serve"): serve_tcp,
        ("tcp", "call"): call_tcp,
        ("udp", "serve"): serve_udp,
        ("udp", "call"): call_udp,
    }[protocol, side]
    print(talk(address, int(port), int(amount)))


if __name__ == "__main__":
    main()
