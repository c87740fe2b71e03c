"""From the YAML tree of a topology file to the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from labprov.errors import InvalidInput, InvalidTopology
from labprov.kinds import Catalogue, Kind, Role
from labprov.model import Mgmt, Node, Topology
from labprov.topology.definitions import NODE_ONLY, Definition, Levels, read_definition
from labprov.topology.files import NodeFiles
from labprov.topology.git import replace_git_variables
from labprov.topology.links import LinkReader, Links, Port
from labprov.topology.nodes import build_node
from labprov.topology.schema import Reader, anything, fields, flag, is_null, mapping, pairs, text, whole
from labprov.topology.source import Source
from labprov.yamltree import Mapping as YamlMapping
from labprov.yamltree import Value

_MGMT: Mapping[str, Reader] = {
    **dict.fromkeys(
        [
            "network",
            "bridge",
            "ipv4-subnet",
            "ipv4-gw",
            "ipv4-range",
            "ipv6-subnet",
            "ipv6-gw",
            "ipv6-range",
            "ipv4_subnet",
            "ipv6_subnet",
        ],
        text,
    ),
    "mtu": whole,
    "external-access": flag,
    "skip-when-unused": flag,
    "driver-opts": pairs,
}
_TOP: Mapping[str, Reader] = {
    **dict.fromkeys(["mgmt", "topology"], lambda _source, value, _what: value),
    "name": text,
    "prefix": text,
    "debug": flag,
    "settings": anything,
}
_SECTIONS: Mapping[str, Reader] = dict.fromkeys(
    ["defaults", "kinds", "groups", "nodes", "links"], lambda _source, value, _what: value
)
_PREFIX_IS_LAB = "__lab-name"
MOST_COUNTED = 128
"""The highest port up to which gaps are filled."""


def assemble(root: Value, source: Source, catalogue: Catalogue) -> Topology:
    """Make the topology that *root* describes.

    :raises InvalidTopology: with file, and with the line as far as there is one.
    :raises InvalidName: the lab's name, its prefix or a node's name is not allowed.
    """
    top = fields(source, root, "the file", _TOP)
    lines = mapping(source, root, "the file").lines
    name = _name(top, lines, source)
    prefix = _prefix(root, top, lines, source)
    for key in ("settings", "debug"):
        if top.get(key):
            source.warn(f"{key!r} is containerlab's own and is not used", lines[key])
    if is_null(top.get("topology") or root) or "topology" not in top:
        raise source.error("the file has no 'topology'", lines.get("topology"), remedy="Add 'topology:'.")
    mgmt = _mgmt(source, top["mgmt"], lines["mgmt"]) if "mgmt" in top else None
    body = _Body(source, catalogue, name, fields(source, top["topology"], "topology", _SECTIONS))
    return body.topology(lines["topology"], prefix=prefix, mgmt=mgmt)


def _name(top: Mapping[str, Any], lines: Mapping[str, int], source: Source) -> str:
    if not top.get("name"):
        raise source.error("the file has no 'name'", lines.get("name"), remedy="Add 'name: mylab' to it.")
    line = lines["name"]
    name = source.named(replace_git_variables(top["name"], source, line), "lab name", line)
    source.lab = name
    return name


def _prefix(root: Value, top: Mapping[str, Any], lines: Mapping[str, int], source: Source) -> str | None:
    if "prefix" not in top or not isinstance(root, YamlMapping) or is_null(root.items["prefix"]):
        return None
    prefix: str = top["prefix"]
    return prefix if prefix in ("", _PREFIX_IS_LAB) else source.named(prefix, "prefix", lines["prefix"])


def _mgmt(source: Source, value: Value, line: int) -> Mgmt:
    said = fields(source, value, "mgmt", _MGMT)
    known = {key: item for key, item in said.items() if item not in ("", None, 0, {})}
    for version in ("4", "6"):
        old = known.pop(f"ipv{version}_subnet", None)
        subnet = known.setdefault(f"ipv{version}-subnet", old)
        if subnet and subnet != "auto":
            _check_subnet(source, subnet, int(version), line)
    return Mgmt(
        network=known.pop("network", None),
        bridge=known.pop("bridge", None),
        ipv4_subnet=known.pop("ipv4-subnet"),
        ipv6_subnet=known.pop("ipv6-subnet"),
        settings=known,
    )


def _check_subnet(source: Source, subnet: str, version: int, line: int) -> None:
    try:
        found = ip_network(subnet, strict=False).version
    except ValueError as error:
        raise source.error(f"{subnet!r} is no subnet: {error}", line) from error
    if found != version:
        raise source.error(f"{subnet!r} is no IPv{version} subnet", line)


@frozen
class _Body:
    """The ``topology`` of a file, its sections still values."""

    source: Source
    catalogue: Catalogue
    name: str
    sections: Mapping[str, Value]

    def topology(self, line: int, *, prefix: str | None, mgmt: Mgmt | None) -> Topology:
        levels = self._levels()
        said = {name: levels.inherited(node) for name, node in self._definitions("nodes").items()}
        if not said:
            raise self.source.error("the topology has no 'nodes'", line, remedy="Add at least one node.")
        kinds = {name: self._kind(name, node) for name, node in said.items()}
        self._check_levels(levels, said)
        self._refuse_inner_bridges(kinds, said)
        nodes = {name: self._node(name, node) for name, node in said.items()}
        links = self._links(kinds, said)
        self._fill(nodes, kinds, links)
        empty = Topology(name=self.name, prefix=prefix, mgmt=mgmt)
        return self._checked(empty, nodes, said, links)

    def _definitions(self, section: str) -> dict[str, Definition]:
        value = self.sections.get(section)
        if value is None:
            return {}
        bodies = mapping(self.source, value, section)
        return {
            name: read_definition(self.source, body, f"{section}.{name}", bodies.lines[name])
            for name, body in bodies.items.items()
        }

    def _levels(self) -> Levels:
        value = self.sections.get("defaults")
        defaults = (
            Definition() if value is None else read_definition(self.source, value, "defaults", value.line)
        )
        return Levels(defaults, self._definitions("kinds"), self._definitions("groups"))

    def _kind(self, name: str, node: Definition) -> Kind:
        """The catalogue's entry for the node's kind; one warning for each of which nothing is known."""
        line = node.lines.get("kind", node.line)
        written = node.get("kind")
        if not written:
            raise self.source.error(
                "the node has no kind",
                node.line,
                node=name,
                remedy="Give it one ('kind: linux'), or its group, or the defaults.",
            )
        try:
            kind = self.catalogue.lookup(written, (node.get("type") or "").strip() or None)
        except InvalidInput as error:
            raise self.source.error(error.message, line, node=name, remedy=error.remedy) from error
        if kind.is_bare:
            self.source.warn(
                f"the kind {kind.name} runs as its image does: labprov knows nothing of its console, "
                "readiness or config"
            )
        return kind

    def _check_levels(self, levels: Levels, said: Mapping[str, Definition]) -> None:
        """Warn of what is said where it has no effect."""
        groups = {node.get("group") for node in said.values()} - {None}
        for name in sorted(groups - set(levels.groups)) if levels.groups else ():
            self.source.warn(f"the group {name!r} is not defined; groups are: {', '.join(levels.groups)}")
        used = {node.get("kind") for node in said.values()}
        for name in levels.kinds:
            if name not in used:
                self._check_unused_kind(name, levels.kinds[name].line)
        for level in (levels.defaults, *levels.kinds.values(), *levels.groups.values()):
            for key in NODE_ONLY:
                if level.get(key):
                    self.source.warn(f"{key!r} has an effect only on a node", level.lines.get(key))

    def _refuse_inner_bridges(self, kinds: Mapping[str, Kind], said: Mapping[str, Definition]) -> None:
        """Containerlab can make a bridge inside another node (``bridge|node``); labprov can't."""
        for name, kind in kinds.items():
            mode = said[name].get("network-mode") or "host"
            if kind.role is Role.BRIDGE and mode != "host":
                raise self.source.error(
                    f"a bridge inside another node ({mode}) is not supported",
                    said[name].lines.get("network-mode"),
                    node=name,
                    remedy="Make it a bridge node of the lab, or make the bridge with 'exec' in that node.",
                )

    def _check_unused_kind(self, name: str, line: int) -> None:
        """Warn of a kind that no node has where it may well be misspelt: nobody knows it."""
        try:
            self.catalogue.lookup(name)
        except InvalidInput as error:
            self.source.warn(f"{error.message}, and no node is of it. {error.remedy}", line)

    def _node(self, name: str, said: Definition) -> Node:
        base = self.source.env.get("CLAB_LABDIR_BASE") or str(self.source.folder)
        return build_node(
            self.source, name, said, NodeFiles(self.source, name, Path(base) / f"clab-{self.name}")
        )

    def _links(self, kinds: Mapping[str, Kind], said: Mapping[str, Definition]) -> Links:
        value = self.sections.get("links")
        ports = {
            name: Port(kind, has_management=said[name].get("network-mode") != "none")
            for name, kind in kinds.items()
        }
        return Links() if value is None else LinkReader(self.source, ports).read(value)

    def _fill(self, nodes: dict[str, Node], kinds: Mapping[str, Kind], links: Links) -> None:
        """Give nodes the interfaces without a link: those declared, and the gaps between counted ports."""
        used: dict[str, set[str]] = {}
        for link in links.links:
            for end in link.ends:
                used.setdefault(end.node, set()).add(end.interface)
        for name, node in nodes.items():
            alone: list[str] = links.alone.get(name, [])
            both = used.get(name, set()).intersection(alone)
            if both:
                raise self.source.error(
                    "the interface is used twice, with a link and without",
                    links.alone_lines[name],
                    node=name,
                    interface=min(both),
                )
            names = kinds[name].interfaces
            gaps = _gaps(used.get(name, set()).union(alone), names.first) if names.counted else []
            if alone or gaps:
                nodes[name] = evolve(node, interfaces=tuple(alone + gaps))

    def _checked(
        self, empty: Topology, nodes: Mapping[str, Node], said: Mapping[str, Definition], links: Links
    ) -> Topology:
        """The topology with nodes and links; what the model refuses is given its line."""
        self._check_addresses(said)
        try:
            without = evolve(empty, nodes=tuple(nodes.values()))
        except InvalidTopology as error:
            raise self.source.relocated(error, said[error.node or ""].line) from error
        try:
            return evolve(without, links=tuple(links.links))
        except InvalidTopology as error:
            raise self.source.relocated(error, links.lines[_first_refused(without, links)]) from error

    def _check_addresses(self, said: Mapping[str, Definition]) -> None:
        seen: dict[str, str] = {}
        for name, node in said.items():
            for key in ("mgmt-ipv4", "mgmt-ipv6"):
                address = node.get(key)
                if address and address in seen:
                    raise self.source.error(
                        f"{key} {address} is that of {seen[address]} already", node.lines.get(key), node=name
                    )
                if address:
                    seen[address] = name


def _first_refused(without: Topology, links: Links) -> int:
    """The position of the first link that the model refuses, found by halving."""
    good, bad = 0, len(links.links)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            evolve(without, links=tuple(links.links[:middle]))
            good = middle
        except InvalidTopology:
            bad = middle
    return bad - 1


def _gaps(names: set[str], first: str) -> list[str]:
    """The names between *first* and the highest of *names* that are not among them."""
    prefix = first.rstrip("0123456789")
    lowest = int(first.removeprefix(prefix))
    numbers = [int(name[len(prefix) :]) for name in names if re.fullmatch(rf"{prefix}[0-9]+", name)]
    highest = min(max(numbers, default=0), MOST_COUNTED)
    return [f"{prefix}{n}" for n in range(lowest, highest) if f"{prefix}{n}" not in names]
