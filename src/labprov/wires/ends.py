"""Ends of wires: what is ordered, what is there, and what brings the one to the other.

Helper side: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labprov.errors import LabprovError
from labprov.wires import links
from labprov.wires import netlink as nl
from labprov.wires.alias import PortAlias
from labprov.wires.links import Link
from labprov.wires.spaces import Space
from labprov.wires.wiring import half_alias

Outcome = LabprovError | None


@dataclass(frozen=True)
class Order:
    """One port as it shall be; ``far`` is ``{"type": …}`` with the far's own words."""

    place: str
    lab: str
    node: str
    interface: str
    position: int
    mac: str
    mtu: int
    tag: int
    far: Mapping[str, Any]
    checksums: bool = True
    """False: what the node sends has its checksums filled in by the node itself."""

    @property
    def alias(self) -> PortAlias:
        """What its interface carries."""
        return PortAlias(self.lab, self.node, self.interface, self.tag)


class End:
    """A node's interface: the namespace it belongs in, and what is there."""

    def __init__(self, space: Space, alias: PortAlias) -> None:
        self.space = space
        self.alias = alias

    @property
    def link(self) -> Link | None:
        """The interface, by its label, whatever it is called by now."""
        for link in self.space.links.values():
            alias = PortAlias.parse(link.alias)
            if alias and alias.side == "" and alias.lab == self.alias.lab and alias.end == self.alias.end:
                return link
        return None


class Port(End):
    """An end with what it shall become."""

    def __init__(self, space: Space, order: Order) -> None:
        super().__init__(space, order.alias)
        self.order = order
        self.number = 0
        """The number that its interface shall get when it is made; 0 leaves it to the kernel."""

    def adjust(self, link: Link) -> None:
        """Change what is there to what was ordered; nothing is sent where nothing differs."""
        order, alias = self.order, self.alias.text()
        if link.name != order.interface:
            self.space.run([links.change(link.index, name=order.interface)])
        if (link.mac, link.mtu, link.alias, link.up) != (order.mac, order.mtu, alias, True):
            change = links.change(link.index, mac=order.mac, mtu=order.mtu, alias=alias, up=True)
            self.space.run([change])

    def fresh(self, peer: str, peer_mac: str | None, into: Space, peer_number: int = 0) -> list[nl.Message]:
        """Make it, with the other side directly in its place."""
        order = self.order
        return [
            links.new_veth(
                order.interface, order.mac, order.mtu, peer, peer_mac, into.fd, self.number, peer_number
            ),
            links.change(order.interface, alias=self.alias.text(), up=True),
        ]


@dataclass(frozen=True)
class Target:
    """Where the half of an end without a peer shall lie."""

    space: Space
    name: str | None
    side: str
    master: Link | None = None
    learn: bool = True
    on_host: bool = False
    on_switch: bool = False

    def settle(self, name: str, alias: PortAlias) -> list[nl.Message]:
        """Label the half called *name*, put it on its bridge, and bring it up."""
        text = half_alias(alias, self.side)
        if self.on_switch:  # which bridge it is on is the switch's business
            return [links.change(name, silent=True), links.change(name, alias=text, up=True)]
        if self.master is None:
            return [links.change(name, alias=text, up=True, master=0)]
        enslave = links.change(name, alias=text, up=True, master=self.master.index)
        quiet = [links.change(name, silent=True)] if self.on_host else []
        return [*quiet, enslave, links.bridge_port(name, self.learn)]


def cut_to(half: tuple[Space, Link] | None) -> tuple[str, str] | None:
    """Where the wire of *half* leads that was taken down; None: it is no such half."""
    alias = PortAlias.parse(half[1].alias) if half else None
    return alias.cut if alias else None
