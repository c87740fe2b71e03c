"""A node's first process: found by what it is, started, ended.

No file says which process is a node's. It is the one whose network namespace is the node's, that is number
1 in its own pid namespace, and whose root carries labprov's mark. Helper side: standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Collection, Iterable, Iterator

from labprov.errors import Unavailable
from labprov.wires.rootfs import has_mark

_GONE = (FileNotFoundError, ProcessLookupError)


def first_processes(inodes: Collection[int]) -> dict[int, int]:
    """The running first processes of the nodes whose network namespaces have *inodes*: pid by inode.

    :raises Unavailable: /proc can't be read.
    """
    wanted = {f"net:[{inode}]": inode for inode in inodes}
    found: dict[int, int] = {}
    for pid in _pids():
        inode = wanted.get(_namespace(pid, "net"))
        if inode is not None and _is_first(pid) and has_mark(read(pid, "mountinfo")):
            found[inode] = pid
    return found


def _pids() -> Iterator[int]:
    try:
        names = os.listdir("/proc")
    except OSError as error:
        raise Unavailable(f"/proc can't be read: {error}") from error
    return (int(name) for name in names if name.isdigit())


def _namespace(pid: int, kind: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except (*_GONE, PermissionError):  # gone, or another user's, whose namespaces are not ours
        return ""


def _is_first(pid: int) -> bool:
    numbers = read(pid, "status").partition(b"\nNSpid:")[2].partition(b"\n")[0].split()
    return len(numbers) > 1 and numbers[-1] == b"1"


def read(pid: int, name: str) -> bytes:
    """One of a process's files; nothing if it is gone, or has ended and waits to be noticed."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except _GONE:
        return b""
    except OSError as error:
        if error.errno != errno.EINVAL:  # what a process that has ended says of its mounts
            raise
        return b""


def _catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for that signal.

    The kernel never gives a first process a signal from outside that it has no handler for (but KILL).
    """
    mask = read(pid, "status").partition(b"\nSigCgt:")[2].partition(b"\n")[0]
    return bool(int(mask or b"0", 16) >> (number - 1) & 1)


def end(pids: Iterable[int], grace: float) -> None:
    """End first processes, and with them all that runs in their pid namespaces; return when they are gone.

    :param grace: seconds between asking (TERM) and killing; 0 kills at once.
    """
    with contextlib.ExitStack() as stack:
        waiting: dict[int, int] = {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                stack.callback(os.close, fd)
                waiting[fd] = pid
        asked = {fd for fd, pid in waiting.items() if grace > 0 and _catches(pid, signal.SIGTERM)}
        _send(set(waiting) - asked, signal.SIGKILL)
        _send(asked, signal.SIGTERM)
        left = _wait(asked, grace)
        _send(left, signal.SIGKILL)
        _wait(set(waiting) - asked | left, None)


def ready(fd: int, seconds: float | None) -> bool:
    """Wait until *fd* is readable (a pidfd: until that process has ended), but not longer than *seconds*."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def _send(fds: Iterable[int], number: signal.Signals) -> None:
    for fd in fds:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, number)
            if number == signal.SIGTERM:  # a frozen one hears nothing until it goes on
                signal.pidfd_send_signal(fd, signal.SIGCONT)


def _wait(fds: Collection[int], seconds: float | None) -> set[int]:
    """Wait for the ends of processes; give those that still run."""
    until = None if seconds is None else time.monotonic() + seconds
    left = set(fds)
    poll = select.poll()
    for fd in left:
        poll.register(fd, select.POLLIN)
    while left:
        rest = None if until is None else max(0.0, until - time.monotonic())
        ready = poll.poll(None if rest is None else rest * 1000)
        for fd, _ in ready:
            poll.unregister(fd)
            left.discard(fd)
        if not ready:
            break
    return left


def marked(entry: bytes) -> list[int]:
    """The processes that have *entry* (``NAME=value``) in their environment, as far as it may be read."""
    return [pid for pid in _pids() if entry in _environment(pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return read(pid, "environ").split(b"\0")
    except PermissionError:  # another user's
        return []


def end_marked(entry: bytes) -> None:
    """Kill all processes with that entry in their environment, until none is left."""
    while pids := marked(entry):
        end(pids, 0)
