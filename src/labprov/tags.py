"""Which tag each interface gets: what is kept, what is freed, what is issued. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from attrs import frozen

from labprov.allocation import Allocator, by_endpoint, wires
from labprov.errors import TagsExhausted
from labprov.hookspecs import hookimpl
from labprov.model import Allocations, Endpoint, Topology, natural


@frozen
class Tags:
    """The decision.

    :param tags: one for every data interface of the topology.
    :param kept: how many interfaces keep the tag they had.
    :param issued: how many tags were issued.
    """

    tags: Mapping[Endpoint, int]
    next_vlan: int
    kept: int
    issued: int


def decide(
    topology: Topology, before: Collection[Topology], held: Mapping[Endpoint, int], allocator: Allocator
) -> Tags:
    """Give every data interface of *topology* its tag.

    Where ends have parted, the first of them (in the order of *before*) keeps the tag. Where ends are
    joined, all get the tag of the first that has one. Whoever has none then gets a new one, in the order of
    issue (see :func:`labprov.allocation.wires`).

    :param before: the topologies that *held* may come from.
    :param held: the tags of before, already without what may not be kept.
    :raises TagsExhausted: there are not enough tags; names the lab.
    """
    groups = wires(topology)
    remaining = _part(groups, before, held)
    tags: dict[Endpoint, int] = {}
    issued = 0
    for ends in groups:
        tag = next((remaining[end] for end in ends if end in remaining), None)
        if tag is not None:
            tags.update(dict.fromkeys(ends, tag))
    for ends in groups:
        if ends and ends[0] not in tags:
            tags.update(dict.fromkeys(ends, _issue(allocator, topology.name)))
            issued += 1
    kept = sum(1 for end, tag in tags.items() if held.get(end) == tag)
    return Tags(tags, allocator.next_vlan, kept, issued)


def _issue(allocator: Allocator, lab: str) -> int:
    try:
        return allocator.issue()
    except TagsExhausted as error:
        error.lab = lab
        raise


def _part(
    groups: Sequence[tuple[Endpoint, ...]], before: Collection[Topology], held: Mapping[Endpoint, int]
) -> dict[Endpoint, int]:
    """*held*, without the tags of those that part from the first holder of theirs."""
    group_of = {end: index for index, ends in enumerate(groups) for end in ends}
    rank = {
        end: place for place, end in enumerate(end for past in before for ends in wires(past) for end in ends)
    }
    holders: defaultdict[int, list[Endpoint]] = defaultdict(list)
    for end, tag in held.items():
        if end in group_of:
            holders[tag].append(end)
    remaining: dict[Endpoint, int] = {}
    for tag, ends in holders.items():
        first = min(ends, key=lambda end: (rank.get(end, len(rank)), natural(str(end))))
        remaining.update({end: tag for end in ends if group_of[end] == group_of[first]})
    return remaining


class Recovery:
    """labprov's own rule of what a recovery keeps: the document decides, the engine fills what it lacks."""

    @hookimpl
    def labprov_recover_allocations(
        self,
        persisted: Allocations | None,
        topology: Topology | None,
        existing: frozenset[str],
        captured: Mapping[Endpoint, int],
    ) -> Mapping[Endpoint, int]:
        """Keep what is wanted; where that is unknown, keep what exists."""
        known = dict(captured)
        if persisted is not None:
            known.update(by_endpoint(persisted))
        if topology is None:
            return {end: tag for end, tag in known.items() if end.node in existing}
        wanted = set(topology.endpoints)
        return {end: tag for end, tag in known.items() if end in wanted}
