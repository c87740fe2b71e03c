"""An unprivileged user's holder: one process whose namespaces hold all named namespaces of a workspace.

It does nothing but sleep. It is found again by its environment, which names the workspace, and by its
user, so there is no file about it. Whoever enters its namespaces is root inside, over nothing but what was
made in there. Helper side: standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Iterator

from labprov.errors import EngineFailure
from labprov.wires import linux
from labprov.wires import netlink as nl
from labprov.wires.links import change
from labprov.wires.processes import end, read
from labprov.wires.rootfs import shadow
from labprov.wires.switches import denied

MARK = "LABPROV_HOLDER"
NODE_VARIABLE = "LABPROV_NODE"
"""Names a node's process: the workspace's id, a slash, the node's runtime name."""
_KINDS = linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWNET


def find(workspace: str) -> int | None:
    """The pid of the user's holder of that workspace; None: there is none."""
    mark = f"{MARK}={workspace}".encode()
    for name in os.listdir("/proc"):
        if name.isdigit() and _is_mine(name) and mark in _environment(name):
            return int(name)
    return None


def end_orphans(workspace: str) -> None:
    """Kill the workspace's node processes; where it has no holder, nothing can find them any more.

    A holder that was killed leaves them behind. Each is the first of a pid namespace, which ends with it.
    """
    mark = f"{NODE_VARIABLE}={workspace}/".encode()
    for name in os.listdir("/proc"):
        if name.isdigit() and _is_mine(name) and any(word.startswith(mark) for word in _environment(name)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), signal.SIGKILL)


def _is_mine(pid: str) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _environment(pid: str) -> list[bytes]:
    try:
        return read(int(pid), "environ").split(b"\0")
    except PermissionError:  # one of the user's that changed its credentials: not a holder
        return []


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Hold the workspace's folder, so that no two processes start holders, or end one while it is used."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def start(workspace: str) -> int:
    """Start a holder; give its pid when it is ready to be entered.

    :raises Unavailable: the user may not have namespaces.
    """
    end_orphans(workspace)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            _become(workspace)
        except BaseException as error:  # a forked child must not unwind into its parent's stack
            os.write(writing, str(error).encode())
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said = file.read().decode()
    if said:
        os.waitpid(child, 0)
        raise denied(said)
    return child


def _become(workspace: str) -> None:
    """Turn this process into a holder; the pipe closes when it is one."""
    os.setsid()
    user, group = os.geteuid(), os.getegid()
    linux.unshare(_KINDS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    shadow("/run", without=("netns",))
    os.mkdir("/run/netns", 0o755)
    nl.Socket().batch([change("lo", up=True)])
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    environment = {MARK: workspace, "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
    os.execvpe("sleep", ["labprov-holder", "infinity"], environment)


def enter(pid: int) -> None:
    """Go into a holder's namespaces, for good; this process must have one thread only."""
    fd = os.pidfd_open(pid)
    try:
        linux.setns(fd, _KINDS)
    except OSError as error:
        if error.errno == errno.ESRCH:
            raise EngineFailure("the namespaces' holder has ended just now", remedy="Do it again.") from error
        raise denied(str(error)) from error
    finally:
        os.close(fd)


def stop(pid: int) -> None:
    """End a holder, which need not be this process's child; it is gone afterwards."""
    end([pid], 0)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
