"""Which ports there shall be, with which tags, and which of them are not so yet. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from attrs import evolve

from labprov import identity
from labprov.allocation import Allocator
from labprov.census import Census
from labprov.engine import DEFAULT_MTU, Alone, Far, Observed, Peer, Port
from labprov.facts import Facts, mine
from labprov.far import Fars
from labprov.model import Allocations, Endpoint, Topology
from labprov.tags import Tags, decide


def next_vlan(persisted: Allocations | None, kept: Mapping[Endpoint, int], facts: Facts) -> int | None:
    """Where the search goes on; after a rebuild, one after the highest tag found."""
    if persisted is not None:
        return persisted.next_vlan
    if not kept:
        return None
    return Allocator(facts.vlan_range).after(max(kept.values()))


class Ports:
    """The data interfaces of one lab: desired beside observed."""

    def __init__(
        self,
        desired: Topology,
        persisted: Allocations | None,
        observed: Observed,
        facts: Facts,
        census: Census,
    ) -> None:
        self._desired = desired
        self._persisted = persisted
        self._observed = observed
        self._facts = facts
        self._census = census
        self.warnings: list[str] = []

    @cached_property
    def fars(self) -> Fars:
        """The rule of the far side."""
        return Fars(self._desired, self._facts)

    @cached_property
    def tags(self) -> Tags:
        """Every desired interface's tag."""
        kept = dict(self._facts.kept)
        for end, tag in self._facts.kept.items():
            if tag in self._facts.foreign_tags | self._facts.reserved:
                del kept[end]
                whose = "carried by a foreign port" if tag in self._facts.foreign_tags else "another lab's"
                self.warnings.append(f"{end}: tag {tag} is {whose} now, so it gets another")
        # no tag is issued again while a port of this lab still carries it
        carried = {
            item.tag for node in mine(self._observed, self._facts) for item in node.interfaces if item.tag
        }
        taken = self._facts.reserved | self._facts.foreign_tags | carried | set(kept.values())
        allocator = Allocator(self._facts.vlan_range, next_vlan(self._persisted, kept, self._facts), taken)
        before = self._facts.saved.topologies() if self._facts.saved else (self._desired,)
        return decide(self._desired, before, kept, allocator)

    @cached_property
    def ports(self) -> Mapping[Endpoint, Port]:
        """Every desired port, as it shall be when all is done."""
        macs = identity.macs(self._desired)
        ports = {}
        for names in self._desired.interfaces.items():
            for index, name in enumerate(names[1]):
                end = Endpoint(names[0], name)
                link = self._desired.link_at.get(end)
                ports[end] = Port(
                    end=end,
                    index=index,
                    mac=macs[end],
                    tag=self.tags.tags[end],
                    far=self._reachable(self.fars.far(end)),
                    mtu=(link.mtu if link else None) or DEFAULT_MTU,
                    device=identity.device_name(self._facts.workspace, self._facts.lab, end),
                )
        return ports

    def _reachable(self, far: Far) -> Far:
        """*far*, or :class:`Alone` while the peer's node isn't there and will not be made now."""
        if isinstance(far, Peer) and far.end.node not in self._census.present:
            return Alone()
        return far

    @cached_property
    def plugged(self) -> tuple[Port, ...]:
        """Ports that are not yet as they shall be; both ends of a wire where one isn't."""
        wrong = {
            end for end, port in self.ports.items() if end.node in self._census.present and not self._is(port)
        }
        for end in tuple(wrong):
            far = self.ports[end].far
            if isinstance(far, Peer):
                wrong.add(far.end)
        self._warn_of_other_tags()
        return tuple(port for end, port in self.ports.items() if end in wrong)

    def _warn_of_other_tags(self) -> None:
        """The document decides; that an engine had another tag is worth a word."""
        for end, port in self.ports.items():
            node = self._census.staying.get(end.node)
            seen = node.interface(end.interface) if node else None
            if (
                seen is not None
                and seen.tag not in (None, port.tag)
                and self._facts.kept.get(end) == port.tag
            ):
                self.warnings.append(f"{end} carries tag {seen.tag}, and is put back to {port.tag}")

    def _is(self, port: Port) -> bool:
        node = None if port.end.node in self._census.replugged else self._census.staying.get(port.end.node)
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
            for name, node in self._census.staying.items()
            for item in node.interfaces
            if Endpoint(name, item.name) not in self.ports or name in self._census.replugged
        )

    @cached_property
    def parked(self) -> Mapping[Port, Endpoint]:
        """Ports of nodes that stay, whose peer (or its whole node) goes away now, each with that peer."""
        going = {node.node for node in self._census.surplus}
        pulled = {end for _, end in self.unplugged}
        parked: dict[Port, Endpoint] = {}
        for name, node in self._census.staying.items():
            for item in node.interfaces:
                port = self.ports.get(Endpoint(name, item.name))
                if port is None or not isinstance(item.far, Peer) or port.end in pulled:
                    continue
                if item.far.end.node in going or item.far.end in pulled:
                    parked[evolve(port, far=Alone())] = item.far.end
        return parked
