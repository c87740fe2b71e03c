"""A ring of namespaces: labprov's whole deploy beside the least that the kernel must do for it.

Run as root: ``python benchmarks/ring.py [NODES]``. Both are timed in one run, alternating, and compared as
ratios; the floor makes the same namespaces and veth pairs, each with its addresses' worth of work left out:
unshare, bind mount, one netlink message a pair.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from labprov import Lab, Settings, Topology, TopologyBuilder

ROUNDS = 5

FLOOR = """
import ctypes, os, socket, struct, sys
count, folder = int(sys.argv[1]), sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result:
        raise OSError(ctypes.get_errno(), "refused")
home = os.open("/proc/self/ns/net", os.O_RDONLY)
spaces = []
for number in range(count):
    check(libc.unshare(0x40000000))
    path = f"{folder}/{number}".encode()
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    check(libc.mount(b"/proc/self/ns/net", path, None, 4096, None))
    spaces.append(os.open(path, os.O_RDONLY))
check(libc.setns(home, 0))
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
def attribute(kind, content):
    return struct.pack("HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)
for number in range(count):
    far = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attribute(3, b"eth1\\0")
    far += attribute(28, struct.pack("I", spaces[(number + 1) % count]))
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attribute(3, b"eth2\\0")
    body += attribute(28, struct.pack("I", spaces[number]))
    body += attribute(18, attribute(1, b"veth\\0") + attribute(2, attribute(1, far)))
    route.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, number + 1, 0) + body)
    answer = route.recv(4096)
    assert struct.unpack("i", answer[16:20])[0] == 0, answer
for number in range(count):
    check(libc.umount2(f"{folder}/{number}".encode(), 2))
"""
"""Makes the namespaces and pairs, and lets go of them again; prints nothing."""


def ring(count: int) -> Topology:
    """A ring of *count* nodes and as many links."""
    builder = TopologyBuilder("ring")
    for number in range(count):
        builder.add_node(f"n{number}", provider="netns")
    for number in range(count):
        builder.add_link(f"n{number}:eth2", f"n{(number + 1) % count}:eth1")
    return builder.build()


def timed(work: Callable[[], object]) -> float:
    """Seconds that *work* takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def floor(count: int) -> float:
    """The kernel's part alone, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-S", "-c", FLOOR, str(count), folder]
        return timed(lambda: subprocess.run(command, check=True))


def one_round(count: int, workspace: Path) -> dict[str, float]:
    """Every phase once."""
    lab = Lab(ring(count), Settings(workspace=workspace))
    times = {"floor": floor(count)}
    times["deploy"] = timed(lambda: lab.deploy().raise_failures())
    times["no-op deploy"] = timed(lambda: lab.deploy().raise_failures())
    times["inspect"] = timed(lab.inspect)
    times["destroy"] = timed(lambda: lab.destroy().raise_failures())
    return times


def main() -> None:
    """Time all rounds and print the medians, each with its ratio to the floor."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as workspace:
        rounds = [one_round(count, Path(workspace)) for _ in range(ROUNDS)]
    medians = {phase: statistics.median(times[phase] for times in rounds) for phase in rounds[0]}
    print(f"ring of {count} nodes and {count} links, medians of {ROUNDS} rounds")
    for phase, seconds in medians.items():
        print(f"{phase:>14} {seconds:8.3f} s {seconds / medians['floor']:7.1f} x floor")


if __name__ == "__main__":
    main()
