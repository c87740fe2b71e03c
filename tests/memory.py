"""A provider whose engine is a dictionary: for the rules that need no kernel.

It speaks the hooks as any provider does. The engine can be told to fail, and anything can happen to it
behind labprov's back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

from attrs import evolve, field, mutable

from labprov.engine import (
    Capability,
    Far,
    Join,
    LabResource,
    Namespace,
    NodeSpec,
    NodeState,
    Observed,
    ObservedInterface,
    ObservedNode,
    Peer,
    Place,
    Port,
    ProviderInfo,
    Readiness,
    Result,
    Scope,
)
from labprov.errors import EngineFailure, LabprovError, NodeNotRunning, Unavailable
from labprov.events import Event, Watch
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.model import Endpoint, Topology, natural


@mutable
class Machine:
    """What the engine holds under one runtime name."""

    labels: dict[str, str]
    state: NodeState = NodeState.DEFINED
    process: int | None = None
    ports: dict[str, Port] = field(factory=dict)
    down: set[str] = field(factory=set)
    commands: list[tuple[str, ...]] = field(factory=list)
    """What has run since its interfaces were made."""


@mutable
class Engine:
    """The engine: machines by runtime name, lab resources, what was written, and what shall fail."""

    machines: dict[str, Machine] = field(factory=dict)
    resources: set[tuple[str, str]] = field(factory=set)
    writes: list[str] = field(factory=list)
    failing: set[str] = field(factory=set)
    """Names of hooks that fail, or ``hook:node`` for one item of a batch."""
    processes: int = 1000
    interrupt: str | None = None
    """The hook in whose middle the caller is killed."""
    listeners: list[SimpleQueue[Event | Exception | None]] = field(factory=list)

    def tell(self, news: Event | Exception | None) -> None:
        """Tell whoever listens: an event, an error, or (None) that there is no more."""
        for listener in tuple(self.listeners):
            listener.put(news)

    def write(self, what: str) -> None:
        """Note a write; die here if that was asked for."""
        self.writes.append(what)
        if self.interrupt == what.partition(" ")[0]:
            self.interrupt = None
            raise KeyboardInterrupt


INFO = ProviderInfo(
    name="memory",
    version="1",
    joins=frozenset({Join.PAIR, Join.BRIDGE, Join.HOST}),
    capabilities=frozenset({Capability.CARRIER}),
    node_keys=frozenset({"image", "cmd", "env", "binds"}),
)


@mutable(eq=False)
class MemoryProvider:
    """The provider; two of them with one engine are one engine seen from two processes."""

    name: str = "memory"
    engine: Engine = field(factory=Engine)
    info: ProviderInfo = INFO
    tells_news: bool = True

    @hookimpl
    def labprov_provider_info(self, host: Host) -> ProviderInfo:
        """Say it."""
        return evolve(self.info, name=self.name)

    @hookimpl
    def labprov_observe(self, scope: Scope, names: frozenset[str]) -> Observed:
        """Everything of ours, and whatever has one of the names."""
        self._fail("observe")
        nodes = []
        for name, machine in self.engine.machines.items():
            ours = bool(machine.labels) and scope.lab in (None, machine.labels["labprov.lab"])
            if ours or name in names:
                nodes.append(self._seen(name, machine))
        resources = tuple(
            LabResource(lab=lab, provider=self.name, role="network", name=f"net-{lab}", workspace=workspace)
            for lab, workspace in sorted(self.engine.resources)
            if scope.lab in (None, lab)
        )
        return Observed(tuple(nodes), resources)

    def _seen(self, name: str, machine: Machine) -> ObservedNode:
        labels = machine.labels
        return ObservedNode(
            lab=labels.get("labprov.lab", ""),
            node=labels.get("labprov.node", ""),
            provider=self.name,
            runtime_name=name,
            state=machine.state if labels else NodeState.FOREIGN,
            prefix=labels.get("labprov.prefix", ""),
            workspace=labels.get("labprov.workspace", ""),
            kind=labels.get("labprov.kind", ""),
            definition=labels.get("labprov.definition", ""),
            process=machine.process,
            interfaces=tuple(
                ObservedInterface(
                    name=port.end.interface,
                    mac=port.mac,
                    tag=port.tag,
                    far=self._far(machine, port),
                    mtu=port.mtu,
                    up=port.end.interface not in machine.down,
                )
                for port in sorted(machine.ports.values(), key=lambda port: natural(port.end.interface))
            ),
        )

    def _far(self, machine: Machine, port: Port) -> Far | None:
        """A pair whose other end is gone, or looks elsewhere, is dangling."""
        if not isinstance(port.far, Peer):
            return port.far
        other = self._port(machine.labels["labprov.lab"], port.far.end)
        return port.far if other is not None and other.far == Peer(port.end) else None

    def _port(self, lab: str | None, end: Endpoint) -> Port | None:
        machine = self._machine(lab, end.node)
        return machine.ports.get(end.interface) if machine else None

    def _machine(self, lab: str | None, node: str) -> Machine | None:
        for machine in self.engine.machines.values():
            if (machine.labels.get("labprov.lab"), machine.labels.get("labprov.node")) == (lab, node):
                return machine
        return None

    @hookimpl
    def labprov_prepare_lab(self, scope: Scope, topology: Topology) -> bool:
        """Make the lab's network."""
        self._fail("prepare")
        if (scope.lab or "", scope.workspace_id) not in self.engine.resources:
            self.engine.write(f"prepare {scope.lab}")
            self.engine.resources.add((scope.lab or "", scope.workspace_id))
        return True

    @hookimpl
    def labprov_remove_lab(self, scope: Scope) -> bool:
        """Remove it."""
        self._fail("remove_lab")
        self.engine.write(f"remove_lab {scope.lab}")
        self.engine.resources.discard((scope.lab or "", scope.workspace_id))
        return True

    @hookimpl
    def labprov_create_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        """Make machines, or put others in their places."""
        return [self._item("create", spec.name, lambda spec=spec: self._create(spec)) for spec in nodes]

    def _create(self, spec: NodeSpec) -> None:
        held = self.engine.machines.get(spec.runtime_name)
        if held is not None and spec.replaces is None:
            raise EngineFailure(f"the name {spec.runtime_name} is in use")
        self.engine.machines[spec.runtime_name] = Machine(
            labels=dict(spec.labels), ports=held.ports if held else {}
        )

    @hookimpl
    def labprov_start_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        """Give each machine a process."""
        return [self._item("start", spec.name, lambda spec=spec: self._start(spec)) for spec in nodes]

    def _start(self, spec: NodeSpec) -> None:
        machine = self.engine.machines[spec.runtime_name]
        missing = {port.end.interface for port in spec.ports} - set(machine.ports)
        if missing:
            raise EngineFailure(f"{sorted(missing)} were not there before the start")
        if machine.state != NodeState.RUNNING:
            self.engine.processes += 1
            machine.process = self.engine.processes
            machine.state = NodeState.RUNNING

    @hookimpl
    def labprov_stop_nodes(
        self, scope: Scope, nodes: Sequence[ObservedNode], grace: float
    ) -> Sequence[LabprovError | None]:
        """Take each machine's process away."""
        return [self._item("stop", node.node, lambda node=node: self._stop(node)) for node in nodes]

    def _stop(self, node: ObservedNode) -> None:
        machine = self.engine.machines.get(node.runtime_name)
        if machine is not None:
            machine.state = NodeState.STOPPED
            machine.process = None

    @hookimpl
    def labprov_remove_nodes(
        self, scope: Scope, nodes: Sequence[ObservedNode]
    ) -> Sequence[LabprovError | None]:
        """Remove machines."""
        return [
            self._item("remove", node.node, lambda node=node: self.vanish(node.runtime_name))
            for node in nodes
        ]

    @hookimpl
    def labprov_plug(self, scope: Scope, ports: Sequence[Port]) -> Sequence[Place | LabprovError]:
        """Make ports."""
        return [
            self._item("plug", port.end.node, lambda port=port: self._plug(scope, port))
            or Namespace(f"/memory/{port.end.node}")
            for port in ports
        ]

    def _plug(self, scope: Scope, port: Port) -> None:
        machine = self._machine(scope.lab, port.end.node)
        if machine is None:
            raise EngineFailure("the node is not there")
        if port.end.interface not in machine.ports:
            machine.commands.clear()
        machine.ports[port.end.interface] = port

    @hookimpl
    def labprov_unplug(self, scope: Scope, ends: Sequence[Endpoint]) -> Sequence[LabprovError | None]:
        """Remove ports; a pair loses both."""
        return [self._item("unplug", end.node, lambda end=end: self._unplug(scope, end)) for end in ends]

    def _unplug(self, scope: Scope, end: Endpoint) -> None:
        machine = self._machine(scope.lab, end.node)
        port = machine.ports.pop(end.interface, None) if machine else None
        if port is not None and isinstance(port.far, Peer):
            other = self._machine(scope.lab, port.far.end.node)
            far = other.ports.get(port.far.end.interface) if other else None
            if other is not None and far is not None and far.far == Peer(port.end):
                del other.ports[port.far.end.interface]

    @hookimpl
    def labprov_set_carrier(
        self, scope: Scope, ends: Sequence[Endpoint], up: bool
    ) -> Sequence[LabprovError | None]:
        """Remember which are down."""
        for end in ends:
            machine = self._machine(scope.lab, end.node)
            assert machine is not None
            (machine.down.discard if up else machine.down.add)(end.interface)
        return [None] * len(ends)

    @hookimpl
    def labprov_exec(
        self, scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float
    ) -> Result:
        """Remember the command; ``false`` fails, ``echo`` answers."""
        self._fail(f"exec:{node.node}")
        if node.state != NodeState.RUNNING:
            raise NodeNotRunning("it does not run", node=node.node)
        self.engine.write(f"exec {node.node}")
        self.engine.machines[node.runtime_name].commands.append(tuple(command))
        if command[0] == "echo":
            return Result(0, " ".join(command[1:]).encode() + b"\n")
        return Result(1, b"", b"no\n") if command[0] == "false" else Result(0)

    @hookimpl
    def labprov_logs(self, scope: Scope, node: ObservedNode) -> bytes:
        """Say something."""
        return f"{node.node} started\n".encode()

    @hookimpl
    def labprov_ready(self, scope: Scope, node: ObservedNode) -> Readiness:
        """Ready when it runs."""
        return Readiness(node.state == NodeState.RUNNING, f"it is {node.state}")

    @hookimpl
    def labprov_watch(self, scope: Scope) -> Watch | None:
        """Tell what the test has the engine tell."""
        self._fail("watch")
        if not self.tells_news:
            return None
        news: SimpleQueue[Event | Exception | None] = SimpleQueue()
        self.engine.listeners.append(news)
        return Watch(self._told(news), lambda: news.put(None))

    def _told(self, news: SimpleQueue[Event | Exception | None]) -> Iterator[Event]:
        try:
            while (item := news.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.engine.listeners.remove(news)

    # -- what happens behind labprov's back ---------------------------------------------------------------

    def vanish(self, runtime_name: str) -> None:
        """The machine is gone, and its pairs' other ends with it."""
        machine = self.engine.machines.pop(runtime_name, None)
        if machine is None:
            return
        for port in machine.ports.values():
            if isinstance(port.far, Peer):
                other = self._machine(machine.labels.get("labprov.lab"), port.far.end.node)
                far = other.ports.get(port.far.end.interface) if other else None
                if other is not None and far is not None and far.far == Peer(port.end):
                    del other.ports[port.far.end.interface]

    def machine(self, lab: str, node: str) -> Machine:
        """The machine of that identity."""
        found = self._machine(lab, node)
        assert found is not None, f"{lab}/{node} is not there"
        return found

    def foreign(self, runtime_name: str) -> None:
        """Somebody makes a thing of that name."""
        self.engine.machines[runtime_name] = Machine(labels={}, state=NodeState.RUNNING)

    @contextmanager
    def broken(self, *hooks: str) -> Iterator[None]:
        """While it lasts, those hooks (or ``hook:node``) fail."""
        self.engine.failing |= set(hooks)
        try:
            yield
        finally:
            self.engine.failing -= set(hooks)

    def _fail(self, what: str) -> None:
        if what in self.engine.failing:
            raise Unavailable(f"the engine does not answer ({what})", provider=self.name)

    def _item(self, hook: str, node: str, work: object) -> LabprovError | None:
        """One item of a batch: its outcome is returned, and every write is noted."""
        self._fail(hook)
        if f"{hook}:{node}" in self.engine.failing:
            return EngineFailure(f"{hook} of {node} failed")
        self.engine.write(f"{hook} {node}")
        try:
            assert callable(work)
            work()
        except LabprovError as error:
            return error
        return None
