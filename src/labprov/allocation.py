"""The allocation document: its layout, its checks, the allocator of tags, and the default JSON store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from labprov import documents
from labprov.errors import DocumentCorrupt, TagsExhausted
from labprov.hookspecs import hookimpl
from labprov.model import Allocations, Endpoint, Topology, natural
from labprov.workspace import Workspace, read_if_there, remove_if_there, write_atomically

LOWEST_TAG, HIGHEST_TAG = 1, 4094
KNOWN_KEYS = ("allocations", "next_vlan", "interfaces")


@frozen
class _Layout:
    """What the document must hold; keys beside these survive unread."""

    allocations: dict[str, list[int]]
    next_vlan: int
    interfaces: dict[str, list[str]] = field(factory=dict)


def render(document: Allocations) -> bytes:
    """The document's bytes: the same for the same content, on every provider.

    Two spaces; keys in the order allocations, next_vlan, interfaces, then the unknown ones; nodes sorted.
    """
    value: dict[str, Any] = {
        "allocations": {node: list(document.allocations[node]) for node in sorted(document.allocations)},
        "next_vlan": document.next_vlan,
    }
    if document.interfaces is not None:
        value["interfaces"] = {node: list(document.interfaces[node]) for node in sorted(document.interfaces)}
    value.update(document.unknown)
    return json.dumps(value, indent=2).encode() + b"\n"


def parse(content: bytes, path: Path) -> Allocations:
    """The document that *content* is.

    :param path: where it came from, for the error.
    :raises DocumentCorrupt: it is no JSON, has wrong types, a tag outside 1 to 4094, the same tag twice at
        one node's positions joined by nothing, or names that don't fit the positions.
    """
    value = documents.parse(content, path)
    if not isinstance(value, dict):
        raise DocumentCorrupt(f"{path} holds no object", path=path)
    known = {key: value[key] for key in KNOWN_KEYS if key in value}
    layout = documents.structure(known, _Layout, path)
    _check_tags(layout, path)
    if "interfaces" in value:
        _check_names(layout, path)
    return Allocations(
        allocations={node: tuple(tags) for node, tags in layout.allocations.items()},
        next_vlan=layout.next_vlan,
        interfaces={node: tuple(names) for node, names in layout.interfaces.items()}
        if "interfaces" in value
        else None,
        unknown={key: item for key, item in value.items() if key not in KNOWN_KEYS},
    )


def _check_tags(layout: _Layout, path: Path) -> None:
    for node, tags in layout.allocations.items():
        for tag in tags:
            if not LOWEST_TAG <= tag <= HIGHEST_TAG:
                raise DocumentCorrupt(f"{path} has {tag}, which is no VLAN tag", node=node, path=path)


def _check_names(layout: _Layout, path: Path) -> None:
    for node in layout.allocations.keys() | layout.interfaces.keys():
        tags = layout.allocations.get(node, [])
        names = layout.interfaces.get(node, [])
        if len(tags) != len(names) or len(set(names)) != len(names):
            raise DocumentCorrupt(
                f"{path} has {len(tags)} tags for {len(set(names))} interfaces", node=node, path=path
            )


def by_endpoint(document: Allocations) -> dict[Endpoint, int]:
    """The tags by interface; a document without names has eth1, eth2 and so on (see :func:`named`)."""
    names = named(document, ()).interfaces or {}
    return {
        Endpoint(node, name): tag
        for node, tags in document.allocations.items()
        for name, tag in zip(names[node], tags, strict=True)
    }


def named(document: Allocations, topologies: Collection[Topology]) -> Allocations:
    """The document with a name for each position.

    :param topologies: they name the positions of a document that doesn't, the first that knows the node.
    """
    if document.interfaces is not None:
        return document
    names: dict[str, tuple[str, ...]] = {}
    for node, tags in document.allocations.items():
        knowing = (known.interfaces[node] for known in topologies if node in known.interfaces)
        default = tuple(f"eth{number}" for number in range(1, len(tags) + 1))
        names[node] = next(knowing, default)[: len(tags)]
    allocations = {node: tags[: len(names[node])] for node, tags in document.allocations.items()}
    return evolve(document, allocations=allocations, interfaces=names)


def from_tags(
    interfaces: Mapping[str, Collection[str]],
    tags: Mapping[Endpoint, int],
    next_vlan: int,
    unknown: Mapping[str, Any] | None = None,
) -> Allocations:
    """The document that says *tags*.

    :param interfaces: the interfaces of every node that has an entry.
    """
    ordered = {node: tuple(sorted(interfaces[node], key=natural)) for node in sorted(interfaces)}
    return Allocations(
        allocations={
            node: tuple(tags[Endpoint(node, name)] for name in names) for node, names in ordered.items()
        },
        next_vlan=next_vlan,
        interfaces=ordered,
        unknown=unknown or {},
    )


def wires(topology: Topology) -> list[tuple[Endpoint, ...]]:
    """The sets of data interfaces that share a tag, in the order in which tags are issued.

    Links as in the file (all ports of a bridge node together, at the place of its first link), then the
    interfaces without a link, by node and interface. Within a set, the first end comes first.
    """
    found: dict[object, list[Endpoint]] = {}
    for link in topology.links:
        bridges = [end.node for end in link.ends if _is_bridge(topology, end.node)]
        ends = [end for end in link.ends if topology.is_machine(end.node)]
        found.setdefault(bridges[0] if bridges else link, []).extend(ends)
    linked = {end for ends in found.values() for end in ends}
    alone = sorted(
        set(topology.endpoints) - linked, key=lambda end: (natural(end.node), natural(end.interface))
    )
    return [tuple(ends) for ends in found.values()] + [(end,) for end in alone]


def _is_bridge(topology: Topology, name: str) -> bool:
    node = topology.by_name.get(name)
    return node is not None and node.is_bridge


def check_sharing(tags: Mapping[Endpoint, int], topologies: Collection[Topology], path: Path | None) -> None:
    """See that a tag is at several places only where a link or a bridge node joins them.

    :param topologies: what was and what is wanted, as far as known; with none, sharing is not judged.
    :raises DocumentCorrupt: a tag is at two places that nothing joins.
    """
    if not topologies:
        return
    joined = _partition(topologies)
    places: defaultdict[int, list[Endpoint]] = defaultdict(list)
    for end, tag in tags.items():
        places[tag].append(end)
    for tag, ends in places.items():
        if len({joined.get(end, end) for end in ends}) > 1:
            where = ", ".join(str(end) for end in ends)
            raise DocumentCorrupt(f"the tag {tag} is at {where}, which no link joins", path=path)


def _partition(topologies: Collection[Topology]) -> dict[Endpoint, Endpoint]:
    """Every interface's representative, one for all that are joined in any of the topologies."""
    leader: dict[Endpoint, Endpoint] = {}

    def find(end: Endpoint) -> Endpoint:
        while leader.setdefault(end, end) != end:
            end = leader[end]
        return end

    for topology in topologies:
        for ends in wires(topology):
            for end in ends:
                leader[find(end)] = find(ends[0])
    return {end: find(end) for end in leader}


class Allocator:
    """Issues tags, next fit: the first free one at or after ``next_vlan``, the top wraps to the bottom.

    :param vlan_range: the lowest and the highest tag that may be issued.
    :param next_vlan: where to begin; outside the range, or None: at its bottom.
    :param taken: tags that must not be issued.
    """

    def __init__(
        self, vlan_range: tuple[int, int], next_vlan: int | None = None, taken: Collection[int] = ()
    ) -> None:
        self.low, self.high = vlan_range
        inside = next_vlan is not None and self.low <= next_vlan <= self.high
        self.next_vlan = next_vlan if inside and next_vlan is not None else self.low
        self._taken = set(taken)

    def issue(self) -> int:
        """A tag that was free; it is taken from now on.

        :raises TagsExhausted: every tag of the range is taken; nothing has changed.
        """
        size = self.high - self.low + 1
        for step in range(size):
            tag = self.low + (self.next_vlan - self.low + step) % size
            if tag not in self._taken:
                self._taken.add(tag)
                self.next_vlan = self.after(tag)
                return tag
        raise TagsExhausted(
            f"all {size} VLAN tags from {self.low} to {self.high} are in use",
            remedy="Destroy what is not needed, or give a wider --vlan-range.",
        )

    def after(self, tag: int) -> int:
        """One after *tag*, wrapped."""
        return tag + 1 if self.low <= tag < self.high else self.low


class JsonStore:
    """The default store: one JSON file for each lab, in the workspace's ``vlans`` folder."""

    @hookimpl
    def labprov_load_allocations(self, workspace: Path, lab: str) -> Allocations | None:
        """Read and check the file; None where there is none."""
        path = Workspace(workspace).vlans(lab)
        content = read_if_there(path)
        return None if content is None else parse(content, path)

    @hookimpl
    def labprov_save_allocations(self, workspace: Path, lab: str, document: Allocations) -> bool:
        """Write the file atomically and durably."""
        write_atomically(Workspace(workspace).vlans(lab), render(document))
        return True

    @hookimpl
    def labprov_remove_allocations(self, workspace: Path, lab: str) -> bool:
        """Remove the file, where there is one."""
        remove_if_there(Workspace(workspace).vlans(lab))
        return True
