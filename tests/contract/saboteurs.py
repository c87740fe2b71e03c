"""Saboteurs: each is the reference provider with one thing broken in one subtle way.

Each says which clauses must name it: exactly those. Where the fault can only be core's (a verb, a lock), the
saboteur brings what is put in the place of a part of core while its clauses run (see
:mod:`tests.contract.sabotage`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, TypeVar

from attrs import evolve, field, mutable

from labprov import allocation, documents, labs
from labprov.allocation import JsonStore, by_endpoint
from labprov.contract.reference import Engine, Machine, ReferenceProvider
from labprov.engine import (
    Alone,
    Capability,
    Joined,
    NodeSpec,
    NodeState,
    Observed,
    ObservedInterface,
    ObservedNode,
    Port,
    ProviderInfo,
    Readiness,
    Result,
    Scope,
)
from labprov.errors import EngineFailure, LabprovError, NodeNotFound, WorkspaceError
from labprov.events import Event, EventKind
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.model import Allocations, Endpoint, Topology
from labprov.plugins import Plugins
from labprov.report import Report
from labprov.settings import Settings
from labprov.tags import Recovery
from labprov.workspace import Workspace

EXPECTED: dict[str, frozenset[str]] = {}
"""The clauses that must fail, by saboteur."""
SABOTEURS: dict[str, type[ReferenceProvider]] = {}

T = TypeVar("T", bound=type[ReferenceProvider])


def named_by(clauses: str) -> Callable[[T], T]:
    """Register a saboteur, and the clauses that must name it."""

    def register(saboteur: T) -> T:
        SABOTEURS[saboteur.__name__] = saboteur
        EXPECTED[saboteur.__name__] = frozenset(clauses.split())
        return saboteur

    return register


def instead_of(place: str, part: object) -> Callable[[T], T]:
    """Put *part* in that place of core (``module:path``) while the saboteur's clauses run."""

    def put(saboteur: T) -> T:
        saboteur.core = {place: part}  # type: ignore[attr-defined] # all are a Saboteur
        return saboteur

    return put


class Saboteur(ReferenceProvider):
    """The reference provider under the saboteur's name.

    ``core`` has what stands in the place of core's own parts, by ``module:path``.
    """

    core: ClassVar[Mapping[str, object]] = {}

    def __init__(self) -> None:
        super().__init__(name=type(self).__name__)


class Whole(Saboteur):
    """Nothing is broken."""


# -- the store --------------------------------------------------------------------------------------------


class StoreSaboteur(Saboteur):
    """A saboteur that brings its own store: labprov's, with one method broken."""

    store = JsonStore()

    @hookimpl
    def labprov_load_allocations(self, workspace: Path, lab: str) -> Allocations | None:
        """Load as labprov does."""
        return self.load(workspace, lab)

    @hookimpl
    def labprov_save_allocations(self, workspace: Path, lab: str, document: Allocations) -> bool:
        """Save as labprov does."""
        self.save(workspace, lab, document)
        return True

    @hookimpl
    def labprov_remove_allocations(self, workspace: Path, lab: str) -> bool:
        """Remove as labprov does."""
        self.forget(workspace, lab)
        return True

    def load(self, workspace: Path, lab: str) -> Allocations | None:
        """To be broken."""
        return self.store.labprov_load_allocations(workspace, lab)

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        """To be broken."""
        self.store.labprov_save_allocations(workspace, lab, document)

    def forget(self, workspace: Path, lab: str) -> None:
        """To be broken."""
        self.store.labprov_remove_allocations(workspace, lab)


@named_by("P2")
class WritesInItsOwnFormat(StoreSaboteur):
    """Writes the same JSON on one line."""

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        super().save(workspace, lab, document)
        file = Workspace(workspace).vlans(lab)
        file.write_text(json.dumps(json.loads(file.read_bytes())))


@named_by("P1 P2")
class LosesATag(StoreSaboteur):
    """Loses the last tag of the last node of three."""

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        names = document.interfaces or {}
        if len(names) == 3:
            last = max(names)
            document = evolve(
                document,
                allocations={**document.allocations, last: document.allocations[last][:1]},
                interfaces={**names, last: names[last][:1]},
            )
        super().save(workspace, lab, document)


@named_by("I6 I7 L6 P3 P4 R4 R13 W6")
class KeepsTheDocument(StoreSaboteur):
    """Empties the document instead of removing it."""

    def forget(self, workspace: Path, lab: str) -> None:
        if Workspace(workspace).vlans(lab).exists():
            super().save(workspace, lab, Allocations({}, 100, {}))


@named_by("P5 R7")
class MakesFoldersWhenItLoads(StoreSaboteur):
    """Makes the folder that it looks into."""

    def load(self, workspace: Path, lab: str) -> Allocations | None:
        Workspace(workspace).vlans(lab).parent.mkdir(parents=True, exist_ok=True)
        return super().load(workspace, lab)


@named_by("P5")
class MissingFolderIsAnError(StoreSaboteur):
    """Raises where there is nothing to remove because there never was anything."""

    def forget(self, workspace: Path, lab: str) -> None:
        if not Workspace(workspace).vlans(lab).parent.exists():
            raise WorkspaceError("there is no such folder", lab=lab)
        super().forget(workspace, lab)


@named_by("P6")
class SavesAfterPlugging(StoreSaboteur):
    """Keeps what it is to save in memory, and writes it to disk when the operation is done."""

    def __init__(self) -> None:
        super().__init__()
        self.late: dict[tuple[Path, str], Allocations] = {}

    def load(self, workspace: Path, lab: str) -> Allocations | None:
        return self.late.get((workspace, lab)) or super().load(workspace, lab)

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        self.late[workspace, lab] = document

    def forget(self, workspace: Path, lab: str) -> None:
        self.late.pop((workspace, lab), None)
        super().forget(workspace, lab)

    @hookimpl
    def labprov_event(self, event: Event) -> None:
        """Write the lab's now."""
        if event.kind == EventKind.OPERATION_DONE:
            for (workspace, lab), document in list(self.late.items()):
                if lab == event.lab:
                    super().save(workspace, lab, document)
                    if self.late.get((workspace, lab)) is document:
                        del self.late[workspace, lab]


@named_by("P9")
class TakesAnyTag(StoreSaboteur):
    """Reads documents without checking what the tags are."""

    def load(self, workspace: Path, lab: str) -> Allocations | None:
        file = Workspace(workspace).vlans(lab)
        if not file.exists():
            return None
        value = documents.parse(file.read_bytes(), file)
        layout = documents.structure(value, allocation._Layout, file)
        allocation._check_names(layout, file)
        return Allocations(
            {node: tuple(tags) for node, tags in layout.allocations.items()},
            layout.next_vlan,
            {node: tuple(names) for node, names in layout.interfaces.items()},
        )


@named_by("P9")
class FallsBackToAnOlderDocument(StoreSaboteur):
    """Silently takes the document before the last where the last is bad."""

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        file = Workspace(workspace).vlans(lab)
        if file.exists():
            file.with_name(f".{lab}.old").write_bytes(file.read_bytes())
        super().save(workspace, lab, document)

    def load(self, workspace: Path, lab: str) -> Allocations | None:
        try:
            return super().load(workspace, lab)
        except LabprovError:
            older = Workspace(workspace).vlans(lab).with_name(f".{lab}.old")
            if not older.exists():
                raise
            return allocation.parse(older.read_bytes(), older)

    def forget(self, workspace: Path, lab: str) -> None:
        super().forget(workspace, lab)
        Workspace(workspace).vlans(lab).with_name(f".{lab}.old").unlink(missing_ok=True)


@named_by("P10")
class WritesInPlace(StoreSaboteur):
    """Writes the document where it is."""

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        file = Workspace(workspace).vlans(lab)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(allocation.render(document))


@named_by("P10")
class RemovesBeforeItWrites(StoreSaboteur):
    """Removes the old document to make room for the new one."""

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        super().forget(workspace, lab)
        super().save(workspace, lab, document)


@named_by("I9 P11 R2 R12")
class NeverForgetsANode(StoreSaboteur):
    """Puts the entries of before beside the new ones."""

    def save(self, workspace: Path, lab: str, document: Allocations) -> None:
        old = self.store.labprov_load_allocations(workspace, lab) if self._sound(workspace, lab) else None
        if old is not None and old.interfaces is not None:
            gone = {node for node in old.allocations if node not in document.allocations}
            document = evolve(
                document,
                allocations={**document.allocations, **{node: old.allocations[node] for node in gone}},
                interfaces={**(document.interfaces or {}), **{node: old.interfaces[node] for node in gone}},
            )
        super().save(workspace, lab, document)

    def _sound(self, workspace: Path, lab: str) -> bool:
        try:
            self.store.labprov_load_allocations(workspace, lab)
        except LabprovError:
            return False
        return True


@named_by("I8")
class BelievesAnyId(StoreSaboteur):
    """Makes a path of any id."""

    def load(self, workspace: Path, lab: str) -> Allocations | None:
        file = workspace / "vlans" / f"{lab}.json"
        try:
            return allocation.parse(file.read_bytes(), file)
        except (OSError, ValueError):
            return None


# -- tags and locks ---------------------------------------------------------------------------------------


class NeverFrees(Recovery):
    """Keeps every tag that was ever given, whoever has it now."""

    given: ClassVar[dict[str, dict[Endpoint, int]]] = {}

    @hookimpl
    def labprov_recover_allocations(
        self,
        persisted: Allocations | None,
        topology: Topology | None,
        existing: frozenset[str],
        captured: Mapping[Endpoint, int],
    ) -> Mapping[Endpoint, int]:
        kept = super().labprov_recover_allocations(persisted, topology, existing, captured)
        given = self.given.setdefault(topology.name if topology else "", {})
        given.update({Endpoint("ghost", f"t{tag}"): tag for tag in captured.values()})
        return {**given, **kept}


class ByNumber(Recovery):
    """Keeps a node's tags only while it has as many interfaces as before."""

    @hookimpl
    def labprov_recover_allocations(
        self,
        persisted: Allocations | None,
        topology: Topology | None,
        existing: frozenset[str],
        captured: Mapping[Endpoint, int],
    ) -> Mapping[Endpoint, int]:
        kept = super().labprov_recover_allocations(persisted, topology, existing, captured)
        if persisted is None or topology is None:
            return kept
        same = {
            node
            for node, tags in persisted.allocations.items()
            if len(topology.interfaces.get(node, ())) == len(tags)
        }
        return {end: tag for end, tag in kept.items() if end.node in same}


class ByPosition(Recovery):
    """Gives a node's tags to its interfaces in their order, whatever they were called."""

    @hookimpl
    def labprov_recover_allocations(
        self,
        persisted: Allocations | None,
        topology: Topology | None,
        existing: frozenset[str],
        captured: Mapping[Endpoint, int],
    ) -> Mapping[Endpoint, int]:
        kept = super().labprov_recover_allocations(persisted, topology, existing, captured)
        if persisted is None or topology is None:
            return kept
        return {
            Endpoint(node, name): tag
            for node, names in topology.interfaces.items()
            for name, tag in zip(names, persisted.allocations.get(node, ()), strict=False)
        }


class AllOrNothing(Recovery):
    """Trusts the document only while every node of it exists."""

    @hookimpl
    def labprov_recover_allocations(
        self,
        persisted: Allocations | None,
        topology: Topology | None,
        existing: frozenset[str],
        captured: Mapping[Endpoint, int],
    ) -> Mapping[Endpoint, int]:
        if persisted is not None and set(persisted.allocations) - existing:
            return {}
        return super().labprov_recover_allocations(persisted, topology, existing, captured)


@named_by("P14 P15")
@instead_of("labprov.contract.bench:Recovery", NeverFrees)
class LeaksTags(Saboteur):
    """A tag that was given is never given back."""


@named_by("P12 P13 P14 R12")
@instead_of("labprov.contract.bench:Recovery", ByNumber)
class RenumbersWhatGrows(Saboteur):
    """A node that grows gets new tags."""


@named_by("P13 R12 W5")
@instead_of("labprov.contract.bench:Recovery", ByPosition)
class MovesTagsWithPositions(Saboteur):
    """An interface in the middle moves those behind it."""


@named_by("P17 R2 R3 R11 W5")
@instead_of("labprov.contract.bench:Recovery", AllOrNothing)
class ForgetsAllWhenOneIsGone(Saboteur):
    """One node lost: all tags are issued anew."""


@contextmanager
def no_lock(*_: object, **__: object) -> Iterator[None]:
    """Hold nothing."""
    yield


@named_by("P16")
@instead_of("labprov.workspace:Workspace._lock", no_lock)
class LocksNoLab(Saboteur):
    """Two deployers of one lab at once do not see each other."""


@named_by("P16")
@instead_of("labprov.operation:bridge_lock", no_lock)
class LocksNoBridge(Saboteur):
    """Two deployers on one shared bridge at once do not see each other's tags."""


@named_by("P16 P17")
@instead_of("labprov.operation:Operation._reserved", lambda *_: frozenset())
class SeesOnlyItsOwnTags(Saboteur):
    """On a shared bridge it does not look at the documents of other labs."""


# -- what exists ------------------------------------------------------------------------------------------


class BlindSaboteur(Saboteur):
    """A saboteur that sees something else than there is."""

    @hookimpl
    def labprov_observe(self, scope: Scope, names: frozenset[str]) -> Observed:
        """Observe, and bend it."""
        return self.bend(super().labprov_observe(scope, names), scope)

    def bend(self, observed: Observed, scope: Scope) -> Observed:
        """To be broken."""
        return observed

    def bend_ports(
        self, observed: Observed, change: Callable[[ObservedInterface], ObservedInterface]
    ) -> Observed:
        """Change every interface."""
        nodes = [
            evolve(node, interfaces=tuple(change(item) for item in node.interfaces))
            for node in observed.nodes
        ]
        return evolve(observed, nodes=tuple(nodes))


@named_by("P9 R6")
class NothingIsThereWhenAsked(Saboteur):
    """Answers "nothing exists" when the query failed."""

    @hookimpl
    def labprov_provider_info(self, host: Host) -> ProviderInfo:
        return evolve(super().labprov_provider_info(host), reason=None, remedy=None)

    @hookimpl
    def labprov_observe(self, scope: Scope, names: frozenset[str]) -> Observed:
        try:
            return super().labprov_observe(scope, names)
        except LabprovError:
            return Observed()


@named_by("R5")
class SeesNoForeignPorts(BlindSaboteur):
    """Does not look at what is not labprov's on the bridge."""

    def bend(self, observed: Observed, scope: Scope) -> Observed:
        return evolve(observed, foreign_ports=())


@named_by("R7")
class WritesWhenItLooks(BlindSaboteur):
    """Keeps a cache in the workspace."""

    def bend(self, observed: Observed, scope: Scope) -> Observed:
        scope.workspace.mkdir(parents=True, exist_ok=True)
        (scope.workspace / "cache").touch()
        return observed


@named_by("L1 R10")
class TellsAnotherMtu(BlindSaboteur):
    """Tells the MTU without the room for a tag."""

    def bend(self, observed: Observed, scope: Scope) -> Observed:
        return self.bend_ports(observed, lambda item: evolve(item, mtu=(item.mtu or 0) - 4))


@named_by("R9")
class RemembersInsteadOfLooking(Saboteur):
    """Tells the ports that it made, whatever became of them."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, dict[str, ObservedInterface]] = {}

    def plug(self, machine: Machine, port: Port) -> None:
        super().plug(machine, port)
        machine.labels.setdefault(f"port.{port.end.interface}", "")
        self.made.setdefault(id(machine.ports), {})

    def seen(self, name: str, machine: Machine) -> ObservedNode:
        node = super().seen(name, machine)
        return evolve(node, interfaces=tuple(self.remembered(machine, item) for item in node.interfaces))

    def remembered(self, machine: Machine, item: ObservedInterface) -> ObservedInterface:
        """What it was when it was last whole."""
        key = machine.labels.get("labprov.workspace", ""), machine.labels.get("labprov.lab", "")
        known = self.made.setdefault(hash((*key, machine.labels.get("labprov.node"))), {})
        if item.tag is not None:
            known[item.name] = item
        return known.get(item.name, item)


@named_by("W8")
class SortsInterfacesAsText(BlindSaboteur):
    """Has eth10 before eth2."""

    def bend(self, observed: Observed, scope: Scope) -> Observed:
        nodes = [
            evolve(node, interfaces=tuple(sorted(node.interfaces, key=lambda item: item.name)))
            for node in observed.nodes
        ]
        return evolve(observed, nodes=tuple(nodes))


@named_by("P8 P9 W5")
class CapturesFromTheDocument(Saboteur):
    """Tells the tags of the document, not those that are carried."""

    @hookimpl
    def labprov_capture_vlans(self, scope: Scope) -> Mapping[Endpoint, int]:
        """Tell what should be."""
        self.engine.ask()
        try:
            document = JsonStore().labprov_load_allocations(scope.workspace, scope.lab or "")
        except LabprovError:
            return {}
        return by_endpoint(document) if document else {}


# -- nodes ------------------------------------------------------------------------------------------------


@named_by("R1 R3 R11 R12 R14")
class RestartsPeers(Saboteur):
    """Makes a node, and starts all others of the lab anew, as if they had to meet it."""

    def create(self, spec: NodeSpec) -> None:
        super().create(spec)
        for machine in self.engine.machines.values():
            if machine.labels.get("labprov.lab") == spec.labels["labprov.lab"] and machine.process:
                machine.process = next(self.engine.processes)


@named_by("R8 R9")
class PlugsAtItsOwnStartOnly(Saboteur):
    """What is started by other means than a start after a stop has no links."""

    def start(self, machine: Machine) -> None:
        if machine.state == NodeState.CRASHED:
            machine.ports = {name: evolve(port, far=None) for name, port in machine.ports.items()}
        super().start(machine)


@named_by("R8 R9")
class DrawsANewMac(Saboteur):
    """One interface comes back from a restart with another MAC."""

    def start(self, machine: Machine) -> None:
        if machine.state == NodeState.CRASHED and "eth2" in machine.ports:
            machine.ports["eth2"] = evolve(machine.ports["eth2"], mac="02:00:00:00:00:99")
        super().start(machine)


@named_by("R11")
class RollsBackABatch(Saboteur):
    """One of several nodes can't be made: the others of the batch are removed again."""

    @hookimpl
    def labprov_create_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        outcomes = super().labprov_create_nodes(scope, nodes)
        failed = next((outcome for outcome in outcomes if outcome is not None), None)
        if failed is None:
            return outcomes
        for spec, outcome in zip(nodes, outcomes, strict=True):
            if outcome is None:
                del self.engine.machines[spec.runtime_name]
        return [failed] * len(nodes)


@named_by("I9 P14 P16 R12 W5")
class LeavesPortsBehind(Saboteur):
    """Cuts a port that it is to remove, and leaves it there."""

    def unplug(self, machine: Machine, name: str) -> None:
        if name in machine.ports:
            machine.ports[name] = evolve(machine.ports[name], far=Alone())


@named_by("R14")
class LosesPortsOnReplace(Saboteur):
    """A node that takes another's place has to be plugged again."""

    def create(self, spec: NodeSpec) -> None:
        super().create(spec)
        if spec.replaces is not None:
            self.engine.machines[spec.runtime_name].ports = {}


@named_by("R14")
class KeepsTheOldProcess(Saboteur):
    """Replaces the definition, and not what runs."""

    def create(self, spec: NodeSpec) -> None:
        old = self.engine.machines.get(spec.runtime_name) if spec.replaces else None
        super().create(spec)
        if old is not None:
            made = self.engine.machines[spec.runtime_name]
            made.state, made.process = old.state, old.process


# -- whose is what ----------------------------------------------------------------------------------------


@named_by("I1 W6")
class RemovesLabsByPrefix(Saboteur):
    """Removes with a lab all whose lab begins with the same letters."""

    @hookimpl
    def labprov_remove_lab(self, scope: Scope) -> bool:
        for name, machine in tuple(self.engine.machines.items()):
            if machine.labels.get("labprov.lab", "").startswith(scope.lab or ""):
                del self.engine.machines[name]
        return super().labprov_remove_lab(scope)


@named_by("I1 I5")
class CutsLongIds(Saboteur):
    """Labels hold the first 20 characters of a lab's id, without a hash."""

    def create(self, spec: NodeSpec) -> None:
        short = {**spec.labels, "labprov.lab": spec.labels["labprov.lab"][:20]}
        super().create(evolve(spec, labels=short))


@named_by("I2")
class CutsLongNames(Saboteur):
    """Runtime names have 40 characters at most."""

    def create(self, spec: NodeSpec) -> None:
        if len(spec.runtime_name) > 40:
            spec = evolve(spec, runtime_name=spec.runtime_name[:40])
            self.engine.machines.pop(spec.runtime_name, None)
        super().create(spec)


@named_by("I3 R11")
class AdoptsForeignThings(BlindSaboteur):
    """Puts its labels on whatever has the name."""

    def bend(self, observed: Observed, scope: Scope) -> Observed:
        return evolve(observed, nodes=tuple(n for n in observed.nodes if n.state != NodeState.FOREIGN))

    def create(self, spec: NodeSpec) -> None:
        held = self.engine.machines.get(spec.runtime_name)
        if held is not None and not held.labels:
            held.labels = dict(spec.labels)
            return
        super().create(spec)


_orphans = labs.orphans


def takes_an_empty_list(
    settings: Settings, keep: Collection[str], *, every: bool = False, plugins: Plugins | None = None
) -> tuple[str, ...]:
    """Keeps none where none is named."""
    return _orphans(settings, keep, every=every or not keep, plugins=plugins)


@named_by("I4")
@instead_of("labprov.labs:orphans", takes_an_empty_list)
class EmptyListKeepsNothing(Saboteur):
    """An empty keep-list deletes everything."""


def by_prefix(
    settings: Settings, keep: Collection[str], *, every: bool = False, plugins: Plugins | None = None
) -> tuple[str, ...]:
    """Keeps what begins like one that is kept, or the other way round."""
    found = _orphans(settings, keep, every=every, plugins=plugins)
    return tuple(lab for lab in found if not any(kept.startswith(lab) for kept in keep))


@named_by("I5")
@instead_of("labprov.labs:orphans", by_prefix)
class KeepsByPrefix(Saboteur):
    """``lab1`` is kept because ``lab10`` is."""


_cleanup = labs.cleanup


def stops_at_the_first(
    settings: Settings, found: Collection[str], *, plugins: Plugins | None = None
) -> tuple[Report, ...]:
    """Stops where one lab can't be removed."""
    reports: list[Report] = []
    for name in found:
        reports += _cleanup(settings, [name], plugins=plugins)
        if reports[-1].failures:
            break
    return tuple(reports)


@named_by("I6")
@instead_of("labprov.labs:cleanup", stops_at_the_first)
class StopsAtTheFirstFailure(Saboteur):
    """Cleanup does not go on past one that can't be removed."""


@named_by("I6 I7 L6 R13 W6")
class LeavesTheNetwork(Saboteur):
    """Says that the lab's network is gone."""

    @hookimpl
    def labprov_remove_lab(self, scope: Scope) -> bool:
        return True


@named_by("I7")
class RemovesTheSharedBridge(Saboteur):
    """Removes with a node the bridge that it was on, and what else was on it."""

    def remove(self, node: ObservedNode) -> None:
        bridges = {item.far for item in node.interfaces if item.far != Alone()}
        super().remove(node)
        for machine in self.engine.machines.values():
            if machine.labels.get("labprov.lab") != node.lab:
                machine.ports = {
                    name: evolve(port, far=None) if port.far in bridges else port
                    for name, port in machine.ports.items()
                }


@named_by("I9")
class RemovesNodesByPrefix(Saboteur):
    """``r1``'s removal takes what begins with ``r1``."""

    def remove(self, node: ObservedNode) -> None:
        super().remove(node)
        for name in tuple(self.engine.machines):
            if name.startswith(node.runtime_name):
                del self.engine.machines[name]


# -- what it says of itself -------------------------------------------------------------------------------


@named_by("D1 W7")
class DoesWhatItDoesNotClaim(Saboteur):
    """Has a carrier, and does not say so."""

    @hookimpl
    def labprov_provider_info(self, host: Host) -> ProviderInfo:
        info = super().labprov_provider_info(host)
        return evolve(info, capabilities=info.capabilities - {Capability.CARRIER})


@named_by("D2")
class HasNoRemedy(Saboteur):
    """Says that it is unavailable, and not what to do about it."""

    @hookimpl
    def labprov_provider_info(self, host: Host) -> ProviderInfo:
        return evolve(super().labprov_provider_info(host), remedy=None)


# -- wires ------------------------------------------------------------------------------------------------


@mutable(eq=False)
class OneBridgeForAll(Engine):
    """All labs' ports are on one bridge: who has the same tag hears."""

    def joined(self, a: ObservedInterface, b: ObservedInterface) -> bool:
        linked = all(port.far not in (None, Alone()) for port in (a, b))
        return linked and a.up and b.up and a.tag is not None and a.tag == b.tag


@mutable(eq=False)
class AloneTogether(Engine):
    """Interfaces without a link are on one bridge."""

    def joined(self, a: ObservedInterface, b: ObservedInterface) -> bool:
        return super().joined(a, b) or (a.far == b.far == Alone() and a.up and b.up)


@mutable(eq=False)
class BridgeInTheWay(Engine):
    """A bridge that passes ping, and keeps what is for bridges."""

    def carry(self, sender: Machine, name: str, frame: bytes) -> None:
        if frame[:6] != b"\x01\x80\xc2\x00\x00\x02":
            super().carry(sender, name, frame)


@mutable(eq=False)
class LosesTheOuterTag(Engine):
    """Takes the outer of two tags off."""

    def carry(self, sender: Machine, name: str, frame: bytes) -> None:
        outer = frame[12:14] == b"\x88\xa8"
        super().carry(sender, name, frame[:12] + frame[16:] if outer else frame)


@mutable(eq=False)
class HearsItself(Engine):
    """Sends broadcasts twice."""

    def carry(self, sender: Machine, name: str, frame: bytes) -> None:
        super().carry(sender, name, frame)
        if frame[:6] == bytes(6):
            super().carry(sender, name, frame)


class WireSaboteur(Saboteur):
    """A saboteur with another engine."""

    make: type[Engine] = Engine

    def __init__(self) -> None:
        super().__init__()
        self.engine = self.make()


@named_by("W1")
class SharesOneBridge(WireSaboteur):
    """Labs with the same tags hear each other."""

    make = OneBridgeForAll


@named_by("W4")
class JoinsTheUnlinked(WireSaboteur):
    """Interfaces without a link hear each other."""

    make = AloneTogether


@named_by("W2")
class DropsLacp(WireSaboteur):
    """Passes ping, drops LACP."""

    make = BridgeInTheWay


@named_by("W2")
class StripsTheOuterTag(WireSaboteur):
    """A sniffer or a bridge that hides the outer tag of QinQ."""

    make = LosesTheOuterTag


@named_by("R1")
class RebuildsTheNodesPorts(Saboteur):
    """To plug one port it makes all ports of the node anew."""

    def plug(self, machine: Machine, port: Port) -> None:
        super().plug(machine, port)
        machine.ears.clear()


@named_by("P7 P15 R5 W5 W6")
class KeepsTheOldTag(Saboteur):
    """Points a port elsewhere, and leaves it the tag that it had."""

    def plug(self, machine: Machine, port: Port) -> None:
        old = machine.ports.get(port.end.interface)
        super().plug(machine, port)
        if old is not None and old.tag is not None:
            machine.ports[port.end.interface] = evolve(machine.ports[port.end.interface], tag=old.tag)


@named_by("W7")
class PullsOneEnd(Saboteur):
    """Takes the carrier of the first end only."""

    @hookimpl
    def labprov_set_carrier(
        self, scope: Scope, ends: Sequence[Endpoint], up: bool
    ) -> Sequence[LabprovError | None]:
        super().labprov_set_carrier(scope, ends[:1] if not up else ends, up)
        return [None] * len(ends)


@named_by("W7")
class PullsTheWholeNode(Saboteur):
    """Takes the carrier of all the node's interfaces."""

    def carrier(self, machine: Machine, name: str, up: bool) -> None:
        for each in machine.ports:
            super().carrier(machine, each, up)


@named_by("L1 R10 W9")
class CountsTheManagementCard(Saboteur):
    """Takes the management card for the first port: every MAC is the next one's."""

    def plug(self, machine: Machine, port: Port) -> None:
        number = int(port.mac.replace(":", ""), 16) ^ 1
        super().plug(machine, evolve(port, mac=number.to_bytes(6, "big").hex(":")))


@mutable(eq=False)
class SharedSwitch(Engine):
    """An engine whose ports are on one switch with those of another."""

    others: list[Engine] = field(factory=list)

    def within_earshot(self) -> list[Machine]:
        return [machine for engine in (self, *self.others) for machine in engine.machines.values()]


_SWITCH = SharedSwitch()
BESIDE = ReferenceProvider(engine=_SWITCH)
"""The provider that the other half of a mixed lab is on."""
MIXED = "W3"
"""The only clause that needs a second provider, and so is run apart from the others."""


class MixedSaboteur(WireSaboteur):
    """Half of a mixed lab; the other half is on the reference provider."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = SharedSwitch(others=[_SWITCH])
        _SWITCH.others.append(self.engine)


class WholeBeside(MixedSaboteur):
    """Nothing is broken."""


@named_by("W3")
class PlugsOnABridgeOfItsOwn(MixedSaboteur):
    """Its ports meet each other, and nobody else's."""

    def plug(self, machine: Machine, port: Port) -> None:
        super().plug(machine, port)
        made = machine.ports[port.end.interface]
        if isinstance(made.far, Joined):
            own = evolve(made.far, bridge=f"{made.far.bridge}-own")
            machine.ports[port.end.interface] = evolve(made, far=own)

    def seen(self, name: str, machine: Machine) -> ObservedNode:
        node = super().seen(name, machine)
        return evolve(node, interfaces=tuple(self.told(item) for item in node.interfaces))

    def told(self, item: ObservedInterface) -> ObservedInterface:
        """What was asked for."""
        if not isinstance(item.far, Joined):
            return item
        return evolve(item, far=evolve(item.far, bridge=item.far.bridge.removesuffix("-own")))


# -- lifecycle --------------------------------------------------------------------------------------------


@named_by("L1")
class StopsPeersToo(Saboteur):
    """Stops with a node all others of the lab."""

    def stop(self, node: ObservedNode) -> None:
        for machine in self.engine.machines.values():
            if machine.labels.get("labprov.lab") == node.lab and machine.process is not None:
                machine.state, machine.process = NodeState.STOPPED, None
        super().stop(node)


@named_by("L2")
class StartedIsAccepted(Saboteur):
    """Says "started" when the engine has taken the request; the next look but one sees it run."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[int] = set()

    def start(self, machine: Machine) -> None:
        if machine.state != NodeState.RUNNING:
            self.asked.add(id(machine))
        super().start(machine)

    def seen(self, name: str, machine: Machine) -> ObservedNode:
        node = super().seen(name, machine)
        if id(machine) in self.asked:
            self.asked.discard(id(machine))
            return evolve(node, state=NodeState.STARTING, process=None)
        return node

    @hookimpl
    def labprov_ready(self, scope: Scope, node: ObservedNode) -> Readiness:
        """Look at the machine itself."""
        running = self.engine.find(scope, node.node).state == NodeState.RUNNING
        return Readiness(running, "it does not run")


@named_by("L3")
class CannotStopThePaused(Saboteur):
    """A paused node has to be woken first."""

    def stop(self, node: ObservedNode) -> None:
        if node.state == NodeState.PAUSED:
            raise EngineFailure("it is paused", node=node.node)
        super().stop(node)


@named_by("L3")
class AbsentIsAnError(Saboteur):
    """There is nothing to stop: an error."""

    def stop(self, node: ObservedNode) -> None:
        if node.runtime_name not in self.engine.machines:
            raise NodeNotFound("there is no such node", node=node.node)
        super().stop(node)


@named_by("L4")
class ReadyIfNobodyKnows(Saboteur):
    """Ready is whatever is not known to be unready."""

    @hookimpl
    def labprov_ready(self, scope: Scope, node: ObservedNode) -> Readiness:
        """Say so."""
        return Readiness(True)


@named_by("L5")
class MixesOutputs(Saboteur):
    """Errors stand among the output."""

    @hookimpl
    def labprov_exec(
        self, scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float
    ) -> Result:
        result = super().labprov_exec(scope, node, command, timeout)
        return evolve(result, stdout=result.stdout + result.stderr, stderr=b"")


@named_by("L5")
class ReadsOutputAsText(Saboteur):
    """Line ends are made those of the host."""

    @hookimpl
    def labprov_exec(
        self, scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float
    ) -> Result:
        result = super().labprov_exec(scope, node, command, timeout)
        return evolve(result, stdout=result.stdout.replace(b"\r\n", b"\n"))


@named_by("L6")
class NeedsTheTopology(Saboteur):
    """Reads in the saved topology what it is to remove."""

    @hookimpl
    def labprov_remove_nodes(
        self, scope: Scope, nodes: Sequence[ObservedNode]
    ) -> Sequence[LabprovError | None]:
        if not Workspace(scope.workspace).topology(scope.lab or "").exists():
            raise EngineFailure("nobody knows what the lab was", lab=scope.lab)
        return super().labprov_remove_nodes(scope, nodes)


@named_by("L7")
class TellsOfNoAccident(Saboteur):
    """Tells who listens what was asked of it, and not what went wrong."""

    def news(self, scope: Scope, before: Observed, closed: threading.Event) -> Iterator[Event]:
        for event in super().news(scope, before, closed):
            if event.state is not NodeState.CRASHED:
                yield event


def emit_in_trust(self: Plugins, event: Event) -> None:
    """Tell every observer, and let what one raises pass."""
    for _, plugin in self._named():
        if self._implements(plugin, "labprov_event"):
            self._caller("labprov_event", keep=plugin)(event=event)


@named_by("L7")
@instead_of("labprov.plugins:Plugins.emit", emit_in_trust)
class TrustsObservers(Saboteur):
    """An observer that raises ends the operation."""
