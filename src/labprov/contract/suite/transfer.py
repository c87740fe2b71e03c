"""Moving data between two nodes with a small program (talk.py) that runs inside them, by ``Lab.exec``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labprov.lab import Lab

LEFT, RIGHT = "10.99.7.1", "10.99.7.2"
MOVED = 10_000_000
DATAGRAMS = 50
PORT = 4007
PROGRAM = (Path(__file__).parent / "talk.py").read_text()
PATIENCE = 60.0
"""Seconds until a program that hangs is ended; nothing waits for them to pass."""

SHOW_INTERFACES = (
    'for path in /sys/class/net/*/ifindex; do read index < "$path"; path=${path%/ifindex};'
    ' echo "$index ${path##*/}"; done | sort -n | while read index name; do echo "$name"; done'
)
"""A shell line that names the interfaces in the order in which they were made; no single quotes."""


def address(lab: Lab, node: str, interface: str, own: str) -> None:
    """Give an interface an IPv4 address of the suite's."""
    result = lab.exec(node, ["ip", "address", "add", f"{own}/24", "dev", interface])
    assert result.exit_code == 0, result.stderr.decode(errors="replace")


def tcp(lab: Lab, server: str, client: str, at: str) -> tuple[int, int]:
    """How many bytes arrived whole at the server, and at the client, of :data:`MOVED` each."""
    return _talk(lab, "tcp", server, client, at, MOVED)


def udp(lab: Lab, server: str, client: str, at: str) -> tuple[int, int]:
    """How many datagrams arrived at the server and, given back, at the client, of :data:`DATAGRAMS`."""
    return _talk(lab, "udp", server, client, at, DATAGRAMS)


def _talk(lab: Lab, protocol: str, server: str, client: str, at: str, amount: int) -> tuple[int, int]:
    with ThreadPoolExecutor(2) as pool:
        sides = [
            pool.submit(_side, lab, node, protocol, side, at, str(PORT), str(amount))
            for side, node in (("serve", server), ("call", client))
        ]
        done = tuple(side.result() for side in sides)
    return done[0], done[1]


def _side(lab: Lab, node: str, *words: str) -> int:
    result = lab.exec(node, ["python3", "-c", PROGRAM, *words], timeout=PATIENCE)
    assert result.exit_code == 0, f"{node}: {' '.join(words)}: {result.stderr.decode(errors='replace')}"
    return int(result.stdout)
