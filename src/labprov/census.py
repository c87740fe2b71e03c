"""Which nodes stay, which go, which are made: the rules about nodes, one property each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from labprov import identity
from labprov.engine import NodeState, Observed, ObservedNode
from labprov.facts import Facts, mine
from labprov.model import Node, Topology
from labprov.saved import Commands

ALIVE = frozenset({NodeState.RUNNING, NodeState.STARTING, NodeState.PAUSED, NodeState.UNKNOWN})
"""States in which a node is left alone; every other one is started."""


class Census:
    """The nodes of one lab: desired beside observed."""

    def __init__(self, desired: Topology, observed: Observed, facts: Facts) -> None:
        self._desired = desired
        self._observed = observed
        self._facts = facts

    @cached_property
    def there(self) -> Mapping[str, ObservedNode]:
        """The node that lives under each name: the one on the wanted provider, where two do."""
        found: dict[str, ObservedNode] = {}
        for node in mine(self._observed, self._facts):
            if node.node not in found or node.provider == self.provider(node.node):
                found[node.node] = node
        return found

    @cached_property
    def surplus(self) -> tuple[ObservedNode, ...]:
        """Nodes to remove: not desired, or desired on another provider or under another prefix."""
        return tuple(
            node
            for node in mine(self._observed, self._facts)
            if self.may_touch(node.node)
            if node.provider != self.provider(node.node) or node.prefix != self._facts.prefix
        )

    @cached_property
    def staying(self) -> Mapping[str, ObservedNode]:
        """Nodes whose place (and so whose ports) stays, replaced in place or not."""
        return {
            name: node
            for name, node in self.there.items()
            if self._desired.is_machine(name) and node not in self.surplus
        }

    @cached_property
    def replugged(self) -> frozenset[str]:
        """Nodes that stay and whose ports are made anew, so that their commands meet fresh interfaces.

        Those whose commands were begun by a process that died, and those that lost an interface and are to
        be started now.
        """
        states = self._facts.saved.commands if self._facts.saved else {}
        begun = {name for name, state in states.items() if state == Commands.BEGUN}
        starting = {name for name in self.robbed if self.there[name].state not in ALIVE}
        return frozenset(name for name in begun | starting if self.may_touch(name) and name in self.staying)

    @cached_property
    def robbed(self) -> frozenset[str]:
        """Nodes with commands, of whose interfaces some are gone: they went with a peer's namespace."""
        if self._facts.saved is None:
            return frozenset()
        noted = {name for name, state in self._facts.saved.commands.items() if state == Commands.LOST}
        return frozenset(
            name
            for name, node in self.there.items()
            if self._desired.is_machine(name) and self._desired.by_name[name].exec
            if name in noted or self.has_lost(node)
        )

    def has_lost(self, node: ObservedNode) -> bool:
        """Whether an interface that the node had, and shall have, is not there now."""
        assert self._facts.saved is not None
        before = self._facts.saved.topology.interfaces.get(node.node, ())
        wanted = self._desired.interfaces[node.node]
        return any(name in wanted and node.interface(name) is None for name in before)

    def provider(self, name: str) -> str | None:
        """The provider that the machine *name* shall have; None for what is no machine, or not desired."""
        node = self._desired.by_name.get(name)
        return node.provider if node is not None and node.is_machine else None

    def may_touch(self, name: str) -> bool:
        """Whether the node may be made, replaced, started or removed in this operation."""
        return self._facts.touch is None or name in self._facts.touch

    @cached_property
    def present(self) -> frozenset[str]:
        """The machines that are there when the plan is done."""
        touched = {node.name for node in self._desired.machines if self.may_touch(node.name)}
        return frozenset(touched | set(self.staying))

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The runtime name of each machine: the one it has, or a new one that nobody of ours holds."""
        taken = {
            node.runtime_name: identity.Owner(node.prefix, node.lab, node.node)
            for node in self._observed.nodes
            if node.state != NodeState.FOREIGN
        }
        names = {}
        for node in self._desired.machines:
            there = self.there.get(node.name)
            if there is not None and there.prefix == self._facts.prefix and there not in self.surplus:
                names[node.name] = there.runtime_name
            else:
                names[node.name] = identity.runtime_name(
                    self._facts.prefix, self._facts.lab, node.name, taken
                )
            taken[names[node.name]] = identity.Owner(self._facts.prefix, self._facts.lab, node.name)
        return names

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        """Why each node that is there has to be made anew or replaced in place."""
        reasons = {}
        for node in self._desired.machines:
            there = self.there.get(node.name)
            if there is not None and self.may_touch(node.name):
                reason = self._reason(node, there)
                if reason:
                    reasons[node.name] = reason
        return reasons

    def _reason(self, node: Node, there: ObservedNode) -> str | None:
        if there.provider != node.provider:
            return f"provider changed from {there.provider} to {node.provider}"
        if self._facts.reconfigure:
            return "asked for"
        if there.definition == identity.definition(node, self._facts.prefix):
            return None
        if there.prefix != self._facts.prefix:
            return f"prefix changed from {there.prefix!r} to {self._facts.prefix!r}"
        changed = self.changed.get(node.name)
        return f"{', '.join(sorted(changed))} changed" if changed else "its definition changed"

    @cached_property
    def changed(self) -> Mapping[str, frozenset[str]]:
        """What differs from the saved topology, by node; a node of which nothing is saved is not in it."""
        if self._facts.saved is None:
            return {}
        before = self._facts.saved.topology.by_name
        return {
            node.name: frozenset(identity.changed_keys(before[node.name], node))
            for node in self._desired.machines
            if node.name in before and node.name in self.there
        }
