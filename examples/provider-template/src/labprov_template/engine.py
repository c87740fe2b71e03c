"""The engine: one folder for each node, with a file that says all of it. Replace this module by yours."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labprov.engine import (
    Alone,
    BridgeType,
    Far,
    Joined,
    NodeSpec,
    NodeState,
    ObservedInterface,
    ObservedNode,
    Peer,
    Port,
    Scope,
)
from labprov.errors import EngineFailure, NodeNotFound, NotSupported, Unavailable
from labprov.model import Endpoint, endpoint, natural

NAME = "template"
MARK = "LABPROV_TEMPLATE_MARK"
"""A variable that a command and all that it starts have in their environment."""
Machine = dict[str, Any]
"""``labels``, ``power`` (on, off or never), ``process`` (number, when it began) and ``ports`` by name."""


def root() -> Path:
    """Where the engine keeps its nodes."""
    return Path(os.environ.get("LABPROV_TEMPLATE_ROOT", "~/.local/state/labprov-template")).expanduser()


class Engine:
    """All nodes. A real engine has a daemon that does one thing at a time; here a lock stands for it."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[Engine]:
        """Be the only one who looks or changes.

        :raises Unavailable: the engine can't be asked; "nothing is there" would be another answer.
        """
        try:
            root().mkdir(parents=True, exist_ok=True)
            with open(root() / ".lock", "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if (root() / ".broken").exists():
                    raise Unavailable("the engine is broken", provider=NAME, remedy="Mend it.")
                yield self
        except OSError as error:
            raise Unavailable(f"{root()} can't be used: {error}", provider=NAME) from error

    # -- what is there ------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The runtime names of all nodes, ours or not."""
        return sorted(path.parent.name for path in root().glob("*/machine.json"))

    def read(self, name: str) -> Machine:
        """One node's file."""
        machine: Machine = json.loads((root() / name / "machine.json").read_bytes())
        return machine

    def write(self, name: str, machine: Machine) -> None:
        """Write one node's file, whole."""
        new = root() / name / "new"
        new.write_text(json.dumps(machine, indent=1))
        new.rename(root() / name / "machine.json")

    def find(self, scope: Scope, node: str) -> str:
        """The runtime name of the lab's node, by its labels."""
        wanted = (scope.lab, scope.workspace_id, node)
        for name in self.names():
            labels = self.read(name)["labels"]
            if tuple(labels.get(f"labprov.{key}") for key in ("lab", "workspace", "node")) == wanted:
                return name
        raise NodeNotFound("the engine has no such node", lab=scope.lab, node=node)

    def observed(self, name: str) -> ObservedNode:
        """A node in labprov's words; without our labels it is foreign."""
        machine = self.read(name)
        label = {key.removeprefix("labprov."): value for key, value in machine["labels"].items()}
        ports = sorted(machine["ports"].items(), key=lambda item: natural(item[0]))
        return ObservedNode(
            lab=label.get("lab", ""),
            node=label.get("node", ""),
            provider=NAME,
            runtime_name=name,
            state=_state(machine) if label else NodeState.FOREIGN,
            prefix=label.get("prefix", ""),
            workspace=label.get("workspace", ""),
            kind=label.get("kind", ""),
            definition=label.get("definition", ""),
            process=machine["process"][0] if _runs(machine) else None,
            interfaces=tuple(
                ObservedInterface(
                    name=port,
                    mac=said["mac"],
                    tag=said["tag"],
                    mtu=said["mtu"],
                    far=self._far(machine, port),
                )
                for port, said in ports
            ),
        )

    def _far(self, machine: Machine, port: str) -> Far | None:
        """What a port really leads to: a pair whose other end is gone or looks elsewhere is dangling."""
        kind, name = machine["ports"][port]["far"]
        if kind == "bridge":
            return Joined(name, BridgeType.PARKING, learn=True)
        if kind == "alone":
            return Alone()
        labels = machine["labels"]
        me = f"{labels['labprov.node']}:{port}"
        for other in map(self.read, self.names()):
            same = all(
                other["labels"].get(key) == labels[key] for key in ("labprov.lab", "labprov.workspace")
            )
            for its, said in other["ports"].items() if same else ():
                if f"{other['labels']['labprov.node']}:{its}" == name and said["far"] == ["peer", me]:
                    return Peer(endpoint(name))
        return None

    # -- nodes --------------------------------------------------------------------------------------------

    def create(self, scope: Scope, spec: NodeSpec) -> None:
        """Make a node that does not run, in the place of another one where there is one to replace."""
        ports: dict[str, Any] = {}
        if spec.replaces is not None and spec.replaces.runtime_name in self.names():
            self.stop(spec.replaces.runtime_name, 0)
            ports = self.read(spec.replaces.runtime_name)["ports"]
        elif spec.runtime_name in self.names():
            raise EngineFailure(f"the name {spec.runtime_name} is in use", node=spec.name)
        (root() / spec.runtime_name).mkdir(exist_ok=True)
        machine = {"labels": dict(spec.labels), "power": "never", "process": None, "ports": ports}
        self.write(spec.runtime_name, machine)

    def start(self, scope: Scope, spec: NodeSpec) -> None:
        """Run the node's process, and note which one it is."""
        name = self.find(scope, spec.name)
        machine = self.read(name)
        if _runs(machine):
            return
        log = self._log(scope, spec.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        pid = _spawn(shlex.split(spec.node.cmd or "sleep infinity"), dict(spec.node.env), log)
        self.write(name, {**machine, "power": "on", "process": [pid, _began(pid)]})

    def stop(self, name: str, grace: float) -> None:
        """End a node's process; a node that is not there does not run."""
        if name in self.names() and (machine := self.read(name))["power"] != "never":
            if _runs(machine):
                end(machine["process"][0], grace)
            self.write(name, {**machine, "power": "off", "process": None})

    def remove(self, scope: Scope, node: str) -> None:
        """Remove a node with its process, its ports and its log; one that is gone is no error."""
        with contextlib.suppress(NodeNotFound):
            name = self.find(scope, node)
            self.stop(name, 0)
            shutil.rmtree(root() / name)
        self._log(scope, node).unlink(missing_ok=True)

    def _log(self, scope: Scope, node: str) -> Path:
        return scope.workspace / "logs" / (scope.lab or "") / f"{node}.log"

    def output(self, scope: Scope, node: str) -> bytes:
        """What the node's process has written."""
        log = self._log(scope, node)
        return log.read_bytes() if log.exists() else b""

    def remove_logs(self, scope: Scope) -> None:
        """Remove the lab's folder of logs."""
        shutil.rmtree(self._log(scope, "any").parent, ignore_errors=True)

    # -- ports --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def changing(self, scope: Scope, node: str) -> Iterator[dict[str, Any]]:
        """Give the ports of a node, and write at the end what has become of them, in one step."""
        name = self.find(scope, node)
        machine = self.read(name)
        yield machine["ports"]
        self.write(name, machine)

    def plug(self, scope: Scope, port: Port) -> None:
        """Make a port, or change it to what is wanted."""
        with self.changing(scope, port.end.node) as ports:
            said = {"mac": port.mac, "tag": port.tag, "mtu": port.mtu, "far": _far_word(port)}
            ports[port.end.interface] = said

    def unplug(self, scope: Scope, end: Endpoint) -> None:
        """Remove a port; one that is not there is no error."""
        with contextlib.suppress(NodeNotFound), self.changing(scope, end.node) as ports:
            ports.pop(end.interface, None)


def _far_word(port: Port) -> list[str]:
    match port.far:
        case Peer(end):
            return ["peer", str(end)]
        case Joined(bridge=bridge, type=BridgeType.PARKING):
            return ["bridge", bridge]
        case Alone():
            return ["alone", ""]
        case far:
            raise NotSupported(f"this engine has no {far}", node=port.end.node, interface=port.end.interface)


def _state(machine: Machine) -> NodeState:
    if _runs(machine):
        return NodeState.RUNNING
    return {"on": NodeState.CRASHED, "off": NodeState.STOPPED}.get(machine["power"], NodeState.DEFINED)


# -- processes ----------------------------------------------------------------------------------------------


def _began(pid: int) -> str:
    """When the process began, in ticks; empty if it is no more. Numbers of processes are used again."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _runs(machine: Machine) -> bool:
    process = machine["process"]
    return process is not None and _began(process[0]) == process[1]


def _spawn(argv: list[str], env: dict[str, str], log: Path) -> int:
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        return os.posix_spawnp(argv[0], argv, {**os.environ, **env}, file_actions=actions, setsid=True)
    except OSError as error:
        raise EngineFailure(f"{argv[0]} can't be run: {error}") from error


def end(pid: int, grace: float) -> None:
    """End a process and all of its group; politely first, where there is *grace* (in seconds)."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            if grace:
                os.killpg(pid, signal.SIGTERM)
            if not select.select([descriptor], [], [], grace)[0]:
                os.killpg(pid, signal.SIGKILL)
                select.select([descriptor], [], [])
        finally:
            os.close(descriptor)
    with contextlib.suppress(ChildProcessError):  # it may be another process's child
        os.waitpid(pid, os.WNOHANG)


def end_marked(mark: str) -> None:
    """Kill every process whose environment has the mark, until there is none."""
    wanted = f"{MARK}={mark}".encode()
    while found := [path for path in Path("/proc").glob("[0-9]*/environ") if wanted in _content(path)]:
        for path in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _content(path: Path) -> bytes:
    """What the file holds; nothing if the process is gone, or somebody else's."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
