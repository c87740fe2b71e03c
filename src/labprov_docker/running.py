"""Working with a node that runs: commands, console, readiness."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from labprov.engine import ConsoleCommand, NodeState, ObservedNode, Readiness, Result, Scope
from labprov.errors import DeadlineExceeded, EngineFailure, LabprovError, NodeNotRunning, NotSupported
from labprov.hookspecs import hookimpl
from labprov.wires.processes import end_marked
from labprov_docker.address import NAME, address
from labprov_docker.client import client
from labprov_docker.containers import RUNNING, Container, Pod, pods_of_lab
from labprov_docker.facts import engine
from labprov_docker.output import STDERR, STDOUT, parted, raise_for
from labprov_docker.translation import translated

_MARK = "LABPROV_EXEC"
"""A variable that a command and all that it starts have in their environment, so that it can be ended."""
_NOT_STARTED = b"OCI runtime exec failed"
_NOT_FOUND = (b"executable file not found", b"no such file or directory")
_ENDED_WITHIN = 60.0  # seconds from the kill of a command to the end of its stream
_SHELL = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"
_DETACH = "ctrl-@,ctrl-@"
"""Keys that leave a console without ending it; the usual ones begin with ctrl-p, which shells need."""
_KILL = """
for folder in /proc/[0-9]*; do
    if tr '\\0' '\\n' 2>/dev/null <"$folder/environ" | grep -qxF "$0"; then kill -9 "${folder#/proc/}"; fi
done
"""


def _running(scope: Scope, node: ObservedNode) -> Container:
    """The node's container.

    :raises NodeNotRunning: it does not run.
    """
    container = pods_of_lab(scope).get(node.node, Pod()).node
    if container is None or container.state != RUNNING:
        state = container.state if container else NodeState.ABSENT
        raise NodeNotRunning(
            f"the node is {state}",
            lab=node.lab,
            node=node.node,
            remedy=f"Start it: labprov start --node {node.node}.",
        )
    return container


@hookimpl
def labprov_exec(scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float) -> Result:
    """Run the command through the engine; at its deadline it is killed, and with that its stream ends."""
    container = _running(scope, node)
    execution = _Execution(scope, node, container, command)
    timer = threading.Timer(timeout, execution.end)
    timer.daemon = True
    timer.start()
    try:
        result = execution.run(timeout)
    except BaseException:
        timer.cancel()
        if not execution.ended.is_set():
            execution.end()
        raise
    timer.cancel()
    if execution.ended.is_set():
        timer.join()
        raise execution.overdue(timeout)
    return result


class _Execution:
    """One command in a node."""

    def __init__(
        self, scope: Scope, node: ObservedNode, container: Container, command: Sequence[str]
    ) -> None:
        self._scope = scope
        self._node = node
        self._container = container
        self._command = command
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        self._failure: LabprovError | None = None
        self.ended = threading.Event()
        """Set where the command was not left to end by itself."""

    def run(self, timeout: float) -> Result:
        """Run it to its end.

        :raises LabprovError: the engine does not run it, or its stream does not end with it.
        """
        with translated(lab=self._node.lab, node=self._node.node):
            api = client(self._scope)
            made = api.exec_create(self._container.id, list(self._command), environment=[self._mark])["Id"]
            raw = self._stream(api, made, timeout + _ENDED_WITHIN)
            code = api.exec_inspect(made)["ExitCode"]
        frames = parted(raw)
        out, err = (b"".join(part for which, part in frames if which == one) for one in (STDOUT, STDERR))
        if code in (126, 127) and out.startswith(_NOT_STARTED):  # the engine's words are no output
            return Result(127 if any(text in out for text in _NOT_FOUND) else 126, b"", out)
        if code is None:
            raise EngineFailure("the engine does not say how the command ended", lab=self._node.lab)
        return Result(code, out, err)

    def _stream(self, api: Any, made: str, silence: float) -> bytes:
        """Both outputs as they come, until the engine ends them.

        The engine ends them some 2 s after the command, where something that it left behind holds them open.
        Without the header Upgrade, with which docker-py itself asks, nothing of the beginning is lost to the
        buffer of the answer's headers.
        """
        url = f"{api.base_url}/v{api.api_version}/exec/{made}/start"
        words = {"Detach": False, "Tty": False}
        with api.post(url, json=words, stream=True, timeout=(api.timeout, silence)) as answer:
            raise_for(answer)
            return b"".join(answer.raw.stream(1 << 16))

    def end(self) -> None:
        """Kill it and all that it started, also what left its session."""
        self.ended.set()
        try:
            if engine(self._scope).can_enter:
                end_marked(self._mark.encode())
            else:
                self._end_from_inside()
        except LabprovError as error:
            self._failure = error

    def _end_from_inside(self) -> None:
        """As :meth:`end`, where the node's processes can't be seen from here."""
        with translated(lab=self._node.lab, node=self._node.node):
            api = client(self._scope)
            made = api.exec_create(self._container.id, ["sh", "-c", _KILL, self._mark], user="0")["Id"]
            raw = self._stream(api, made, _ENDED_WITHIN)
            if api.exec_inspect(made)["ExitCode"] in (126, 127):
                said = b"".join(part for _, part in parted(raw)).decode(errors="replace").strip()
                raise EngineFailure(f"there is no shell in the node to end it with: {said}")

    def overdue(self, timeout: float) -> LabprovError:
        """The error for a command that was ended."""
        what = f"the command did not end within {timeout:g} s"
        if self._failure is not None:
            return DeadlineExceeded(
                f"{what}, and could not be ended: {self._failure.message}",
                lab=self._node.lab,
                node=self._node.node,
                remedy=f"Restart the node: labprov restart --node {self._node.node}.",
            )
        return DeadlineExceeded(
            f"{what}, and was ended: {self._command[0]}", lab=self._node.lab, node=self._node.node
        )


@hookimpl
def labprov_ready(scope: Scope, node: ObservedNode) -> Readiness:
    """Ask the container's own healthcheck; where it has none, it is ready when it runs."""
    container = pods_of_lab(scope).get(node.node, Pod()).node
    if container is None or container.state != RUNNING:
        return Readiness(False, f"the container is {container.state if container else NodeState.ABSENT}")
    with translated(lab=node.lab, node=node.node):
        health = client(scope).inspect_container(container.id)["State"].get("Health") or {}
    status = health.get("Status") or "none"
    if status in ("healthy", "none"):
        return Readiness(True)
    probes = health.get("Log") or []
    said = str(probes[-1].get("Output") or "").strip() if probes else "it was not probed yet"
    return Readiness(False, f"its healthcheck says {status}" + (f": {said}" if said else ""))


@hookimpl
def labprov_console(scope: Scope, node: ObservedNode, method: str) -> ConsoleCommand:
    """A shell in the node: bash where there is one."""
    if method != "exec":
        raise NotSupported(
            f"a container has no {method} console",
            provider=NAME,
            lab=node.lab,
            node=node.node,
            remedy="Use exec.",
        )
    container = _running(scope, node)
    program = shutil.which("docker")
    if program is None:
        raise NotSupported(
            "docker's command line is not here, and a console needs it",
            provider=NAME,
            lab=node.lab,
            node=node.node,
            remedy="Install it (docker.io, docker-ce-cli).",
        )
    argv = (program, "exec", "-it", f"--detach-keys={_DETACH}", container.id, "sh", "-c", _SHELL)
    return ConsoleCommand(argv, address(scope.host).environment)
