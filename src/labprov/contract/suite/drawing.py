"""A lab as the model draws it, and the rule of tags in the model's own words.

Written apart from labprov's own code on purpose: it knows the documented rule, and nothing of how labprov
keeps it. Interfaces are written ``node:interface``; nodes that begin with ``sw`` are segments.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from attrs import evolve, field, frozen

Wire = tuple[str, ...]


def node_of(end: str) -> str:
    """The node that has the interface *end*."""
    return end.partition(":")[0]


def is_segment(node: str) -> bool:
    """Whether *node* is a segment that many interfaces share."""
    return node.startswith("sw")


@frozen
class Drawing:
    """Nodes, links in their order (the first end first), and interfaces that are there without a link.

    :param changed: nodes whose definition is the other one (see ``Harness.changed``).
    """

    nodes: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    spare: frozenset[str] = frozenset()
    changed: frozenset[str] = field(default=frozenset())

    @cached_property
    def wires(self) -> tuple[Wire, ...]:
        """The sets of interfaces that hear each other; one without a link is a set of its own."""
        found: dict[object, list[str]] = {}
        for link in self.links:
            segments = [node_of(end) for end in link if is_segment(node_of(end))]
            ends = [end for end in link if not is_segment(node_of(end))]
            found.setdefault(segments[0] if segments else link, []).extend(ends)
        linked = {end for ends in found.values() for end in ends}
        return (*map(tuple, found.values()), *((end,) for end in sorted(self.spare - linked)))

    @cached_property
    def wire_of(self) -> Mapping[str, Wire]:
        """The wire of each interface."""
        return {end: wire for wire in self.wires for end in wire}

    @cached_property
    def ends(self) -> frozenset[str]:
        """Every data interface."""
        return frozenset(self.wire_of)

    @cached_property
    def linked(self) -> frozenset[str]:
        """Every end of a link, those of segments too."""
        return frozenset(end for link in self.links for end in link)

    def ends_at(self, nodes: Collection[str]) -> frozenset[str]:
        """The interfaces of *nodes*."""
        return frozenset(end for end in self.ends if node_of(end) in nodes)

    def reached_from(self, nodes: Collection[str]) -> frozenset[str]:
        """The interfaces of *nodes* and all that share a wire with one of them."""
        return frozenset(other for end in self.ends_at(nodes) for other in self.wire_of[end])

    # -- changes ------------------------------------------------------------------------------------------

    def with_node(self, node: str, spare: Collection[str]) -> Drawing:
        """This with one more node, and interfaces of its."""
        return evolve(self, nodes=(*self.nodes, node), spare=self.spare | set(spare))

    def without_node(self, node: str) -> Drawing:
        """This without the node and its links; the other ends go as well."""
        return evolve(
            self,
            nodes=tuple(name for name in self.nodes if name != node),
            links=tuple(link for link in self.links if node not in map(node_of, link)),
            spare=frozenset(end for end in self.spare if node_of(end) != node),
            changed=self.changed - {node},
        )

    def with_link(self, a: str, b: str) -> Drawing:
        """This with one more link."""
        return evolve(self, links=(*self.links, (a, b)))

    def without_link(self, link: tuple[str, str], *, ends_stay: bool) -> Drawing:
        """This without the link; its ends stay as interfaces without one, or go."""
        ends = {end for end in link if not is_segment(node_of(end))} if ends_stay else set()
        return evolve(self, links=tuple(item for item in self.links if item != link), spare=self.spare | ends)

    def with_other_definition(self, node: str) -> Drawing:
        """This with the node's definition the other one of two."""
        return evolve(self, changed=self.changed ^ {node})


def kept_tags(old: Drawing, new: Drawing, tags: Mapping[str, int]) -> dict[str, int]:
    """The tags that must not move when *old* becomes *new*.

    Of the ends that leave a wire the first that is still there keeps the tag, with those that it stays
    together with. Where ends are joined, all have the tag of the first that has one.

    :param tags: the tags before, as far as they are certain.
    :returns: the tag of each interface that must have that very one.
    """
    holding: dict[str, int] = {}
    for wire in old.wires:
        here = [end for end in wire if end in tags and end in new.ends]
        if here:
            together = new.wire_of[here[0]]
            holding.update({end: tags[end] for end in here if end in together})
    kept: dict[str, int] = {}
    for wire in new.wires:
        tag = next((holding[end] for end in wire if end in holding), None)
        if tag is not None:
            kept.update(dict.fromkeys(wire, tag))
    return kept
