"""Starting a node's first process in namespaces of its own, so that it outlives everything of labprov's.

Helper side: standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from labprov.errors import EngineFailure, InvalidInput, LabprovError
from labprov.wires import linux
from labprov.wires.rootfs import Bind, build
from labprov.wires.spaces import FOLDER, Space, write_sysctl

PAUSE = ("sleep", "infinity")
"""What a node without a command runs; its children are reaped by the kernel, since it ignores SIGCHLD."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SIGNALS = (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXFSZ)


@dataclass(frozen=True)
class Start:
    """What a node's first process shall be.

    :param name: the node's runtime name, which marks its root.
    :param argv: program and arguments; empty: :data:`PAUSE`.
    :param log: absolute path; the output goes there, the file is emptied first.
    """

    name: str
    hostname: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    binds: tuple[str, ...]
    sysctls: Mapping[str, str]
    log: str


def check_sysctls(sysctls: Mapping[str, str]) -> None:
    """See to it that only the node's own network is set.

    :raises InvalidInput: another one is asked for.
    """
    wrong = sorted(key for key in sysctls if not key.startswith("net.") or "/" in key or ".." in key)
    if wrong:
        raise InvalidInput(
            f"a namespace has no {', '.join(wrong)} of its own",
            remedy="Set only net.* in the node's sysctls.",
        )


def start(spaces: Sequence[Space], starts: Sequence[Start]) -> list[LabprovError | None]:
    """Start them all at once; give what went wrong with each, when each runs its command or has failed."""
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in starts]
    nursery = os.fork()
    if nursery == 0:
        writing = [pipe[1] for pipe in pipes]
        _or_die(writing, lambda: _nurse(spaces, starts, writing))
    for _, end in pipes:
        os.close(end)
    outcomes = [_outcome(pipe) for pipe, _ in pipes]
    os.waitpid(nursery, 0)
    return outcomes


def _nurse(spaces: Sequence[Space], starts: Sequence[Start], pipes: Sequence[int]) -> None:
    """The parent of a batch, in a mount namespace without the names of all the namespaces.

    Every node gets a copy of it; copies of the names would cost time, and keep removed namespaces alive.
    """
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.umount(FOLDER)
    children = []
    for space, wanted, pipe in zip(spaces, starts, pipes, strict=True):
        child = os.fork()
        if child == 0:
            _or_die([pipe], partial(_between, space, wanted, pipe))
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    os._exit(0)


def _outcome(pipe: int) -> LabprovError | None:
    """What the process says before its command runs: nothing if that did (the pipe closes on exec)."""
    with os.fdopen(pipe, "rb") as file:
        said = file.read()
    if not said:
        return None
    answer: dict[str, Any] = json.loads(said)
    kind = InvalidInput if answer["invalid"] else EngineFailure
    return kind(answer["message"], remedy=answer["remedy"])


def _or_die(pipes: Sequence[int], work: Callable[[], None]) -> NoReturn:
    """Do *work* in a child: it never returns into the helper, whatever happens."""
    try:
        work()
    except BaseException as error:  # a forked child must not unwind into its parent's stack
        for pipe in pipes:
            with contextlib.suppress(OSError):
                os.write(pipe, _told(error))
    finally:
        os._exit(1)


def _told(error: BaseException) -> bytes:
    if isinstance(error, LabprovError):
        message, remedy = error.message, error.remedy
    else:
        message, remedy = f"it could not be started: {error}", None
    invalid = isinstance(error, InvalidInput)
    return json.dumps({"message": message, "remedy": remedy, "invalid": invalid}).encode()


def _between(space: Space, wanted: Start, pipe: int) -> None:
    """The child: enters the namespaces, and leaves behind the process that is number 1 in them."""
    linux.setns(space.fd, linux.CLONE_NEWNET)
    linux.unshare(linux.CLONE_NEWPID | linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC)
    if os.fork() == 0:
        _or_die([pipe], lambda: _first(wanted))
    os._exit(0)


def _first(wanted: Start) -> None:
    os.setsid()
    _streams(wanted.log)
    socket.sethostname(wanted.hostname)
    build(wanted.name, [Bind.parse(text) for text in wanted.binds])
    for key, value in wanted.sysctls.items():
        _set(key, value)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    soft, hard = _limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    _run(wanted)


def _streams(log: str) -> None:
    empty = os.open("/dev/null", os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(empty, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(empty)
    os.close(output)


def _set(key: str, value: str) -> None:
    try:
        write_sysctl(key, value)
    except OSError as error:
        raise InvalidInput(
            f"the sysctl {key}={value} can't be set: {error.strerror}",
            remedy="Correct the node's sysctls; some exist only with a kernel module or an interface.",
        ) from error


def _run(wanted: Start) -> None:
    argv = list(wanted.argv or PAUSE)
    if not wanted.argv:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        os.execvpe(argv[0], argv, dict(wanted.env))
    except OSError as error:
        raise EngineFailure(
            f"the command {argv[0]!r} can't be run: {error.strerror}",
            remedy="Correct the node's cmd or entrypoint, or install the program.",
        ) from error


_limits = resource.getrlimit(resource.RLIMIT_NOFILE)


def raise_limits() -> None:
    """Let this process hold as many namespaces open as it may; nodes get the old limit."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_limits[1], _limits[1]))
