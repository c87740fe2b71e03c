"""The reference provider: an engine in memory, and the shortest whole example of a provider.

A node is an entry of a dictionary, a wire is a comparison: two ports hear each other if the engine holds
them on one bridge with one tag. Nothing here runs but the commands that are executed "in" a node, which run
on the host. It is no entry point; the contract suite and tests make one where they need it.

Two :class:`ReferenceProvider` with one :class:`Engine` are one engine seen by two processes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from attrs import evolve, field, mutable

from labprov.engine import (
    Alone,
    Capability,
    ForeignPort,
    Join,
    LabResource,
    Namespace,
    NodeSpec,
    NodeState,
    Observed,
    ObservedInterface,
    ObservedNode,
    Place,
    Port,
    ProviderInfo,
    Readiness,
    Result,
    Scope,
)
from labprov.errors import (
    DeadlineExceeded,
    EngineFailure,
    ForeignResource,
    LabprovError,
    NodeNotFound,
    NodeNotRunning,
    Unavailable,
)
from labprov.events import Event, Watch
from labprov.harness import Harness
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.model import Endpoint, Node, Topology, natural
from labprov.news import compare

CLAIMS = frozenset(
    {
        Capability.FRAMES,
        Capability.PROCESSES,
        Capability.EXTERNAL_RESTART,
        Capability.ENGINE_RESTART,
        Capability.SHARED_BRIDGE,
        Capability.CARRIER,
        Capability.JSON_STORE,
    }
)
LOOKS_EVERY = 0.01
"""Seconds between two looks of who listens to the news."""


@mutable(eq=False)
class Ear:
    """Somebody who listens at an interface, and what was heard there."""

    interface: str
    heard: list[bytes] = field(factory=list)

    def told(self, seconds: float) -> list[bytes]:
        """What was heard since this was asked last."""
        heard, self.heard = self.heard, []
        return heard


@mutable(eq=False)
class Machine:
    """What the engine holds under one runtime name; without labels it is somebody else's."""

    labels: dict[str, str]
    state: NodeState = NodeState.DEFINED
    process: int | None = None
    ports: dict[str, ObservedInterface] = field(factory=dict)
    output: bytes = b""
    ears: list[Ear] = field(factory=list)


@mutable(eq=False)
class Engine:
    """Machines by their runtime names, and networks of labs as (lab, workspace)."""

    machines: dict[str, Machine] = field(factory=dict)
    networks: set[tuple[str, str]] = field(factory=set)
    foreign_ports: set[ForeignPort] = field(factory=set)
    answers: bool = True
    processes: Iterator[int] = field(factory=lambda: count(1000))
    lock: Any = field(factory=threading.RLock)

    def ask(self) -> None:
        """Every query begins with this."""
        if not self.answers:
            raise Unavailable("the engine in memory does not answer", remedy="Mend it.")

    def find(self, scope: Scope, node: str) -> Machine:
        """The machine of that identity, by its labels."""
        wanted = (scope.lab, scope.workspace_id, node)
        for machine in self.machines.values():
            if _identity(machine) == wanted:
                return machine
        raise NodeNotFound("the engine has no such node", lab=scope.lab, node=node)

    def carry(self, sender: Machine, name: str, frame: bytes) -> None:
        """Bring one frame to every port that is on the same bridge with the same tag."""
        source = sender.ports[name]
        for machine in self.within_earshot():
            for port in machine.ports.values():
                if (machine is not sender or port.name != name) and self.joined(source, port):
                    for ear in machine.ears:
                        if ear.interface == port.name:
                            ear.heard.append(frame)

    def within_earshot(self) -> list[Machine]:
        """The machines that the switch has ports of."""
        return list(self.machines.values())

    def joined(self, a: ObservedInterface, b: ObservedInterface) -> bool:
        """Whether what one sends is heard at the other."""
        bridged = a.far is not None and a.far != Alone() and a.tag is not None
        return bridged and a.up and b.up and (a.far, a.tag) == (b.far, b.tag)


def _identity(machine: Machine) -> tuple[str | None, str | None, str | None]:
    labels = machine.labels
    return labels.get("labprov.lab"), labels.get("labprov.workspace"), labels.get("labprov.node")


@mutable(eq=False)
class ReferenceProvider:
    """All hooks that the contract asks of a provider, and no more."""

    private_engine: ClassVar[bool] = True
    """Runs side by side don't meet in it, so none waits for another."""

    name: str = "reference"
    engine: Engine = field(factory=Engine)

    @hookimpl
    def labprov_provider_info(self, host: Host) -> ProviderInfo:
        """Say what it is; an engine that does not answer is an answer too."""
        return ProviderInfo(
            name=self.name,
            version="1",
            engine="memory",
            engine_version="1",
            joins=frozenset({Join.BRIDGE}),
            capabilities=CLAIMS,
            node_keys=frozenset({"image", "env"}),
            reason=None if self.engine.answers else "the engine in memory does not answer",
            remedy=None if self.engine.answers else "Mend it.",
        )

    @hookimpl
    def labprov_observe(self, scope: Scope, names: frozenset[str]) -> Observed:
        """Read everything in one go."""
        with self.engine.lock:
            self.engine.ask()
            nodes = [
                self.seen(name, machine)
                for name, machine in self.engine.machines.items()
                if name in names or (machine.labels and scope.lab in (None, _identity(machine)[0]))
            ]
            networks = [
                LabResource(lab=lab, provider=self.name, role="network", name=lab, workspace=workspace)
                for lab, workspace in self.engine.networks
                if scope.lab in (None, lab)
            ]
            foreign = tuple(self.engine.foreign_ports)
        return Observed(tuple(nodes), tuple(networks), foreign)

    def seen(self, name: str, machine: Machine) -> ObservedNode:
        """A machine as it is told of."""
        label = {key.removeprefix("labprov."): value for key, value in machine.labels.items()}
        return ObservedNode(
            lab=label.get("lab", ""),
            node=label.get("node", ""),
            provider=self.name,
            runtime_name=name,
            state=machine.state if label else NodeState.FOREIGN,
            prefix=label.get("prefix", ""),
            workspace=label.get("workspace", ""),
            kind=label.get("kind", ""),
            definition=label.get("definition", ""),
            process=machine.process,
            interfaces=tuple(sorted(machine.ports.values(), key=lambda port: natural(port.name))),
        )

    @hookimpl
    def labprov_prepare_lab(self, scope: Scope, topology: Topology) -> bool:
        """Make the lab's network."""
        self.engine.ask()
        self.engine.networks.add((topology.name, scope.workspace_id))
        return True

    @hookimpl
    def labprov_remove_lab(self, scope: Scope) -> bool:
        """Remove it again."""
        self.engine.ask()
        self.engine.networks.discard((scope.lab or "", scope.workspace_id))
        return True

    @hookimpl
    def labprov_create_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        """Make machines that do not run, or put new ones in the places of others."""
        return self.each(nodes, self.create)

    def create(self, spec: NodeSpec) -> None:
        """Make one: where it takes a place, the ports there stay, and so does whoever listens at them."""
        old = self.engine.machines.get(spec.replaces.runtime_name) if spec.replaces else None
        if spec.runtime_name in self.engine.machines and self.engine.machines[spec.runtime_name] is not old:
            raise EngineFailure(f"the name {spec.runtime_name} is in use", node=spec.name)
        made = Machine(dict(spec.labels))
        if spec.replaces is not None and old is not None:
            made.ports, made.ears = old.ports, old.ears
            del self.engine.machines[spec.replaces.runtime_name]
        self.engine.machines[spec.runtime_name] = made

    @hookimpl
    def labprov_start_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        """Run machines."""
        return self.each(nodes, lambda spec: self.start(self.engine.find(scope, spec.name)))

    def start(self, machine: Machine) -> None:
        """Give one a process, if it has none."""
        if machine.state not in (NodeState.RUNNING, NodeState.PAUSED):
            machine.process = next(self.engine.processes)
            machine.state = NodeState.RUNNING
            machine.output = f"process {machine.process} started\n".encode()

    @hookimpl
    def labprov_stop_nodes(
        self, scope: Scope, nodes: Sequence[ObservedNode], grace: float
    ) -> Sequence[LabprovError | None]:
        """End machines' processes; an absent one does not run already."""
        return self.each(nodes, self.stop)

    def stop(self, node: ObservedNode) -> None:
        """Take one's process away."""
        machine = self.engine.machines.get(node.runtime_name)
        if machine is not None and machine.state != NodeState.DEFINED:
            machine.state, machine.process = NodeState.STOPPED, None

    @hookimpl
    def labprov_remove_nodes(
        self, scope: Scope, nodes: Sequence[ObservedNode]
    ) -> Sequence[LabprovError | None]:
        """Remove machines with their ports."""
        return self.each(nodes, self.remove)

    def remove(self, node: ObservedNode) -> None:
        """Remove one, if it is still the one that was seen."""
        machine = self.engine.machines.get(node.runtime_name)
        if machine is not None and _identity(machine) == (node.lab, node.workspace, node.node):
            del self.engine.machines[node.runtime_name]

    @hookimpl
    def labprov_plug(self, scope: Scope, ports: Sequence[Port]) -> Sequence[Place | LabprovError]:
        """Make ports, or re-point those that are there."""
        outcomes = self.each(ports, lambda port: self.plug(self.engine.find(scope, port.end.node), port))
        places = [Namespace(f"memory/{scope.lab}/{port.end.node}") for port in ports]
        return [outcome or place for outcome, place in zip(outcomes, places, strict=True)]

    def plug(self, machine: Machine, port: Port) -> None:
        """Make one as described."""
        machine.ports[port.end.interface] = ObservedInterface(
            name=port.end.interface, mac=port.mac, tag=port.tag, far=port.far, mtu=port.mtu
        )

    @hookimpl
    def labprov_unplug(self, scope: Scope, ends: Sequence[Endpoint]) -> Sequence[LabprovError | None]:
        """Remove ports."""
        return self.each(ends, lambda end: self.unplug(self.engine.find(scope, end.node), end.interface))

    def unplug(self, machine: Machine, name: str) -> None:
        """Remove one; whoever listened there hears nothing more."""
        machine.ports.pop(name, None)
        machine.ears[:] = [ear for ear in machine.ears if ear.interface != name]

    @hookimpl
    def labprov_set_carrier(
        self, scope: Scope, ends: Sequence[Endpoint], up: bool
    ) -> Sequence[LabprovError | None]:
        """Pull the cable, or plug it in again."""
        return self.each(ends, lambda end: self.carrier(self.engine.find(scope, end.node), end.interface, up))

    def carrier(self, machine: Machine, name: str, up: bool) -> None:
        """Do so at one end."""
        machine.ports[name] = evolve(machine.ports[name], up=up)

    @hookimpl
    def labprov_exec(
        self, scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float
    ) -> Result:
        """Run the command on the host; at the deadline all that it started is ended, too."""
        self.engine.ask()
        if node.state != NodeState.RUNNING:
            raise NodeNotRunning(f"it is {node.state}", lab=node.lab, node=node.node)
        mark = uuid4().hex
        env = {**os.environ, "LABPROV_MARK": mark}
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        except OSError as error:
            return Result(127 if isinstance(error, FileNotFoundError) else 126, b"", str(error).encode())
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _end(mark)
            process.communicate()
            raise DeadlineExceeded("it took too long", lab=node.lab, node=node.node) from error
        return Result(process.returncode, output, errors)

    @hookimpl
    def labprov_logs(self, scope: Scope, node: ObservedNode) -> bytes:
        """Give what the node has said since its start."""
        self.engine.ask()
        return self.engine.find(scope, node.node).output

    @hookimpl
    def labprov_ready(self, scope: Scope, node: ObservedNode) -> Readiness:
        """Ready is who runs: there is nothing to boot."""
        return Readiness(node.state == NodeState.RUNNING, f"it is {node.state}")

    @hookimpl
    def labprov_watch(self, scope: Scope) -> Watch:
        """Look again and again: a dictionary tells nobody that it has changed."""
        closed = threading.Event()
        return Watch(self.news(scope, self.labprov_observe(scope, frozenset()), closed), closed.set)

    def news(self, scope: Scope, before: Observed, closed: threading.Event) -> Iterator[Event]:
        """What differs between two looks."""
        while not closed.wait(LOOKS_EVERY):
            after = self.labprov_observe(scope, frozenset())
            yield from compare(scope, before, after)
            before = after

    @hookimpl
    def labprov_harness(self, scope: Scope) -> Harness:
        """Lend the suite its hands."""
        return ReferenceHarness(self)

    def each(self, items: Sequence[Any], work: Callable[[Any], None]) -> list[LabprovError | None]:
        """One outcome for each item: an error is an outcome, and stops no other item."""
        outcomes: list[LabprovError | None] = []
        with self.engine.lock:
            self.engine.ask()
            for item in items:
                try:
                    work(item)
                    outcomes.append(None)
                except LabprovError as error:
                    outcomes.append(error)
        return outcomes


def _end(mark: str) -> None:
    """Kill every process that has inherited the mark, until none is left."""
    wanted = f"LABPROV_MARK={mark}".encode()
    found = True
    while found:
        found = False
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile, or is not ours
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
                    found = True


class ReferenceHarness(Harness):
    """Accidents happen to the engine itself, past the provider's hooks."""

    def __init__(self, provider: ReferenceProvider) -> None:
        self.provider = provider
        self.engine = provider.engine

    def changed(self, node: Node) -> Node:
        """Another environment is another definition."""
        return evolve(node, env={**node.env, "CHANGED": "yes"})

    def kill_node(self, scope: Scope, node: ObservedNode) -> None:
        """Its process is gone, and nobody asked for it."""
        machine = self.engine.machines[node.runtime_name]
        machine.state, machine.process = NodeState.CRASHED, None

    def pause_node(self, scope: Scope, node: ObservedNode) -> None:
        """Its process is there, and does nothing."""
        self.engine.machines[node.runtime_name].state = NodeState.PAUSED

    def remove_node(self, scope: Scope, node: ObservedNode) -> None:
        """It is gone with all that is its own."""
        del self.engine.machines[node.runtime_name]

    def make_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Something of that name, which runs."""
        self.engine.machines[runtime_name] = Machine({}, state=NodeState.RUNNING, process=1)

    def remove_foreign(self, scope: Scope, runtime_name: str) -> None:
        """It is as it was, or somebody laid hands on it."""
        found = self.engine.machines.get(runtime_name)
        if found is None or found.labels or found.ports or found.process != 1:
            raise ForeignResource(f"{runtime_name} is not as it was made")
        del self.engine.machines[runtime_name]

    def make_foreign_port(self, scope: Scope, bridge: str, tag: int) -> None:
        """Somebody else's port, with that tag."""
        self.engine.foreign_ports.add(ForeignPort(bridge, tag))

    def remove_foreign_port(self, scope: Scope, bridge: str, tag: int) -> None:
        """It is still there, or this raises."""
        self.engine.foreign_ports.remove(ForeignPort(bridge, tag))

    def break_engine(self, scope: Scope) -> None:
        """It answers no more."""
        self.engine.answers = False

    def mend_engine(self, scope: Scope) -> None:
        """It answers again."""
        self.engine.answers = True

    def leftovers(self, scope: Scope) -> set[str]:
        """Machines with the lab's label, whatever they are called, and its networks."""
        machines = {
            name
            for name, machine in self.engine.machines.items()
            if _identity(machine)[:2] == (scope.lab, scope.workspace_id)
        }
        network = (scope.lab, scope.workspace_id)
        return machines | {f"network {lab}" for lab, place in self.engine.networks if (lab, place) == network}

    def restart_node(self, scope: Scope, node: ObservedNode) -> None:
        """Another process, everything else as it was."""
        self.kill_node(scope, node)
        self.provider.start(self.engine.machines[node.runtime_name])

    def engine_accidents(self) -> dict[str, Callable[[Scope], None]]:
        """The engine restarts; the switch restarts, and has forgotten everything; the bridge is deleted."""
        return {"engine": self._crash_all, "switch": self._forget_tags, "bridge": self._cut_all}

    def _mine(self, scope: Scope) -> list[Machine]:
        everything = self.engine.machines.values()
        return [item for item in everything if _identity(item)[:2] == (scope.lab, scope.workspace_id)]

    def _crash_all(self, scope: Scope) -> None:
        for machine in self._mine(scope):
            machine.state, machine.process = NodeState.CRASHED, None

    def _forget_tags(self, scope: Scope) -> None:
        for machine in self._mine(scope):
            machine.ports = {name: evolve(port, tag=None) for name, port in machine.ports.items()}

    def _cut_all(self, scope: Scope) -> None:
        for machine in self._mine(scope):
            cut = {name: evolve(port, tag=None, far=None) for name, port in machine.ports.items()}
            machine.ports = cut

    @contextmanager
    def listen(self, scope: Scope, end: Endpoint) -> Iterator[Callable[[float], list[bytes]]]:
        """Hear an interface; in memory a frame arrives when it is sent, so there is nothing to wait for."""
        machine = self.engine.find(scope, end.node)
        ear = Ear(end.interface)
        machine.ears.append(ear)
        try:
            yield ear.told
        finally:
            if ear in machine.ears:
                machine.ears.remove(ear)

    def send(self, scope: Scope, end: Endpoint, frame: bytes) -> None:
        """Send one frame."""
        with self.engine.lock:
            self.engine.carry(self.engine.find(scope, end.node), end.interface, bytes(frame))
