"""The live handle of a lab, with the verbs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import evolve

from labprov.engine import NodeState, ObservedNode, Result
from labprov.errors import InvalidInput, LabNotFound, LabprovError, NodeNotFound, NodeNotRunning
from labprov.events import Event, EventKind
from labprov.facts import mine_of
from labprov.host import Host
from labprov.model import Endpoint, Link, Topology, checked_name, endpoint
from labprov.node import NodeHandle
from labprov.operation import Operation, Sources
from labprov.plan import Plan
from labprov.plugins import Plugins, load_plugins
from labprov.readiness import wait_ready
from labprov.report import NodeStatus, Report
from labprov.settings import Settings
from labprov.status import statuses
from labprov.workspace import Workspace

if TYPE_CHECKING:
    from labprov.topology import MissingFile, TopologyFile


class Lab:
    """One lab, wanted or live.

    :param topology: what is wanted.
    :param settings: the workspace, the prefix and so on; None: the defaults.
    :param plugins: the providers; None: everything that is installed.
    :param on_event: hears what happens, beside the observers that are installed.

    As a context manager it deploys, waits until all nodes are ready, and destroys at the end::

        with Lab.from_file("ring.clab.yml") as lab:
            print(lab["r1"].exec(["ip", "address"]).text)
    """

    def __init__(
        self,
        topology: Topology,
        settings: Settings | None = None,
        *,
        plugins: Plugins | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self._set_up(topology.name, topology, settings, plugins, on_event)

    def _set_up(
        self,
        name: str,
        topology: Topology | None,
        settings: Settings | None,
        plugins: Plugins | None,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self.name = checked_name(name, "lab name")
        self.topology = topology
        self.settings = settings or Settings()
        self.plugins = plugins or load_plugins()
        self.warnings: tuple[str, ...] = ()
        self.missing: tuple[MissingFile, ...] = ()
        self._on_event = on_event
        self._cancelled = threading.Event()

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        settings: Settings | None = None,
        *,
        plugins: Plugins | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Self:
        """The lab that the containerlab topology at *path* describes.

        :raises InvalidTopology: the file makes no sense; says at which line.
        :raises InvalidInput: there is no such file.
        """
        from labprov.topology import read_file

        return cls.from_topology_file(read_file(Path(path)), settings, plugins=plugins, on_event=on_event)

    @classmethod
    def from_topology_file(
        cls,
        file: TopologyFile,
        settings: Settings | None = None,
        *,
        plugins: Plugins | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Self:
        """The lab of a topology file that has been read already (see :mod:`labprov.topology`)."""
        lab = cls(file.topology, settings, plugins=plugins, on_event=on_event)
        lab.warnings = file.warnings
        lab.missing = file.missing
        return lab

    @classmethod
    def attach(
        cls,
        name: str,
        settings: Settings | None = None,
        *,
        plugins: Plugins | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Self:
        """The lab of that name that was deployed from this workspace, its file needed no more.

        :raises LabNotFound: neither the workspace nor an engine knows it.
        """
        lab = cls.__new__(cls)
        lab._set_up(name, None, settings, plugins, on_event)
        with lab._operation("attach") as operation:
            sources = operation.look(None, use_saved=True)
        lab.topology = sources.desired
        known = sources.desired or sources.persisted or sources.bad
        if not known and not mine_of(sources.observed, name, operation.workspace_id):
            raise LabNotFound(
                "there is no such lab in this workspace",
                lab=name,
                remedy="`labprov inspect --all` lists those there are.",
            )
        return lab

    def cancel(self) -> None:
        """Ask the operation under way to stop: it finishes its step, saves, and raises ``Cancelled``.

        May be called from any thread and from a signal handler.
        """
        self._cancelled.set()

    @contextmanager
    def _operation(self, name: str, *, write: bool = False) -> Iterator[Operation]:
        with Host(options=self.settings.host_options) as host:
            operation = Operation(
                self.name,
                name,
                settings=self.settings,
                plugins=self.plugins,
                host=host,
                emit=self._emit,
                cancelled=self._cancelled,
            )
            if not write:
                yield operation
                return
            try:
                with operation.writing():
                    yield operation
            finally:
                self._cancelled.clear()

    def _emit(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)
        self.plugins.emit(event)

    def _wanted(self) -> Topology:
        if self.topology is None:
            raise InvalidInput(
                "nobody knows what this lab shall be: its saved topology is gone",
                lab=self.name,
                remedy="Deploy its file again.",
            )
        return self.topology

    # -- the lab as a whole -------------------------------------------------------------------------------

    def plan(self, *, keep: bool = False, reconfigure: bool = False, only: Collection[str] = ()) -> Plan:
        """What :meth:`deploy` would do. Writes nothing anywhere.

        :raises LabprovError: as :meth:`deploy` would.
        """
        self._check_files(only)
        with self._operation("deploy") as operation:
            return self._plan(operation, keep, reconfigure, only)[0]

    def _plan(
        self, operation: Operation, keep: bool, reconfigure: bool, only: Collection[str]
    ) -> tuple[Plan, Sources]:
        wanted = self._wanted()
        sources = operation.look(wanted)
        desired = sources.desired
        if desired is not None and only:
            # what is there already stays; what is neither there nor asked for is not made
            there = {node.node for node in mine_of(sources.observed, self.name, operation.workspace_id)}
            saved = set(sources.saved.topology.by_name) if sources.saved else set()
            desired.only(only)
            desired = desired.only(set(only) | ((there | saved) & set(desired.by_name)))
        plan = operation.decide(sources, desired, keep=keep, reconfigure=reconfigure)
        return plan, sources

    def deploy(
        self,
        *,
        keep: bool = False,
        reconfigure: bool = False,
        only: Collection[str] = (),
        wait: bool = True,
    ) -> Report:
        """Make the lab what its topology says, whatever is there now.

        :param keep: refuse to replace a node.
        :param reconfigure: replace every node.
        :param only: make just these nodes and the links among them and what is there already.
        :param wait: whether to wait until the nodes that were started are ready.
        :returns: what was done; ``failures`` has what could not be done, the rest is done.
        :raises InvalidInput: a file that the topology refers to is missing; nothing was made.
        :raises Conflict: something is in the way; nothing was made.
        :raises Unavailable: an engine that is needed does not answer; nothing was made.
        :raises Cancelled: :meth:`cancel` was called; what was done so far is saved.
        """
        self._check_files(only)
        with self._operation("deploy", write=True) as operation:
            plan, sources = self._plan(operation, keep, reconfigure, only)
            report = operation.execute(plan, sources)
            if wait:
                report = self._await(operation, plan, report)
        return evolve(report, warnings=(*self.warnings, *report.warnings))

    def _check_files(self, only: Collection[str]) -> None:
        missing = [str(file) for file in self.missing if not only or file.node in only]
        if missing:
            raise InvalidInput(
                "; ".join(missing), lab=self.name, remedy="Put the files there, or correct their paths."
            )

    def _await(self, operation: Operation, plan: Plan, report: Report) -> Report:
        """Wait for the nodes that were started, and add what came of it to the report."""
        if not report.started:
            return report
        observed = operation.observe_again(plan)
        failures, untold = wait_ready(
            [
                node
                for node in mine_of(observed, self.name, operation.workspace_id)
                if node.node in report.started
            ],
            plugins=self.plugins,
            scope=operation.scope(plan.prefix),
            cancelled=self._cancelled,
            ready=lambda node: self._emit(Event(kind=EventKind.NODE_READY, lab=self.name, node=node)),
        )
        warnings = tuple(f"{name}: nobody can tell when it is ready" for name in untold)
        return evolve(
            report,
            failures=(*report.failures, *failures),
            warnings=(*report.warnings, *warnings),
        )

    def destroy(self, *, provider: str | None = None) -> Report:
        """Remove everything of the lab: nodes, links, networks, files, locks. Idempotent.

        :param provider: only this provider's part; the rest stays as it is.
        :returns: what was removed; ``failures`` has what could not be, its documents then stay.
        :raises Unavailable: an engine that is needed does not answer; nothing was removed.
        """
        if not Workspace(self.settings.workspace).id:
            return Report(lab=self.name, operation="destroy")
        with self._operation("destroy", write=True) as operation:
            sources = operation.look(None)
            rest = Topology(name=self.name)
            touch = None
            if provider is not None:
                rest = self._without_provider(operation, sources, provider)
                touch = frozenset(node.node for node in sources.observed.nodes if node.provider == provider)
            report = operation.execute(operation.decide(sources, rest, touch=touch), sources)
            if not rest.nodes and report.ok:
                operation.workspace.remove_lock(self.name)
        return report

    def _without_provider(self, operation: Operation, sources: Sources, provider: str) -> Topology:
        """What is left of the lab without that provider's nodes; interfaces that led to them stay."""
        there = mine_of(sources.observed, self.name, operation.workspace_id)
        if all(node.provider == provider for node in there):
            return Topology(name=self.name)
        if sources.saved is None:
            raise InvalidInput(
                f"the saved topology is gone, so nobody knows what is to stay without {provider}",
                lab=self.name,
                remedy="Deploy the lab's file first, or destroy the whole lab.",
            )
        rest = sources.saved.topology
        going = {node.name for node in rest.machines if node.provider == provider}
        for link in rest.links:
            if any(end.node in going for end in link.ends):
                rest = rest.disconnected(link.a, link.b)
        return evolve(rest, nodes=tuple(node for node in rest.nodes if node.name not in going))

    def recover(self) -> Report:
        """Put everything back as it was deployed: nodes, links, tags, MACs, whatever happened to them.

        :raises LabNotFound: nothing is known of the lab.
        """
        with self._operation("recover", write=True) as operation:
            sources = operation.look(None, use_saved=True)
            plan = operation.decide(sources, sources.desired)
            return self._await(operation, plan, operation.execute(plan, sources))

    # -- nodes --------------------------------------------------------------------------------------------

    def start(self, nodes: Collection[str] = ()) -> Report:
        """Start nodes, with all that they need to run; none named: all. A running node is left alone."""
        with self._operation("start", write=True) as operation:
            return self._start(operation, nodes)

    def _start(self, operation: Operation, nodes: Collection[str]) -> Report:
        sources = operation.look(None, use_saved=True)
        desired = self._desired(sources)
        touch = frozenset(nodes or (node.name for node in desired.machines))
        _check_nodes(desired, touch)
        plan = operation.decide(sources, desired, touch=touch)
        return self._await(operation, plan, operation.execute(plan, sources))

    def stop(self, nodes: Collection[str] = (), *, graceful: bool = False) -> Report:
        """Stop nodes; none named: all. Their definitions, disks and links stay.

        :param graceful: give each its time to end by itself before it is killed.
        """
        with self._operation("stop", write=True) as operation:
            return self._stop(operation, nodes, graceful)

    def _stop(self, operation: Operation, nodes: Collection[str], graceful: bool) -> Report:
        sources = operation.look(None, use_saved=True)
        there = {node.node: node for node in mine_of(sources.observed, self.name, operation.workspace_id)}
        known = set(there) | set(sources.desired.by_name if sources.desired else ())
        for name in nodes:
            if name not in known:
                raise self._no_node(name, known)
        chosen = [there[name] for name in (nodes or sorted(there)) if name in there]
        grace = self.settings.timeouts.stop if graceful else 0.0
        stopped: list[str] = []
        failures: list[LabprovError] = []
        for provider in sorted({node.provider for node in chosen}):
            batch = [node for node in chosen if node.provider == provider]
            scope = operation.scope(sources.prefix)
            outcomes = self.plugins.provider(provider).stop_nodes(scope, batch, grace)
            for node, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, LabprovError):
                    failures.append(outcome)
                elif node.state not in (NodeState.STOPPED, NodeState.DEFINED):
                    stopped.append(node.node)
                    self._emit(Event(kind=EventKind.NODE_STOPPED, lab=self.name, node=node.node))
        return Report(lab=self.name, operation="stop", stopped=tuple(stopped), failures=tuple(failures))

    def restart(self, nodes: Collection[str] = (), *, graceful: bool = False) -> Report:
        """Stop nodes and start them again; none named: all."""
        with self._operation("restart", write=True) as operation:
            stopped = self._stop(operation, nodes, graceful)
            started = self._start(operation, nodes)
        return evolve(
            started,
            operation="restart",
            stopped=stopped.stopped,
            failures=(*stopped.failures, *started.failures),
        )

    def exec(self, node: str, command: Sequence[str], *, timeout: float | None = None) -> Result:
        """Run *command* in a running node.

        :param timeout: seconds; None: as the settings have it.
        :raises NodeNotFound: there is no such node.
        :raises NodeNotRunning: it does not run.
        :raises DeadlineExceeded: the command was ended at the timeout.
        """
        with self._operation("exec") as operation:
            found, sources = self._find(operation, node)
            return self.plugins.provider(found.provider).exec(
                operation.scope(sources.prefix),
                found,
                tuple(command),
                self.settings.timeouts.exec if timeout is None else timeout,
            )

    def logs(self, node: str) -> bytes:
        """The node's output since it was last powered on."""
        with self._operation("logs") as operation:
            found, sources = self._find(operation, node)
            return self.plugins.provider(found.provider).logs(operation.scope(sources.prefix), found)

    def _find(self, operation: Operation, name: str) -> tuple[ObservedNode, Sources]:
        sources = operation.look(None, use_saved=True)
        there = {node.node: node for node in mine_of(sources.observed, self.name, operation.workspace_id)}
        if name in there:
            return there[name], sources
        wanted = sources.desired.by_name if sources.desired else {}
        if name in wanted:
            raise NodeNotRunning(
                "it is not there", lab=self.name, node=name, remedy="`labprov recover` brings it back."
            )
        raise self._no_node(name, set(there) | set(wanted))

    def _no_node(self, name: str, known: Collection[str]) -> NodeNotFound:
        return NodeNotFound(
            "the lab has no such node",
            lab=self.name,
            node=name,
            remedy=f"Nodes are: {', '.join(sorted(known)) or 'none'}.",
        )

    def __getitem__(self, node: str) -> NodeHandle:
        """The node called *node*.

        :raises NodeNotFound: the topology has no such node.
        """
        if self.topology is not None and node not in self.topology.by_name:
            raise self._no_node(node, self.topology.by_name)
        return NodeHandle(self, node)

    # -- links --------------------------------------------------------------------------------------------

    def connect(self, a: Endpoint | str, b: Endpoint | str) -> Report:
        """Join two interfaces of a live lab; one that a node does not have yet is added to it.

        The saved topology changes too; the next deploy of a file decides again.

        :param a: an interface as ``node:interface``; its tag is kept if both have one.
        :raises InvalidTopology: one of them is linked already, or the node is unknown.
        """
        first, second = endpoint(a), endpoint(b)
        return self._relink("connect", lambda topology: topology.connected(Link(first, second)))

    def disconnect(self, a: Endpoint | str, b: Endpoint | str) -> Report:
        """Part two interfaces of a live lab; both stay, and lead nowhere.

        :raises NodeNotFound: no link joins them.
        """
        first, second = endpoint(a), endpoint(b)
        return self._relink("disconnect", lambda topology: topology.disconnected(first, second))

    def _relink(self, name: str, change: Callable[[Topology], Topology]) -> Report:
        with self._operation(name, write=True) as operation:
            sources = operation.look(None, use_saved=True)
            desired = change(self._desired(sources))
            plan = operation.decide(sources, desired, touch=frozenset())
            report = operation.execute(plan, sources)
            if report.failures:
                # the first end must not stay changed when the second could not be
                undo = operation.look(None)
                operation.execute(operation.decide(undo, self._desired(sources), touch=frozenset()), undo)
        if report.ok:
            self.topology = desired
        return report

    def _desired(self, sources: Sources) -> Topology:
        if sources.desired is None:
            raise LabNotFound(
                "it is not deployed, or its saved topology is gone",
                lab=self.name,
                remedy="Deploy its file first.",
            )
        return sources.desired

    def set_link(self, end: Endpoint | str, up: bool) -> Report:
        """Take the carrier of a link away, or give it back; both ends see it.

        :param end: either end, as ``node:interface``.
        """
        chosen = endpoint(end)
        with self._operation("link", write=True) as operation:
            sources = operation.look(None, use_saved=True)
            desired = self._desired(sources)
            if chosen not in set(desired.endpoints):
                raise NodeNotFound(
                    "there is no such interface",
                    lab=self.name,
                    node=chosen.node,
                    interface=chosen.interface,
                    remedy="`labprov inspect` lists those there are.",
                )
            link = desired.link_at.get(chosen)
            ends = [item for item in (link.ends if link else (chosen,)) if desired.is_machine(item.node)]
            failures: list[LabprovError] = []
            scope = operation.scope(sources.prefix)
            for provider in sorted({desired.by_name[item.node].provider or "" for item in ends}):
                batch = [item for item in ends if desired.by_name[item.node].provider == provider]
                outcomes = self.plugins.provider(provider).set_carrier(scope, batch, up)
                failures += [outcome for outcome in outcomes if isinstance(outcome, LabprovError)]
        return Report(
            lab=self.name,
            operation=f"link {'up' if up else 'down'}",
            plugged=tuple(ends) if not failures else (),
            failures=tuple(failures),
        )

    # -- looking ------------------------------------------------------------------------------------------

    def inspect(self) -> tuple[NodeStatus, ...]:
        """Every node, wanted or there, as it is now. Writes nothing."""
        with self._operation("inspect") as operation:
            sources = operation.look(None, use_saved=True)
        there = mine_of(sources.observed, self.name, operation.workspace_id)
        return statuses(self.name, there, sources.desired)

    def __enter__(self) -> Self:
        report = self.deploy()
        if report.failures:
            self.destroy()
            report.raise_failures()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy().raise_failures()


def _check_nodes(topology: Topology, names: Collection[str]) -> None:
    for name in names:
        if not topology.is_machine(name):
            raise NodeNotFound(
                "the lab has no such node",
                lab=topology.name,
                node=name,
                remedy=f"Nodes are: {', '.join(node.name for node in topology.machines)}.",
            )
