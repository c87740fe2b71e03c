"""The live handle of a lab, with the verbs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import evolve

from labprov import linking, power, watching
from labprov.engine import Result
from labprov.errors import InvalidInput, LabNotFound
from labprov.events import Event, EventKind
from labprov.facts import mine_of
from labprov.host import Host
from labprov.model import Endpoint, Link, Topology, checked_name, endpoint
from labprov.node import NodeHandle
from labprov.operation import Operation, no_node
from labprov.plan import Plan
from labprov.plugins import Plugins, load_plugins, tell
from labprov.report import NodeStatus, Report
from labprov.settings import Settings
from labprov.status import statuses
from labprov.survey import Sources
from labprov.watching import Watching
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
        self.report: Report | None = None
        """What the last deploy of this object did: commands that failed are in it, and raise nothing."""
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
            if not operation.knows(sources):
                raise lab._not_found()
        lab.topology = sources.desired
        return lab

    def _not_found(self) -> LabNotFound:
        return LabNotFound(
            "there is no such lab in this workspace",
            lab=self.name,
            remedy="`labprov inspect --all` lists those there are.",
        )

    def cancel(self) -> None:
        """Ask the operation under way, or the next one, to stop: it ends its step and raises ``Cancelled``.

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
            if name != "deploy" and not operation.workspace.id:
                operation.workspace.check_id()
                raise self._not_found()
            operation.workspace.prepare()
            self._emit(Event(kind=EventKind.OPERATION_STARTED, lab=self.name, message=name))
            try:
                yield operation
            finally:
                self._cancelled.clear()
                self._emit(Event(kind=EventKind.OPERATION_DONE, lab=self.name, message=name))

    def _emit(self, event: Event) -> None:
        """Tell everybody; whoever raises is logged and harms nothing."""
        tell(self.plugins, self._on_event, event)

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
            with operation.locked():
                try:
                    plan, sources = self._plan(operation, keep, reconfigure, only)
                    report = operation.execute(plan, sources)
                except Exception:
                    if self.name not in operation.workspace.labs():
                        # a refused lab leaves nothing, and so does one that there was no space to write of
                        operation.workspace.remove_lock(self.name)
                    raise
            if wait:
                report = operation.wait(plan, report)
        self.report = evolve(report, warnings=(*self.warnings, *report.warnings))
        return self.report

    def _check_files(self, only: Collection[str]) -> None:
        missing = [str(file) for file in self.missing if not only or file.node in only]
        if missing:
            raise InvalidInput(
                "; ".join(missing), lab=self.name, remedy="Put the files there, or correct their paths."
            )

    def destroy(self, *, provider: str | None = None) -> Report:
        """Remove everything of the lab: nodes, links, networks, files, locks. Idempotent.

        :param provider: only this provider's part; the rest stays as it is.
        :returns: what was removed; ``failures`` has what could not be, its documents then stay.
        :raises Unavailable: an engine that is needed does not answer; nothing was removed.
        """
        workspace = Workspace(self.settings.workspace)
        workspace.check_id()
        if not workspace.id:
            return Report(lab=self.name, operation="destroy")
        with self._operation("destroy", write=True) as operation, operation.locked():
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
        if sources.saved is not None:
            providers = {node.provider for node in sources.saved.topology.machines}
        else:
            providers = {node.provider for node in operation.there(sources).values()}
        if providers == {provider}:
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
            with operation.locked():
                sources = operation.look(None, use_saved=True)
                if not operation.knows(sources):
                    operation.workspace.remove_lock(self.name)
                    raise self._not_found()
                plan = operation.decide(sources, sources.desired)
                report = operation.execute(plan, sources)
            return operation.wait(plan, report)

    # -- nodes --------------------------------------------------------------------------------------------

    def start(self, nodes: Collection[str] = ()) -> Report:
        """Start nodes, with all that they need to run; none named: all. A running node is left alone."""
        with self._operation("start", write=True) as operation:
            with operation.locked():
                plan, report = power.start(operation, nodes)
            return operation.wait(plan, report)

    def stop(self, nodes: Collection[str] = (), *, graceful: bool = False) -> Report:
        """Stop nodes; none named: all. Their definitions, disks and links stay.

        :param graceful: give each its time to end by itself before it is killed.
        """
        with self._operation("stop", write=True) as operation, operation.locked():
            return power.stop(operation, nodes, graceful=graceful)

    def restart(self, nodes: Collection[str] = (), *, graceful: bool = False) -> Report:
        """Stop nodes and start them again; none named: all."""
        with self._operation("restart", write=True) as operation:
            with operation.locked():
                plan, report = power.restart(operation, nodes, graceful=graceful)
            return operation.wait(plan, report)

    def exec(self, node: str, command: Sequence[str], *, timeout: float | None = None) -> Result:
        """Run *command* in a running node.

        :param timeout: seconds; None: as the settings have it.
        :raises NodeNotFound: there is no such node.
        :raises NodeNotRunning: it does not run.
        :raises DeadlineExceeded: the command was ended at the timeout.
        :raises InvalidInput: the command is no list of words, or the timeout no number above 0.
        """
        words = _command(command)
        seconds = self.settings.timeouts.exec if timeout is None else timeout
        if not seconds > 0:
            raise InvalidInput(f"{timeout} is no timeout", remedy="Give seconds, more than 0.")
        with self._operation("exec") as operation:
            found, scope = operation.find(node)
            return self.plugins.provider(found.provider).exec(
                scope,
                found,
                words,
                seconds,
            )

    def logs(self, node: str) -> bytes:
        """The node's output since it was last powered on."""
        with self._operation("logs") as operation:
            found, scope = operation.find(node)
            return self.plugins.provider(found.provider).logs(scope, found)

    def __getitem__(self, node: str) -> NodeHandle:
        """The node called *node*.

        :raises NodeNotFound: the topology has no such node.
        """
        if self.topology is not None and not self.topology.is_machine(node):
            raise no_node(self.name, node, (machine.name for machine in self.topology.machines))
        return NodeHandle(self, node)

    # -- links --------------------------------------------------------------------------------------------

    def connect(self, a: Endpoint | str, b: Endpoint | str) -> Report:
        """Join two interfaces of a live lab; one that a node does not have yet is added to it.

        The saved topology changes too; the next deploy of a file decides again.

        :param a: an interface as ``node:interface``; its tag is kept if both have one.
        :raises InvalidTopology: one of them is linked already, or the node is unknown.
        """
        first, second = endpoint(a), endpoint(b)
        with self._operation("connect", write=True) as operation, operation.locked():
            report, self.topology = linking.relink(operation, lambda old: old.connected(Link(first, second)))
        return report

    def disconnect(self, a: Endpoint | str, b: Endpoint | str) -> Report:
        """Part two interfaces of a live lab; both stay, and lead nowhere.

        :raises InvalidTopology: no link joins them.
        """
        first, second = endpoint(a), endpoint(b)
        with self._operation("disconnect", write=True) as operation, operation.locked():
            report, self.topology = linking.relink(operation, lambda old: old.disconnected(first, second))
        return report

    def set_link(self, end: Endpoint | str, up: bool) -> Report:
        """Take the carrier of a link away, or give it back; both ends see it.

        :param end: either end, as ``node:interface``.
        """
        with self._operation("link", write=True) as operation, operation.locked():
            return linking.set_carrier(operation, endpoint(end), up)

    # -- looking ------------------------------------------------------------------------------------------

    def inspect(self) -> tuple[NodeStatus, ...]:
        """Every node, wanted or there, as it is now. Writes nothing."""
        with self._operation("inspect") as operation:
            sources = operation.look(None, use_saved=True)
            found = statuses(self.name, tuple(operation.there(sources).values()), sources.desired)
            return tuple(operation.or_foreign(status, sources) for status in found)

    def watch(self) -> Watching:
        """Listen to the engines' own news of this lab: what dies, starts, is paused, whoever did it.

        What happens after this has returned is heard: by the observers, and by who iterates over what it
        gives, which blocks until the next event. Providers that tell no news are named in a warning. A lab
        that is not deployed yet can be listened to as well; a new workspace gets its id by that. ::

            with lab.watch() as news:
                for event in news:
                    print(event.node, event.message)

        :raises NotSupported: none of the providers that its nodes are on tells news.
        :raises Unavailable: an engine does not answer; while iterating: it has gone away.
        """
        Workspace(self.settings.workspace).prepare()
        with self._operation("watch") as operation:
            sources = operation.look(None, use_saved=True)
            providers = {node.provider for node in operation.there(sources).values()}
            if sources.desired is not None:
                providers |= {node.provider for node in sources.desired.machines if node.provider}
            scope = evolve(operation.scope(sources.prefix), host=Host(options=self.settings.host_options))
        return watching.watch(scope, self.plugins, providers)

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


def _command(command: Sequence[str]) -> tuple[str, ...]:
    words = () if isinstance(command, str | bytes) else tuple(command)
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise InvalidInput(
            f"{command!r} is no command",
            remedy='Give a list of words, the program first: ["ip", "address"].',
        )
    return words
