"""The one function that decides: desired x persisted x observed -> Plan. Pure, no I/O.

Deploy, recover, connect, start and destroy all ask it; the rules of section "Desired decides" stand here
and nowhere else. A helper class holds what the rules share; every rule is a method named after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from attrs import evolve

from labprov import identity
from labprov.allocation import Allocator, from_tags
from labprov.engine import (
    Alone,
    Far,
    HostEnd,
    NodeSpec,
    NodeState,
    Observed,
    ObservedNode,
    Peer,
    Port,
)
from labprov.errors import (
    ForeignResource,
    LabprovError,
    OtherWorkspace,
    WouldReplace,
)
from labprov.facts import Facts, mine
from labprov.far import Fars
from labprov.model import Allocations, Endpoint, Node, Topology
from labprov.plan import Plan
from labprov.saved import Commands, Saved
from labprov.tags import Tags, decide

ALIVE = frozenset({NodeState.RUNNING, NodeState.STARTING, NodeState.PAUSED, NodeState.UNKNOWN})
"""States in which a node is left alone; every other one is started."""


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
    allocator = Allocator(facts.vlan_range, _next_vlan(persisted, kept, facts))
    unknown = persisted.unknown if persisted else {}
    document = from_tags(interfaces, kept, allocator.next_vlan, unknown) if there else None
    return Plan(
        lab=facts.lab,
        operation=facts.operation,
        topology=None,
        document=document,
        persist=document != persisted,
        recovered=len(kept),
        dropped=_dropped(persisted, interfaces),
    )


def _next_vlan(persisted: Allocations | None, kept: Mapping[Endpoint, int], facts: Facts) -> int | None:
    """Where the search goes on; after a rebuild, one after the highest tag found."""
    if persisted is not None:
        return persisted.next_vlan
    if not kept:
        return None
    return Allocator(facts.vlan_range).after(max(kept.values()))


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
        self.errors: list[LabprovError] = []
        self.warnings: list[str] = []

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

    # -- who is there -------------------------------------------------------------------------------------

    @cached_property
    def there(self) -> Mapping[str, ObservedNode]:
        """The node that lives under each name: the one on the wanted provider, where two do."""
        found: dict[str, ObservedNode] = {}
        for node in mine(self.observed, self.facts):
            if node.node not in found or node.provider == self._provider(node.node):
                found[node.node] = node
        return found

    @cached_property
    def surplus(self) -> tuple[ObservedNode, ...]:
        """Nodes to remove: not desired, or desired on another provider."""
        return tuple(
            node
            for node in mine(self.observed, self.facts)
            if self._may_touch(node.node) and node.provider != self._provider(node.node)
        )

    @cached_property
    def staying(self) -> Mapping[str, ObservedNode]:
        """Nodes whose place (and so whose ports) stays, replaced in place or not."""
        return {
            name: node
            for name, node in self.there.items()
            if self.desired.is_machine(name)
            and node not in self.surplus
            and name not in self._from_the_ground
        }

    @cached_property
    def _from_the_ground(self) -> frozenset[str]:
        """Nodes that are there and are removed and made again, so that their commands meet fresh interfaces.

        Those whose commands were begun by a process that died, and those that lost an interface and are to
        be started now.
        """
        states = self.facts.saved.commands if self.facts.saved else {}
        begun = {name for name, state in states.items() if state == Commands.BEGUN}
        starting = {name for name in self._robbed if self.there[name].state not in ALIVE}
        return frozenset(name for name in begun | starting if self._may_touch(name) and name in self.there)

    @cached_property
    def _robbed(self) -> frozenset[str]:
        """Nodes with commands, of whose interfaces some are gone: they went with a peer's namespace."""
        if self.facts.saved is None:
            return frozenset()
        noted = {name for name, state in self.facts.saved.commands.items() if state == Commands.LOST}
        return frozenset(
            name
            for name, node in self.there.items()
            if self.desired.is_machine(name) and self.desired.by_name[name].exec and node.interfaces
            if name in noted or self._has_lost(node)
        )

    def _has_lost(self, node: ObservedNode) -> bool:
        assert self.facts.saved is not None
        before = self.facts.saved.topology.interfaces.get(node.node, ())
        wanted = self.desired.interfaces[node.node]
        return any(name in wanted and node.interface(name) is None for name in before)

    def _provider(self, name: str) -> str | None:
        node = self.desired.by_name.get(name)
        return node.provider if node is not None and node.is_machine else None

    def _may_touch(self, name: str) -> bool:
        return self.facts.touch is None or name in self.facts.touch

    # -- what must not be ---------------------------------------------------------------------------------

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
        foreign = {node.runtime_name for node in self.observed.nodes if node.state == NodeState.FOREIGN}
        for spec in self.created:
            if spec.replaces is None and spec.runtime_name in foreign:
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
        for port in self.plugged:
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
        if self.facts.keep and self.reasons:
            listed = "; ".join(f"{name}: {reason}" for name, reason in self.reasons.items())
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
                self.fars.far(end)
            except LabprovError as error:
                self.errors.append(error)

    # -- links --------------------------------------------------------------------------------------------

    @cached_property
    def fars(self) -> Fars:
        """The rule of the far side."""
        return Fars(self.desired, self.facts)

    @cached_property
    def tags(self) -> Tags:
        """Every desired interface's tag."""
        kept = dict(self.facts.kept)
        for end, tag in self.facts.kept.items():
            if tag in self.facts.foreign_tags:
                del kept[end]
                self.warnings.append(f"{end}: tag {tag} is carried by a foreign port now, so it gets another")
        # no tag is issued again while a port of this lab still carries it
        carried = {
            item.tag for node in mine(self.observed, self.facts) for item in node.interfaces if item.tag
        }
        taken = self.facts.reserved | self.facts.foreign_tags | carried | set(kept.values())
        allocator = Allocator(self.facts.vlan_range, _next_vlan(self.persisted, kept, self.facts), taken)
        before = self.facts.saved.topologies() if self.facts.saved else (self.desired,)
        return decide(self.desired, before, kept, allocator)

    @cached_property
    def ports(self) -> Mapping[Endpoint, Port]:
        """Every desired port, as it shall be when all is done."""
        macs = identity.macs(self.desired)
        ports = {}
        for names in self.desired.interfaces.items():
            for index, name in enumerate(names[1]):
                end = Endpoint(names[0], name)
                link = self.desired.link_at.get(end)
                ports[end] = Port(
                    end=end,
                    index=index,
                    mac=macs[end],
                    tag=self.tags.tags[end],
                    far=self._reachable(self.fars.far(end)),
                    mtu=link.mtu if link else None,
                )
        return ports

    def _reachable(self, far: Far) -> Far:
        """*far*, or :class:`Alone` while the peer's node isn't there and will not be made now."""
        if isinstance(far, Peer) and far.end.node not in self.present:
            return Alone()
        return far

    @cached_property
    def present(self) -> frozenset[str]:
        """The machines that are there when the plan is done."""
        touched = {node.name for node in self.desired.machines if self._may_touch(node.name)}
        return frozenset(touched | set(self.staying))

    # -- nodes --------------------------------------------------------------------------------------------

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The runtime name of each machine: the one it has, or a new one that nobody of ours holds."""
        taken = {
            node.runtime_name: identity.Owner(node.prefix, node.lab, node.node)
            for node in self.observed.nodes
            if node.state != NodeState.FOREIGN
        }
        names = {}
        for node in self.desired.machines:
            there = self.there.get(node.name)
            if there is not None and there.prefix == self.facts.prefix and there not in self.surplus:
                names[node.name] = there.runtime_name
            else:
                names[node.name] = identity.runtime_name(self.facts.prefix, self.facts.lab, node.name, taken)
            taken[names[node.name]] = identity.Owner(self.facts.prefix, self.facts.lab, node.name)
        return names

    @cached_property
    def specs(self) -> Mapping[str, NodeSpec]:
        """Every machine as it shall be made."""
        return {node.name: self._spec(node) for node in self.desired.machines}

    def _spec(self, node: Node) -> NodeSpec:
        definition = identity.definition(node, self.facts.prefix)
        return NodeSpec(
            node=node,
            runtime_name=self.names[node.name],
            definition=definition,
            labels=identity.labels(
                lab=self.facts.lab,
                node=node.name,
                prefix=self.facts.prefix,
                workspace=self.facts.workspace,
                kind=node.kind,
                definition=definition,
            ),
            ports=tuple(self.ports[Endpoint(node.name, name)] for name in self.desired.interfaces[node.name]),
            replaces=self.staying.get(node.name),
        )

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        """Why each node that is there has to be made anew or replaced in place."""
        reasons = {}
        for node in self.desired.machines:
            there = self.there.get(node.name)
            if there is not None and self._may_touch(node.name):
                reason = self._reason(node, there)
                if reason:
                    reasons[node.name] = reason
        return reasons

    def _reason(self, node: Node, there: ObservedNode) -> str | None:
        if there.provider != node.provider:
            return f"provider changed from {there.provider} to {node.provider}"
        if self.facts.reconfigure:
            return "asked for"
        if there.definition == identity.definition(node, self.facts.prefix):
            return None
        if there.prefix != self.facts.prefix:
            return f"prefix changed from {there.prefix!r} to {self.facts.prefix!r}"
        old = self.facts.saved.topology.by_name.get(node.name) if self.facts.saved else None
        changed = identity.changed_keys(old, node) if old is not None else ()
        return f"{', '.join(changed)} changed" if changed else "its definition changed"

    @cached_property
    def created(self) -> tuple[NodeSpec, ...]:
        """Nodes to make: gone ones, replaced ones, and those whose commands were cut short."""
        return tuple(
            spec
            for name, spec in self.specs.items()
            if self._may_touch(name) and (name not in self.staying or name in self.reasons)
        )

    @cached_property
    def started(self) -> tuple[NodeSpec, ...]:
        """Nodes to start: those made, and those that are there and do not run."""
        made = {spec.name for spec in self.created}
        return tuple(
            spec
            for name, spec in self.specs.items()
            if self._may_touch(name) and (name in made or self.staying[name].state not in ALIVE)
        )

    @cached_property
    def removed(self) -> tuple[ObservedNode, ...]:
        """Nodes to remove: surplus ones, and those to be made anew from the ground."""
        anew = (self.there[name] for name in sorted(self._from_the_ground) if self.desired.is_machine(name))
        return (*self.surplus, *(node for node in anew if node not in self.surplus))

    @cached_property
    def plugged(self) -> tuple[Port, ...]:
        """Ports that are not yet as they shall be; both ends of a wire where one isn't."""
        wrong = {end for end, port in self.ports.items() if end.node in self.present and not self._is(port)}
        for end in tuple(wrong):
            far = self.ports[end].far
            if isinstance(far, Peer):
                wrong.add(far.end)
        return tuple(port for end, port in self.ports.items() if end in wrong)

    def _is(self, port: Port) -> bool:
        node = self.staying.get(port.end.node)
        seen = node.interface(port.end.interface) if node else None
        return seen is not None and (seen.mac, seen.tag, seen.far, seen.mtu) == (
            port.mac,
            port.tag,
            port.far,
            port.mtu,
        )

    @cached_property
    def unplugged(self) -> tuple[tuple[str, Endpoint], ...]:
        """Interfaces that nodes which stay have and should not have."""
        return tuple(
            (node.provider, Endpoint(name, item.name))
            for name, node in self.staying.items()
            for item in node.interfaces
            if Endpoint(name, item.name) not in self.ports
        )

    @cached_property
    def parked(self) -> tuple[Port, ...]:
        """Ports of nodes that stay, whose peer (or its whole node) goes away now."""
        going = {node.node for node in self.removed}
        pulled = {end for _, end in self.unplugged}
        parked = []
        for name, node in self.staying.items():
            for item in node.interfaces:
                port = self.ports.get(Endpoint(name, item.name))
                if port is None or not isinstance(item.far, Peer):
                    continue
                if item.far.end.node in going or item.far.end in pulled:
                    parked.append(evolve(port, far=Alone()))
        return tuple(parked)

    # -- the whole ----------------------------------------------------------------------------------------

    @cached_property
    def anew(self) -> tuple[str, ...]:
        """Nodes that are started with interfaces made anew (or for the first time): their commands run."""
        saved = self.facts.saved
        due = {name for name, state in saved.commands.items() if state == Commands.DUE} if saved else set()
        names = []
        for spec in self.specs.values():
            node = self.staying.get(spec.name)
            fresh = node is None or (bool(spec.ports) and not node.interfaces)
            starting = spec in self.started and fresh
            pending = spec.name in due and self._may_touch(spec.name)
            if spec.node.exec and (starting or pending):
                names.append(spec.name)
        return tuple(names)

    @cached_property
    def document(self) -> Allocations | None:
        """The allocations to keep on disk."""
        if not self.desired.machines:
            return None
        return from_tags(
            self.desired.interfaces,
            self.tags.tags,
            self.tags.next_vlan,
            self.persisted.unknown if self.persisted else {},
        )

    def _saved(self) -> Saved | None:
        if not self.desired.nodes:
            return None
        old = self.facts.saved
        commands = dict.fromkeys(self._robbed - self._from_the_ground, Commands.LOST)
        if old is not None and self.facts.touch is not None:
            commands |= {name: state for name, state in old.commands.items() if name not in self.facts.touch}
        commands |= dict.fromkeys(self.anew, Commands.DUE)
        moved = old is not None and old.topology.links != self.desired.links
        previous = old.topology.links if old is not None and moved else ()
        return Saved(topology=self.desired, commands=commands, previous=previous)

    def _forgotten(self) -> tuple[str, ...]:
        """Providers of which the lab has nothing left."""
        used = {node.provider for node in self.desired.machines}
        seen = {node.provider for node in mine(self.observed, self.facts)}
        seen |= {
            item.provider
            for item in self.observed.resources
            if (item.lab, item.workspace) == (self.facts.lab, self.facts.workspace)
        }
        return tuple(sorted(seen - used))

    def _assemble(self) -> Plan:
        saved = self._saved()
        prepared = {self._provider(spec.name) for spec in self.created}
        prepared |= {self._provider(port.end.node) for port in (*self.parked, *self.plugged)}
        document = self.document
        return Plan(
            lab=self.facts.lab,
            operation=self.facts.operation,
            topology=self.desired,
            saved=saved,
            document=document,
            persist=saved != self.facts.saved or document != self.persisted,
            prepare=tuple(sorted(name for name in prepared if name)),
            park=self.parked,
            remove=self.removed,
            unplug=self.unplugged,
            create=self.created,
            plug=self.plugged,
            start=self.started,
            commands=self.anew,
            forget=self._forgotten(),
            providers=self._providers(),
            reasons=self.reasons,
            recovered=self.tags.kept,
            allocated=self.tags.issued,
            dropped=_dropped(self.persisted, self.desired.interfaces),
            warnings=(*self.warnings, *self._lost_warnings()),
        )

    def _lost_warnings(self) -> list[str]:
        return [
            f"{name} lost interfaces while it ran; they are back, what its exec lines had set on them is not: "
            "restart it"
            for name in sorted(self._robbed - self._from_the_ground)
            if self._has_lost(self.there[name])
        ]

    def _providers(self) -> Mapping[str, str]:
        return {node.name: node.provider for node in self.desired.machines if node.provider}
