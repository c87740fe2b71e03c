"""The first processes of containers, found in ``/proc`` without asking the engine about each."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from labprov.wires.processes import read

_ID = re.compile(rb"[0-9a-f]{64}")
"""Whatever the driver and version of control groups: a container's id stands in its processes' groups."""


def first_processes(ids: Collection[str]) -> dict[str, int]:
    """The first process of each container that runs: pid by the container's id.

    :param ids: full ids. One whose processes can't be seen from here is not in the answer.
    """
    wanted = {item.encode(): item for item in ids}
    found: dict[str, list[int]] = {}
    for pid in _pids() if wanted else ():
        groups = _ID.findall(read(pid, "cgroup"))
        owner = next((wanted[item] for item in groups if item in wanted), None)
        if owner is not None:
            found.setdefault(owner, []).append(pid)
    firsts = ((owner, _first(pids)) for owner, pids in found.items())
    return {owner: pid for owner, pid in firsts if pid is not None}


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _first(pids: Collection[int]) -> int | None:
    """Number 1 of the outermost pid namespace; in the host's own (``pid: host``), the oldest at the top."""
    status = {pid: said for pid in pids if (said := _status(pid)) is not None}
    ones = [(len(numbers), pid) for pid, (_, numbers) in status.items() if numbers[-1] == 1]
    if ones:
        return min(ones)[1]
    top = [(started(pid), pid) for pid, (parent, _) in status.items() if parent not in status]
    return min(top)[1] if top else None


def _status(pid: int) -> tuple[int, list[int]] | None:
    """Its parent, and its number in each pid namespace, outermost first; None if it has ended."""
    said = dict(line.split(b":", 1) for line in read(pid, "status").splitlines() if b":" in line)
    if not said or said[b"State"].split()[0] in (b"Z", b"X"):
        return None
    return int(said[b"PPid"]), [int(number) for number in said.get(b"NSpid", said[b"Pid"]).split()]


def started(pid: int) -> int:
    """When it began, in the kernel's ticks; a process that has ended meanwhile comes last."""
    fields = read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 1 << 63
