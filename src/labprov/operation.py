"""One operation on one lab: looked at, decided, carried out, under the lab's lock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property

from attrs import evolve

from labprov import identity
from labprov import saved as topologies
from labprov.dispatch import dispatch, failure
from labprov.engine import NodeState, Observed, ObservedNode, Scope
from labprov.errors import DocumentCorrupt, LabNotFound, NodeNotFound, NodeNotRunning
from labprov.events import Event, EventKind
from labprov.execute import Executor
from labprov.facts import Facts, mine_of
from labprov.host import Host
from labprov.model import HOST, Topology, natural
from labprov.plan import Plan
from labprov.plugins import Plugins
from labprov.readiness import wait_ready
from labprov.reconcile import raise_all, reconcile
from labprov.report import NodeStatus, Report
from labprov.settings import Settings
from labprov.survey import Sources, Survey
from labprov.workspace import Workspace, bridge_lock, quarantine

logger = logging.getLogger(__name__)


class Operation:
    """Reads the sources, asks :func:`~labprov.reconcile.reconcile`, has the plan carried out.

    :param lab: the lab's id.
    :param name: what is being done ("deploy").
    """

    def __init__(
        self,
        lab: str,
        name: str,
        *,
        settings: Settings,
        plugins: Plugins,
        host: Host,
        emit: Callable[[Event], None],
        cancelled: threading.Event,
    ) -> None:
        self.lab = lab
        self.name = name
        self.settings = settings
        self.plugins = plugins
        self.host = host
        self.emit = emit
        self.cancelled = cancelled
        self.workspace = Workspace(settings.workspace)
        self._until_saved = ExitStack()
        self.survey = Survey(lab, name, settings, plugins, host, emit)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lab's lock.

        On a bridge that labs share, the host's lock on that too, until the documents are saved.

        :raises Busy: another process holds one of them, and goes on to.
        """
        timeout = self.settings.timeouts.lock
        with (
            self.workspace.lock(self.lab, timeout=timeout, purpose=self.name, cancelled=self.cancelled),
            ExitStack() as self._until_saved,
        ):
            bridge = self._shared_bridge()
            if bridge is not None:
                held = bridge_lock(
                    bridge,
                    timeout=timeout,
                    purpose=f"{self.name} of {self.lab}",
                    cancelled=self.cancelled,
                )
                self._until_saved.enter_context(held)
            yield

    def _shared_bridge(self) -> str | None:
        """The bridge that the lab shares with others, asked for now or at its last deploy."""
        if self.settings.bridge is not None:
            return self.settings.bridge
        try:
            saved = topologies.load(self.workspace, self.lab)
        except DocumentCorrupt:
            return None  # look() tells of it
        return saved.bridge if saved is not None else None

    def scope(self, prefix: str) -> Scope:
        """The lab, as hooks are told of it."""
        return self.survey.scope(prefix)

    @cached_property
    def workspace_id(self) -> str:
        """The workspace's id, ``""`` where it has none yet."""
        return self.workspace.id

    # -- reading ------------------------------------------------------------------------------------------

    def look(self, given: Topology | None, *, use_saved: bool = False) -> Sources:
        """Read everything (see :meth:`labprov.survey.Survey.look`)."""
        return self.survey.look(given, use_saved=use_saved)

    def knows(self, sources: Sources) -> bool:
        """Whether anything is known of the lab: a document, a node, or a thing of its own."""
        resources = [
            item
            for item in sources.observed.resources
            if (item.lab, item.workspace) == (self.lab, self.workspace_id)
        ]
        documents = sources.saved or sources.persisted or sources.bad
        return bool(documents or resources or self.there(sources))

    def there(self, sources: Sources) -> Mapping[str, ObservedNode]:
        """The lab's nodes that are there, by name."""
        return {node.node: node for node in mine_of(sources.observed, self.lab, self.workspace_id)}

    def or_foreign(self, status: NodeStatus, sources: Sources) -> NodeStatus:
        """*status*, or that something foreign has the name of a node that is absent."""
        names = identity.candidates(sources.prefix, self.lab, status.node)[:1]
        for node in sources.observed.nodes:
            foreign = node.state == NodeState.FOREIGN and node.provider == status.provider
            if foreign and status.state == NodeState.ABSENT and node.runtime_name in names:
                return evolve(status, state=NodeState.FOREIGN, runtime_name=node.runtime_name)
        return status

    def deployed(self, sources: Sources) -> Topology:
        """The topology as deployed.

        :raises LabNotFound: nobody knows it.
        """
        if sources.desired is None:
            raise LabNotFound(
                "it is not deployed, or its saved topology is gone",
                lab=self.lab,
                remedy="Deploy its file first.",
            )
        return sources.desired

    def find(self, name: str) -> tuple[ObservedNode, Scope]:
        """The node called *name*, and the lab as its provider is to be told of it.

        :raises NodeNotFound: the lab has no such node.
        :raises NodeNotRunning: it has, and the node is not there.
        """
        sources = self.look(None, use_saved=True)
        there = self.there(sources)
        if name in there:
            return there[name], self.scope(sources.prefix)
        wanted = [node.name for node in sources.desired.machines] if sources.desired else []
        if name not in wanted:
            raise no_node(self.lab, name, {*there, *wanted})
        raise NodeNotRunning(
            "it is not there", lab=self.lab, node=name, remedy="`labprov recover` brings it back."
        )

    # -- deciding -----------------------------------------------------------------------------------------

    def decide(
        self,
        sources: Sources,
        desired: Topology | None,
        *,
        keep: bool = False,
        reconfigure: bool = False,
        touch: frozenset[str] | None = None,
    ) -> Plan:
        """The plan that makes the lab what is *desired*."""
        needed = self.survey.needed(desired, sources.saved) if desired and desired.machines else ()
        reaches_host = desired is not None and _reaches_host(desired)
        shared = self.survey.shared_bridge
        facts = Facts(
            lab=self.lab,
            operation=self.name,
            prefix=sources.prefix,
            workspace=self.workspace_id,
            vlan_range=self.settings.vlan_range,
            providers={name: self.survey.infos[name] for name in needed},
            asked=frozenset(sources.asked),
            saved=sources.saved,
            kept=sources.kept,
            reserved=self._reserved(shared),
            foreign_tags=frozenset(
                port.tag for port in sources.observed.foreign_ports if port.bridge == shared
            ),
            host_interfaces=self.host.interfaces() if reaches_host else frozenset(),
            host_bridges=self.host.bridges() if reaches_host else frozenset(),
            bridge=self.survey.bridge,
            shared_bridge=shared,
            keep=keep,
            reconfigure=reconfigure,
            touch=touch,
        )
        plan = reconcile(desired, sources.persisted, sources.observed, facts)
        self._check_specs(plan)
        return evolve(plan, warnings=(*sources.warnings, *plan.warnings))

    def _check_specs(self, plan: Plan) -> None:
        """Have each provider look at what it is going to be asked for, before anything is made."""
        outcomes = dispatch(
            self.plugins,
            plan.create,
            lambda spec: plan.providers[spec.name],
            lambda provider, batch: provider.accept_nodes(self.scope(plan.prefix), batch),
        )
        errors = (
            failure(outcome, lab=self.lab, node=spec.name)
            for spec, outcome in zip(plan.create, outcomes, strict=True)
        )
        raise_all([error for error in errors if error is not None], self.lab)

    def _reserved(self, shared: str | None) -> frozenset[int]:
        """On a bridge that labs share: the tags in other labs' documents, those of stopped nodes included."""
        if shared is None:
            return frozenset()
        reserved: set[int] = set()
        for lab in self.workspace.labs() - {self.lab}:
            document = self.plugins.load_allocations(self.workspace.path, lab)
            if document is not None:
                reserved.update(tag for tags in document.allocations.values() for tag in tags)
        return frozenset(reserved)

    # -- doing --------------------------------------------------------------------------------------------

    def execute(self, plan: Plan, sources: Sources) -> Report:
        """Carry the plan out; what was bad is moved aside first, with a warning."""
        warnings = [self._move_aside(bad.error) for bad in sources.bad]
        executor = Executor(
            plan,
            plugins=self.plugins,
            scope=self.scope(plan.prefix),
            observe=lambda: self.observe_again(plan),
            emit=self.emit,
            cancelled=self.cancelled,
        )
        executor.persist()
        self._until_saved.close()
        report = executor.run()
        logger.info(
            "%s of %s: %d allocations recovered, %d issued, %d dropped",
            self.name,
            self.lab,
            report.recovered,
            report.allocated,
            len(report.dropped),
        )
        return evolve(report, warnings=(*warnings, *report.warnings))

    def observe_again(self, plan: Plan) -> Observed:
        """What the providers of the plan's nodes hold now."""
        observed = Observed()
        for name in sorted(set(plan.providers.values())):
            observed += self.plugins.provider(name).observe(self.scope(plan.prefix))
        return observed

    def restore(self, sources: Sources) -> None:
        """Put the lab's documents back as *sources* found them; the engines are another matter."""
        if sources.saved is not None:
            topologies.save(self.workspace, sources.saved)
        if sources.persisted is not None:
            self.plugins.save_allocations(self.workspace.path, self.lab, sources.persisted)

    def wait(self, plan: Plan, report: Report) -> Report:
        """Wait for the nodes that were started, and add what came of it to the report.

        Nothing is written, so it needs no lock: somebody who wants to stop the lab meanwhile can.

        :raises Cancelled: it was asked for; the nodes go on.
        """
        if not report.started:
            return report
        failures, untold = wait_ready(
            report.started,
            look=lambda: mine_of(self.observe_again(plan), self.lab, self.workspace_id),
            plugins=self.plugins,
            scope=self.scope(plan.prefix),
            cancelled=self.cancelled,
            ready=lambda node: self.emit(Event(kind=EventKind.NODE_READY, lab=self.lab, node=node)),
        )
        warnings = tuple(f"{name}: nobody can tell when it is ready" for name in untold)
        return evolve(
            report,
            failures=(*report.failures, *failures),
            warnings=(*report.warnings, *warnings),
        )

    def _move_aside(self, error: DocumentCorrupt) -> str:
        if error.path is None or not error.path.exists():
            error.remedy = "Remove the document from its store; it is then rebuilt from the engines."
            raise error
        target = quarantine(error.path)
        warning = f"{error.message}; it was moved to {target.name} and rebuilt from what the engines hold"
        logger.info("%s: %s", self.lab, warning)
        self.emit(Event(kind=EventKind.WARNING, lab=self.lab, message=warning))
        return warning


def no_node(lab: str, name: str, known: Iterable[str]) -> NodeNotFound:
    """The error for a node that the lab doesn't have."""
    listed = ", ".join(sorted(known, key=natural))
    return NodeNotFound(
        "the lab has no such node", lab=lab, node=name, remedy=f"Nodes are: {listed or 'none'}."
    )


def _reaches_host(topology: Topology) -> bool:
    if any(node.is_bridge or node.is_host for node in topology.nodes):
        return True
    return any(end.node == HOST for link in topology.links for end in link.ends)
