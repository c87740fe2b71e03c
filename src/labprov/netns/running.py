"""Working with a node that runs: commands, console, output, readiness."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Sequence

from labprov.engine import ConsoleCommand, NodeState, ObservedNode, Readiness, Result, Scope
from labprov.errors import DeadlineExceeded, NodeNotRunning, NotSupported
from labprov.hookspecs import hookimpl
from labprov.netns import naming
from labprov.netns.nodes import PATH
from labprov.wires import NODE_VARIABLE
from labprov.wires.processes import end_marked, read, ready
from labprov.wires.rootfs import has_mark

_MARK = "LABPROV_EXEC"
"""A variable that a command and all that it starts have in their environment, so that it can be ended."""


def _entered(node: ObservedNode) -> tuple[list[str], dict[str, str]]:
    """The words that come before a command in the node, and the node's environment."""
    pid = node.process
    if pid is None:
        raise NodeNotRunning(
            f"the node is {node.state}",
            lab=node.lab,
            node=node.node,
            remedy=f"Start it: labprov start --node {node.node}.",
        )
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    argv = ["nsenter", f"--target={pid}", *user, "--net", "--mount", "--pid", "--uts", "--ipc", "--"]
    return argv, _environment(node, pid)


def _environment(node: ObservedNode, pid: int) -> dict[str, str]:
    """What the node's first process was started with."""
    if not has_mark(read(pid, "mountinfo"), node.runtime_name):
        raise NodeNotRunning("the node has ended", lab=node.lab, node=node.node, remedy="Start it.")
    pairs = (os.fsdecode(entry).partition("=") for entry in read(pid, "environ").split(b"\0"))
    own = {name: value for name, equals, value in pairs if equals and name and name != NODE_VARIABLE}
    return {"PATH": PATH, **own}


@hookimpl
def labprov_exec(scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float) -> Result:
    """Run nsenter in labprov's own process tree.

    Output goes to unnamed files, not pipes: a daemon that the command leaves behind holds nothing up.
    """
    before, environment = _entered(node)
    mark = uuid.uuid4().hex
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [*before, *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**environment, _MARK: mark},
            cwd="/",
            start_new_session=True,
        )
        try:
            in_time = _ended(process, timeout)
        finally:
            if process.poll() is None:
                _end(process, mark)
        if not in_time:
            raise DeadlineExceeded(
                f"the command did not end within {timeout:g} s, and was ended: {command[0]}",
                lab=node.lab,
                node=node.node,
            )
        code = process.returncode
        out.seek(0)
        err.seek(0)
        return Result(128 - code if code < 0 else code, out.read(), err.read())


def _ended(process: subprocess.Popen[bytes], timeout: float) -> bool:
    """Wait for the end of the command, as long as it may take."""
    fd = os.pidfd_open(process.pid)
    try:
        return ready(fd, timeout)
    finally:
        os.close(fd)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill the command and all that it started, also what left its session, until none is left."""
    process.kill()
    process.wait()
    end_marked(f"{_MARK}={mark}".encode())


@hookimpl
def labprov_console(scope: Scope, node: ObservedNode, method: str) -> ConsoleCommand:
    """A shell in the node: bash where there is one."""
    if method != "exec":
        raise NotSupported(
            f"a namespace has no {method} console",
            provider="netns",
            lab=node.lab,
            node=node.node,
            remedy="Use exec.",
        )
    before, environment = _entered(node)
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    return ConsoleCommand((*before, shell), {**environment})


@hookimpl
def labprov_logs(scope: Scope, node: ObservedNode) -> bytes:
    """The output of the node's process since it was last started; nothing if it never was."""
    try:
        return naming.log(scope, node.lab, node.node).read_bytes()
    except FileNotFoundError:
        return b""


@hookimpl
def labprov_ready(scope: Scope, node: ObservedNode) -> Readiness:
    """A namespace has nothing to boot: it is ready when its process runs its command."""
    if node.state is NodeState.RUNNING:
        return Readiness(True)
    return Readiness(False, f"the node is {node.state}")
