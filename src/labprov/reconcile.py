"""The one function that decides: desired x persisted x observed -> Plan. Pure, no I/O.

Deploy, recover, connect, start and destroy all ask it. Which nodes stay is decided in
:mod:`labprov.census`, which ports there are in :mod:`labprov.ports`; here stands what must not be, and the
plan that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from labprov import identity
from labprov.allocation import Allocator, from_tags
from labprov.census import ALIVE, Census
from labprov.engine import (
    HostEnd,
    NodeSpec,
    NodeState,
    Observed,
    ObservedNode,
)
from labprov.errors import (
    ForeignResource,
    LabprovError,
    OtherWorkspace,
    WouldReplace,
)
from labprov.facts import Facts, mine
from labprov.model import Allocations, Endpoint, Node, Topology
from labprov.plan import Plan
from labprov.ports import Ports, next_vlan
from labprov.saved import Commands, Saved


def reconcile(
    desired: Topology | None, persisted: Allocations | None, observed: Observed, facts: Facts
) -> Plan:
    """Decide what has to be done so that the lab becomes what is desired.

    :param desired: what is wanted, every machine's provider chosen; None: unknown (what exists is then left
        alone, and what is gone is dropped); a topology without nodes: nothing is wanted.
    :param persisted: the allocation document, None where there is none (or it was bad).
    :param observed: everything that the needed engines hold, of this lab or in its way.
    :raises Conflict: something that isn't ours is in the way, or a node would be replaced although
        ``facts.keep`` is set.
    :raises NotSupported: a link that can't be made here.
    :raises Unavailable: a link that could be, but for something that is missing now.
    :raises TagsExhausted: there are not enough tags.
    :raises ExceptionGroup: several of these.
    """
    if desired is None:
        return _recover_unknown(persisted, observed, facts)
    return _Reconciler(desired, persisted, observed, facts).plan()


def raise_all(errors: list[LabprovError], lab: str) -> None:
    """Raise the one error, or a group of all; nothing if there are none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{lab} can't be deployed", errors)


def _recover_unknown(persisted: Allocations | None, observed: Observed, facts: Facts) -> Plan:
    """Nobody knows what is wanted: what exists stays as it is, the entries of what is gone are dropped."""
    there = mine(observed, facts)
    interfaces = {
        node.node: tuple(
            item.name for item in node.interfaces if Endpoint(node.node, item.name) in facts.kept
        )
        for node in there
    }
    kept = {
        Endpoint(node, name): facts.kept[Endpoint(node, name)]
        for node in interfaces
        for name in interfaces[node]
    }
    allocator = Allocator(facts.vlan_range, next_vlan(persisted, kept, facts))
    unknown = persisted.unknown if persisted else {}
    document = from_tags(interfaces, kept, allocator.next_vlan, unknown) if there else None
    return Plan(
        lab=facts.lab,
        operation=facts.operation,
        prefix=facts.prefix,
        topology=None,
        document=document,
        persist=document != persisted,
        recovered=len(kept),
        dropped=_dropped(persisted, interfaces),
    )


def _dropped(
    persisted: Allocations | None, interfaces: Mapping[str, tuple[str, ...]]
) -> tuple[Endpoint, ...]:
    """The entries of the document that the new one does not have."""
    if persisted is None:
        return ()
    gone = []
    for node, tags in persisted.allocations.items():
        if persisted.interfaces is not None:
            names = persisted.interfaces[node]
        else:
            names = interfaces.get(node) or tuple(f"eth{number}" for number in range(1, len(tags) + 1))
        gone += [Endpoint(node, name) for name in names if name not in interfaces.get(node, ())]
    return tuple(gone)


class _Reconciler:
    """The rules, for a lab whose desired topology is known."""

    def __init__(
        self, desired: Topology, persisted: Allocations | None, observed: Observed, facts: Facts
    ) -> None:
        self.desired = desired
        self.persisted = persisted
        self.observed = observed
        self.facts = facts
        self.census = Census(desired, observed, facts)
        self.links = Ports(desired, persisted, observed, facts, self.census)
        self.errors: list[LabprovError] = []

    def plan(self) -> Plan:
        """All rules together."""
        self._check_workspace()
        self._check_links()
        raise_all(self.errors, self.facts.lab)
        self._check_foreign()
        self._check_host_ends()
        self._check_keep()
        raise_all(self.errors, self.facts.lab)
        return self._assemble()

    def _check_workspace(self) -> None:
        for node in self.observed.nodes:
            if node.lab == self.facts.lab and node.workspace != self.facts.workspace and self.desired.nodes:
                self.errors.append(
                    OtherWorkspace(
                        f"the lab is deployed from another workspace ({node.workspace or 'unknown'})",
                        lab=self.facts.lab,
                        node=node.node,
                        remedy="Work on it from there, destroy it there, or give this lab another name.",
                    )
                )
                return

    def _check_foreign(self) -> None:
        foreign = {
            (node.provider, node.runtime_name)
            for node in self.observed.nodes
            if node.state == NodeState.FOREIGN
        }
        for spec in self.created:
            if spec.replaces is None and (spec.node.provider, spec.runtime_name) in foreign:
                self.errors.append(
                    ForeignResource(
                        f"{spec.runtime_name} exists already and is not labprov's",
                        lab=self.facts.lab,
                        node=spec.name,
                        remedy="Remove or rename it, or give this lab another --prefix.",
                    )
                )

    def _check_host_ends(self) -> None:
        ours = {
            item.far.name
            for node in mine(self.observed, self.facts)
            for item in node.interfaces
            if isinstance(item.far, HostEnd)
        }
        for port in self.links.plugged:
            if isinstance(port.far, HostEnd) and port.far.name in self.facts.host_interfaces - ours:
                self.errors.append(
                    ForeignResource(
                        f"the host has an interface {port.far.name} already",
                        lab=self.facts.lab,
                        node=port.end.node,
                        interface=port.end.interface,
                        remedy="Choose another name for the host's end.",
                    )
                )

    def _check_keep(self) -> None:
        if self.facts.keep and self.census.reasons:
            listed = "; ".join(f"{name}: {reason}" for name, reason in self.census.reasons.items())
            self.errors.append(
                WouldReplace(
                    f"nodes would be replaced ({listed})",
                    lab=self.facts.lab,
                    remedy="Deploy without --keep, or take the change back.",
                )
            )

    def _check_links(self) -> None:
        for end in self.desired.endpoints:
            try:
                self.links.fars.far(end)
            except LabprovError as error:
                self.errors.append(error)

    @cached_property
    def specs(self) -> Mapping[str, NodeSpec]:
        """Every machine as it shall be made."""
        return {node.name: self._spec(node) for node in self.desired.machines}

    def _spec(self, node: Node) -> NodeSpec:
        definition = identity.definition(node, self.facts.prefix)
        return NodeSpec(
            node=node,
            runtime_name=self.census.names[node.name],
            holder_name=identity.holder_name(self.census.names[node.name]),
            definition=definition,
            labels=identity.labels(
                lab=self.facts.lab,
                node=node.name,
                prefix=self.facts.prefix,
                workspace=self.facts.workspace,
                kind=node.kind,
                definition=definition,
            ),
            ports=tuple(
                self.links.ports[Endpoint(node.name, name)] for name in self.desired.interfaces[node.name]
            ),
            replaces=self.census.staying.get(node.name),
            changed=self.census.changed.get(node.name),
        )

    @cached_property
    def created(self) -> tuple[NodeSpec, ...]:
        """Nodes to make: gone ones, replaced ones, and those whose commands were cut short."""
        return tuple(
            spec
            for name, spec in self.specs.items()
            if self.census.may_touch(name)
            and (name not in self.census.staying or name in self.census.reasons)
        )

    @cached_property
    def started(self) -> tuple[NodeSpec, ...]:
        """Nodes to start: those made, and those that are there and do not run."""
        made = {spec.name for spec in self.created}
        return tuple(
            spec
            for name, spec in self.specs.items()
            if self.census.may_touch(name) and (name in made or self._is_off(self.census.staying[name]))
        )

    def _is_off(self, node: ObservedNode) -> bool:
        """Whether the node has to be started; a paused one only goes on when it is asked for by name."""
        paused = node.state == NodeState.PAUSED and self.facts.touch is not None
        return paused or node.state not in ALIVE

    @cached_property
    def anew(self) -> tuple[str, ...]:
        """Nodes that are started with interfaces made anew (or for the first time): their commands run."""
        saved = self.facts.saved
        due = {name for name, state in saved.commands.items() if state == Commands.DUE} if saved else set()
        names = []
        for spec in self.specs.values():
            node = self.census.staying.get(spec.name)
            fresh = node is None or (bool(spec.ports) and not node.interfaces)
            starting = spec in self.started and fresh
            pending = spec.name in due and self.census.may_touch(spec.name)
            if spec.node.exec and (starting or pending or spec.name in self.census.replugged):
                names.append(spec.name)
        return tuple(names)

    @cached_property
    def document(self) -> Allocations | None:
        """The allocations to keep on disk."""
        if not self.desired.machines:
            return None
        return from_tags(
            self.desired.interfaces,
            self.links.tags.tags,
            self.links.tags.next_vlan,
            self.persisted.unknown if self.persisted else {},
        )

    def _saved(self) -> Saved | None:
        if not self.desired.nodes:
            return None
        old = self.facts.saved
        commands = dict.fromkeys(self.census.robbed - self.census.replugged, Commands.LOST)
        if old is not None and self.facts.touch is not None:
            commands |= {name: state for name, state in old.commands.items() if name not in self.facts.touch}
        commands |= dict.fromkeys(self.anew, Commands.DUE)
        moved = old is not None and old.topology.links != self.desired.links
        previous = old.topology.links if old is not None and moved else ()
        used = {node.provider for node in self.desired.machines if node.provider}
        providers = tuple(sorted(used | set(old.providers if old is not None else ())))
        return Saved(
            topology=self.desired,
            commands=commands,
            providers=providers,
            bridge=self.facts.shared_bridge,
            previous=previous,
        )

    def _forgotten(self) -> tuple[str, ...]:
        """Providers that were asked and that shall have nothing of the lab.

        What was seen of it is no measure: after a reboot its files may be all that is left.
        """
        used = {node.provider for node in self.desired.machines}
        kept = {node.provider for node in self.census.there.values() if node not in self.census.surplus}
        return tuple(sorted(self.facts.asked - used - kept))

    def _assemble(self) -> Plan:
        saved = self._saved()
        prepared = {self.census.provider(spec.name) for spec in self.created}
        prepared |= {
            self.census.provider(port.end.node) for port in (*self.links.parked, *self.links.plugged)
        }
        document = self.document
        return Plan(
            lab=self.facts.lab,
            operation=self.facts.operation,
            prefix=self.facts.prefix,
            topology=self.desired,
            saved=saved,
            document=document,
            persist=saved != self.facts.saved or document != self.persisted,
            prepare=tuple(sorted(name for name in prepared if name)),
            park=tuple(self.links.parked),
            parked_for={port.end: end for port, end in self.links.parked.items()},
            remove=self.census.surplus,
            unplug=self.links.unplugged,
            create=self.created,
            plug=self.links.plugged,
            start=self.started,
            commands=self.anew,
            forget=self._forgotten(),
            providers=self._providers(),
            reasons=self.census.reasons,
            recovered=self.links.tags.kept,
            allocated=self.links.tags.issued,
            dropped=_dropped(self.persisted, self.desired.interfaces),
            warnings=(*self.links.warnings, *self._lost_warnings(), *self._command_warnings()),
        )

    def _lost_warnings(self) -> list[str]:
        return [
            f"{name} lost interfaces while it ran; they are back, their addresses are not: restart it"
            for name in sorted(self.census.robbed - self.census.replugged)
            if self.census.has_lost(self.census.there[name])
        ]

    def _command_warnings(self) -> list[str]:
        """Changed lines are not run on interfaces that stay: whoever changed them has to know."""
        before = self.facts.saved.topology.by_name if self.facts.saved else {}
        changed = [
            name
            for name, spec in self.specs.items()
            if name in before and before[name].exec != spec.node.exec and name not in self.anew
        ]
        if not changed:
            return []
        return [
            f"{', '.join(changed)}: the changed exec lines run when interfaces are next made anew, not now"
        ]

    def _providers(self) -> Mapping[str, str]:
        return {node.name: node.provider for node in self.desired.machines if node.provider}
