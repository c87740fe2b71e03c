"""Plan -> engines: the steps in their order, providers side by side, with events; what failed is kept."""

from __future__ import annotations

import logging
import shlex
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import evolve, field, mutable

from labprov import saved as topologies
from labprov.dispatch import dispatch, failure
from labprov.engine import NodeSpec, Observed, ObservedNode, Port, Scope
from labprov.errors import Cancelled, EngineFailure, LabprovError
from labprov.events import Event, EventKind
from labprov.facts import mine_of
from labprov.model import Endpoint, Node
from labprov.parallel import in_parallel
from labprov.plan import Plan
from labprov.plugins import Plugins
from labprov.provider import Provider
from labprov.report import CommandOutcome, Report
from labprov.saved import Commands
from labprov.workspace import Workspace

logger = logging.getLogger(__name__)

T = TypeVar("T")


@mutable
class Tally:
    """What has been done so far; becomes the report."""

    created: list[str] = field(factory=list)
    replaced: list[str] = field(factory=list)
    started: list[str] = field(factory=list)
    removed: list[str] = field(factory=list)
    plugged: list[Endpoint] = field(factory=list)
    unplugged: list[Endpoint] = field(factory=list)
    commands: list[CommandOutcome] = field(factory=list)
    failures: list[LabprovError] = field(factory=list)
    failed_nodes: set[str] = field(factory=set)


class Executor:
    """Carries out one plan.

    :param observe: looks at the lab's nodes again, for the commands of nodes just started.
    :param emit: hears every event.
    :param cancelled: set by whoever wants to stop; the step under way is finished first.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        plugins: Plugins,
        scope: Scope,
        observe: Callable[[], Observed],
        emit: Callable[[Event], None],
        cancelled: threading.Event,
    ) -> None:
        self.plan = plan
        self.plugins = plugins
        self.scope = scope
        self.workspace = Workspace(scope.workspace)
        self.observe = observe
        self.emit = emit
        self.cancelled = cancelled
        self.tally = Tally()

    def run(self) -> Report:
        """Do all of it.

        What can't be done is in the report's ``failures``; everything else is done.

        :raises LabprovError: what belongs to the whole lab can't be made; no node was made.
        :raises Cancelled: it was asked for; what was done so far is saved and stays.
        """
        self._prepare()
        self._step("park", self.plan.park, self._park)
        self._step("remove", self.plan.remove, self._remove)
        self._step("unplug", self.plan.unplug, self._unplug)
        self.plan = self.plan.without(self.tally.failed_nodes)
        self._step("create", self.plan.create, self._create)
        self.plan = self.plan.without(self.tally.failed_nodes)
        self._step("plug", self.plan.plug, self._plug)
        self._step("start", self.plan.start, self._start)
        self._step("commands", self._due(), self._run_commands)
        self._forget()
        self._finish()
        return self._report()

    # -- documents ----------------------------------------------------------------------------------------

    def persist(self) -> None:
        """Write ahead: the topology, then the document; to be done before :meth:`run`.

        :raises WorkspaceError: they can't be saved.
        """
        if self.plan.persist and self.plan.saved is not None:
            topologies.save(self.workspace, self.plan.saved)
        if self.plan.persist and self.plan.document is not None:
            self.plugins.save_allocations(self.workspace.path, self.plan.lab, self.plan.document)

    def _finish(self) -> None:
        """Save what has come of it; of a lab that is gone, remove the documents."""
        if self.plan.saved is not None:
            outcome = evolve(
                self.plan.saved, commands=self._left(), providers=self._providers_left(), previous=()
            )
            if outcome != self.plan.saved:
                topologies.save(self.workspace, outcome)
        if self.tally.failures:
            return
        if self.plan.document is None:
            self.plugins.remove_allocations(self.workspace.path, self.plan.lab)
        if self.plan.saved is None:
            topologies.remove(self.workspace, self.plan.lab)

    def _providers_left(self) -> tuple[str, ...]:
        """Those that may still have something of the lab; after a failure nobody is forgotten."""
        assert self.plan.saved is not None
        if self.tally.failures:
            return self.plan.saved.providers
        return tuple(sorted({node.provider for node in self.plan.saved.topology.machines if node.provider}))

    def _left(self) -> dict[str, Commands]:
        """Nodes whose commands are still to be run: those that could not be made or started."""
        assert self.plan.saved is not None
        ran = {outcome.node for outcome in self.tally.commands}
        return {name: state for name, state in self.plan.saved.commands.items() if name not in ran}

    # -- steps --------------------------------------------------------------------------------------------

    def _step(self, name: str, items: Sequence[T], work: Callable[[Sequence[T]], None]) -> None:
        """One step over many items; nothing happens, and nobody hears of it, where there are none."""
        if self.cancelled.is_set():
            raise Cancelled(
                f"stopped before the step {name!r}",
                lab=self.plan.lab,
                remedy="Run the same command again to finish.",
            )
        if not items:
            return
        self._tell(EventKind.STEP_STARTED, message=name, count=len(items))
        work(items)
        self._tell(EventKind.STEP_DONE, message=name, count=len(items))

    def _tell(self, kind: EventKind, *, node: str | None = None, message: str = "", count: int = 0) -> None:
        self.emit(Event(kind=kind, lab=self.plan.lab, node=node, message=message, count=count))

    def _prepare(self) -> None:
        if self.plan.topology is not None:
            for name in self.plan.prepare:
                self.plugins.provider(name).prepare_lab(self.scope, self.plan.topology)

    def _forget(self) -> None:
        for name in self.plan.forget:
            if any(
                node.provider == name and node.node in self.tally.failed_nodes for node in self.plan.remove
            ):
                continue
            try:
                self.plugins.provider(name).remove_lab(self.scope)
            except LabprovError as error:
                self.tally.failures.append(error)

    def _remove(self, nodes: Sequence[ObservedNode]) -> None:
        outcomes = self._batches(
            nodes,
            lambda node: node.provider,
            lambda provider, batch: provider.remove_nodes(self.scope, batch),
        )
        for node, outcome in zip(nodes, outcomes, strict=True):
            if self._ok(outcome, node=node.node):
                self.tally.removed.append(node.node)
                self._tell(EventKind.NODE_REMOVED, node=node.node)

    def _unplug(self, ends: Sequence[tuple[str, Endpoint]]) -> None:
        outcomes = self._batches(
            ends,
            lambda item: item[0],
            lambda provider, batch: provider.unplug(self.scope, [end for _, end in batch]),
        )
        for (_, end), outcome in zip(ends, outcomes, strict=True):
            if self._ok(outcome, node=end.node, interface=end.interface):
                self.tally.unplugged.append(end)

    def _create(self, specs: Sequence[NodeSpec]) -> None:
        outcomes = self._batches(
            specs, self._provider_of, lambda provider, batch: provider.create_nodes(self.scope, batch)
        )
        for spec, outcome in zip(specs, outcomes, strict=True):
            if not self._ok(outcome, node=spec.name):
                continue
            replaced = spec.name in self.plan.reasons
            (self.tally.replaced if replaced else self.tally.created).append(spec.name)
            self._tell(EventKind.NODE_REPLACED if replaced else EventKind.NODE_CREATED, node=spec.name)

    def _park(self, ports: Sequence[Port]) -> None:
        """Where it fails, what would cut the interface off is not done; the next operation tries again."""
        self._plug(ports)
        parked = set(self.tally.plugged)
        self.plan = self.plan.without_parked([port.end for port in ports if port.end not in parked])

    def _plug(self, ports: Sequence[Port]) -> None:
        outcomes = self._batches(
            ports,
            lambda port: self.plan.providers[port.end.node],
            lambda provider, batch: provider.plug(self.scope, batch),
        )
        for port, outcome in zip(ports, outcomes, strict=True):
            if self._ok(outcome, node=port.end.node, interface=port.end.interface):
                self.tally.plugged.append(port.end)

    def _start(self, specs: Sequence[NodeSpec]) -> None:
        # a node whose ports could not be made must not boot without them
        ready = [spec for spec in specs if spec.name not in self.tally.failed_nodes]
        outcomes = self._batches(
            ready, self._provider_of, lambda provider, batch: provider.start_nodes(self.scope, batch)
        )
        for spec, outcome in zip(ready, outcomes, strict=True):
            if self._ok(outcome, node=spec.name):
                self.tally.started.append(spec.name)
                self._tell(EventKind.NODE_STARTED, node=spec.name)

    def _provider_of(self, spec: NodeSpec) -> str:
        return self.plan.providers[spec.name]

    def _batches(
        self,
        items: Sequence[T],
        provider_of: Callable[[T], str],
        call: Callable[[Provider, Sequence[T]], Sequence[Any]],
    ) -> list[Any]:
        return dispatch(self.plugins, items, provider_of, call)

    def _ok(self, outcome: object, *, node: str, interface: str | None = None) -> bool:
        error = failure(outcome, lab=self.plan.lab, node=node, interface=interface)
        if error is None:
            return True
        self.tally.failed_nodes.add(node)
        self.tally.failures.append(error)
        self._tell(EventKind.NODE_FAILED, node=node, message=error.message)
        return False

    # -- commands -----------------------------------------------------------------------------------------

    def _due(self) -> list[Node]:
        if self.plan.topology is None:
            return []
        return [
            self.plan.topology.by_name[name]
            for name in self.plan.commands
            if name not in self.tally.failed_nodes
        ]

    def _run_commands(self, nodes: Sequence[Node]) -> None:
        """Run the ``exec`` lines of each node, in their order; nodes side by side."""
        seen = mine_of(self.observe(), self.plan.lab, self.scope.workspace_id)
        there = {node.node: node for node in seen}
        self._mark_begun({node.name for node in nodes})

        def work(node: Node) -> None:
            outcomes = [self._command(there.get(node.name), node.name, line) for line in node.exec]
            self.tally.commands.extend(outcomes)

        in_parallel(work, list(nodes))
        order = {node.name: place for place, node in enumerate(nodes)}
        self.tally.commands.sort(key=lambda outcome: order[outcome.node])

    def _mark_begun(self, names: set[str]) -> None:
        assert self.plan.saved is not None
        commands = {
            name: Commands.BEGUN if name in names else state
            for name, state in self.plan.saved.commands.items()
        }
        topologies.save(self.workspace, evolve(self.plan.saved, commands=commands, previous=()))

    def _command(self, node: ObservedNode | None, name: str, line: str) -> CommandOutcome:
        try:
            if node is None:
                raise EngineFailure("it is not there any more", lab=self.plan.lab, node=name)
            result = self.plugins.provider(node.provider).exec(
                self.scope, node, _words(line, name), self.scope.timeouts.exec
            )
            outcome = CommandOutcome(node=name, command=line, result=result)
        except LabprovError as error:
            outcome = CommandOutcome(node=name, command=line, error=error)
        kind = EventKind.COMMAND_FAILED if outcome.failed else EventKind.COMMAND_DONE
        self._tell(kind, node=name, message=line)
        return outcome

    def _report(self) -> Report:
        return Report(
            lab=self.plan.lab,
            operation=self.plan.operation,
            created=tuple(self.tally.created),
            replaced=tuple(self.tally.replaced),
            started=tuple(self.tally.started),
            removed=tuple(self.tally.removed),
            plugged=tuple(dict.fromkeys(self.tally.plugged)),
            unplugged=tuple(self.tally.unplugged),
            recovered=self.plan.recovered,
            allocated=self.plan.allocated,
            dropped=self.plan.dropped,
            commands=tuple(self.tally.commands),
            warnings=self.plan.warnings,
            failures=tuple(self.tally.failures),
        )


def _words(line: str, node: str) -> list[str]:
    """The words of a command line, as containerlab splits them (no shell)."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise EngineFailure(f"{line!r} is no command line: {error}", node=node) from error
