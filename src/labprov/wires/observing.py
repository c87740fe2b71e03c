"""What exists, read from the kernel in one go. Helper side: standard library only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from labprov.wires.alias import END, HALF, NODE, PortAlias, parse_bridge
from labprov.wires.links import Link
from labprov.wires.processes import first_processes, read
from labprov.wires.spaces import Kernel, Space
from labprov.wires.wiring import Found, Peers, is_end

Answer = dict[str, Any]


def observe(kernel: Kernel, lab: str | None, names: Collection[str]) -> Answer:
    """All of labprov's namespaces of *lab* (None: of every lab), and who holds the *names*.

    :returns: ``nodes`` and ``resources`` as dictionaries, and ``foreign``, names.
    """
    everything = kernel.all()
    ours = [space for space in everything if _is_wanted(space, lab, names)]
    nodes = [space for space in ours if space.owner and space.owner.role == NODE]
    labs = {space.owner.lab for space in ours if space.owner}
    view = _View(kernel, [space for space in everything if space.owner and space.owner.lab in labs])
    processes = first_processes({space.inode for space in nodes})
    return {
        "nodes": [_node(space, view, processes.get(space.inode)) for space in nodes],
        "resources": [
            *(_resource(space) for space in ours if space.owner and space.owner.role != NODE),
            *_bare(kernel, lab),
        ],
        "foreign": [space.name for space in everything if space.owner is None and space.name in names],
    }


def ends(kernel: Kernel, places: Sequence[str]) -> list[Answer | None]:
    """The labels and data interfaces of the namespaces at *places*; None for one that is gone."""
    spaces = [kernel.space(place) for place in places]
    view = _View(kernel, [space for space in spaces if space is not None])
    return [_place(space, view) if space is not None else None for space in spaces]


def _place(space: Space, view: _View) -> Answer:
    lo = space.links.get("lo")
    found = ((link, PortAlias.parse(link.alias)) for link in space.links.values())
    return {
        "owner": lo.alias if lo else "",
        "ends": [
            {"lab": alias.lab, "node": alias.node, **view.interface(space, link, alias)}
            for link, alias in found
            if alias is not None and alias.side == END
        ],
    }


def names(kernel: Kernel, lab: str) -> dict[str, str]:
    """The names of the namespaces of *lab*'s nodes, by node."""
    owned = ((space.owner, space.name) for space in kernel.all())
    return {owner.node: name for owner, name in owned if owner and (owner.role, owner.lab) == (NODE, lab)}


def _is_wanted(space: Space, lab: str | None, names: Collection[str]) -> bool:
    owner = space.owner
    return owner is not None and (lab is None or owner.lab == lab or space.name in names)


def _resource(space: Space) -> Answer:
    owner = space.owner
    assert owner is not None  # only ours come here
    return {"lab": owner.lab, "role": owner.role, "name": space.name, "workspace": owner.workspace}


def _bare(kernel: Kernel, lab: str | None) -> list[Answer]:
    """Names that a kill has left without their namespaces: the lab is not gone while they are there."""
    return [
        {"lab": owner.lab, "role": "name", "name": name, "workspace": owner.workspace}
        for name, owner in kernel.bare().items()
        if lab in (None, owner.lab)
    ]


def _node(space: Space, view: _View, pid: int | None) -> Answer:
    owner = space.owner
    assert owner is not None  # only ours come here
    ends = ((link, PortAlias.parse(link.alias)) for link in space.links.values())
    return {
        "lab": owner.lab,
        "node": owner.node,
        "runtime_name": space.name,
        "prefix": owner.prefix,
        "workspace": owner.workspace,
        "kind": owner.kind,
        "definition": owner.definition,
        "power": owner.power,
        "pid": pid,
        "frozen": pid is not None and b"\nState:\tT" in read(pid, "status"),
        "interfaces": [
            view.interface(space, link, alias)
            for link, alias in ends
            if alias is not None and alias.side == END and alias.node == owner.node
        ],
    }


class _View:
    """Who is whose other end."""

    def __init__(self, kernel: Kernel, spaces: Sequence[Space]) -> None:
        self._home = kernel.home
        self._peers = Peers(spaces)
        self._on_host: Peers | None = None

    def _peer(self, space: Space, link: Link) -> Found | None:
        found = self._peers.of(space, link)
        if found is not None:
            return found
        if self._on_host is None:
            self._on_host = Peers([self._home])
        return self._on_host.of(space, link)

    def interface(self, space: Space, link: Link, alias: PortAlias) -> Answer:
        """One end, with what it is really joined to."""
        peer = self._peer(space, link)
        far = self._far(alias, peer)
        cut = peer is not None and self._is_half(peer) and not peer[1].up
        return {
            "name": alias.interface,
            "mac": link.mac,
            "tag": alias.tag,
            "mtu": link.mtu,
            "up": not cut,
            "far": far,
        }

    def _is_half(self, found: Found) -> bool:
        space = found[0]
        return space is self._home or (space.owner is not None and space.owner.role != NODE)

    def _far(self, alias: PortAlias, peer: Found | None) -> Answer | None:
        if peer is None:
            return None
        space, link = peer
        other = PortAlias.parse(link.alias)
        if other is None:
            return None
        if not self._is_half(peer):
            same = is_end(link) and (other.lab, other.tag) == (alias.lab, alias.tag)
            return _peer(other.end) if same else None
        if other.end != alias.end or other.tag != alias.tag:
            return None
        return self._half(alias, space, link, other)

    def _half(self, alias: PortAlias, space: Space, link: Link, other: PortAlias) -> Answer | None:
        if other.cut is not None:
            return _peer(other.cut) if self._remembers(alias, other.cut) else None
        if space is self._home and other.side == HALF and not self._on_bridge(link):
            return {"type": "switch", "device": link.name}
        if link.master:
            return self._joined(space, link)
        if space is self._home:
            return {"type": "host", "name": link.name}
        return {"type": "alone"}

    def _on_bridge(self, link: Link) -> bool:
        """Whether a device on the host is on a Linux bridge: not on none, nor on Open vSwitch's datapath."""
        master = self._home.by_index(link.master) if link.master else None
        return master is not None and master.kind == "bridge"

    def _joined(self, space: Space, link: Link) -> Answer | None:
        master = space.by_index(link.master)
        if master is None:
            return None
        if space is self._home:
            bridge, where = master.name, "host"
        else:
            bridge, where = (parse_bridge(master.alias) or ("", ""))[1], "parking"
        return {"type": "joined", "bridge": bridge, "bridge_type": where, "learn": link.learning}

    def _remembers(self, alias: PortAlias, cut: tuple[str, str]) -> bool:
        """Whether the other end of a wire that was taken down leads here too."""
        return any(half.cut == alias.end and half.end == cut for half in self._peers.halves(alias))


def _peer(end: tuple[str, str]) -> Answer:
    return {"type": "peer", "node": end[0], "interface": end[1]}
