"""Veth pairs: whose other end is where, and the few moves that re-point a wire.

A veth keeps its other end for life. What can be done is to move an end into another namespace, and to make
an end anew. The moves here leave as many interfaces untouched as they can, and put back addresses and
routes of one that had to be made anew, in the same system call that makes it.

Words: an *end* is a node's own interface; a *half* is the other side of an end's pair where that isn't an
end itself: parked, or in the host's namespace. Helper side: standard library only.
"""

from __future__ import annotations

import errno
import string
from collections import defaultdict
from collections.abc import Collection, Iterable

from labprov.wires import links
from labprov.wires import netlink as nl
from labprov.wires.alias import END, HALF, PortAlias
from labprov.wires.links import Link
from labprov.wires.parking import Owner, Parking, digest
from labprov.wires.saved import save
from labprov.wires.spaces import Kernel, Space

Found = tuple[Space, Link]
"""An interface and where it is."""


class Peers:
    """Finds other ends among some namespaces, as they were when they were read."""

    def __init__(self, spaces: Iterable[Space]) -> None:
        self._by_tag: dict[tuple[str, int], list[Found]] = defaultdict(list)
        self._by_numbers: dict[tuple[int, int], list[Found]] = defaultdict(list)
        for space in spaces:
            for link in space.links.values():
                if link.kind != "veth":
                    continue
                self._by_numbers[link.index, link.peer].append((space, link))
                alias = PortAlias.parse(link.alias)
                if alias is not None:
                    self._by_tag[alias.lab, alias.tag].append((space, link))

    def of(self, space: Space, link: Link) -> Found | None:
        """The other end of *link*: both name each other's number, and each other's namespace.

        Both ends of a wire carry one tag, so that is where to look first.
        """
        alias = PortAlias.parse(link.alias)
        if alias is not None:
            for found in self._by_tag[alias.lab, alias.tag]:
                if _joined((space, link), found):
                    return found
        for found in self._by_numbers[link.peer, link.index]:
            if _joined((space, link), found):
                return found
        return None

    def halves(self, end: PortAlias) -> list[PortAlias]:
        """The labels of all that carries the tag of *end*, in its lab."""
        found = (PortAlias.parse(link.alias) for _, link in self._by_tag[end.lab, end.tag])
        return [alias for alias in found if alias is not None]


def _joined(one: Found, two: Found) -> bool:
    (space, link), (other_space, other) = one, two
    return (
        link.peer == other.index
        and other.peer == link.index
        and (link.index != other.index or space is not other_space)
        and space.nsid(other_space) == link.nsid
        and other_space.nsid(space) == other.nsid
    )


class Wiring:
    """The wires of one lab.

    :param taken: names that no new device may have: a switch still knows a device that is gone by them.
    """

    def __init__(self, kernel: Kernel, owner: Owner, taken: Collection[str] = ()) -> None:
        self._taken = frozenset(taken)
        self.kernel = kernel
        self.owner = owner
        self.parking = Parking(kernel, owner)
        self._near: dict[Space, None] = {}
        self._peers: tuple[list[tuple[Space, int]], Peers] | None = None

    def know(self, space: Space) -> None:
        """Look for other ends in *space* before anywhere else."""
        self._near[space] = None

    def peer(self, space: Space, link: Link) -> Found | None:
        """The other end of *link*, wherever it is; None if it is in no namespace that has a name."""
        found = self._known().of(space, link)
        return found or Peers([self.kernel.home, *self.kernel.all()]).of(space, link)

    def _known(self) -> Peers:
        parked = self.parking.find()
        spaces = [*self._near, *([parked] if parked else [])]
        versions = [(space, space.version) for space in spaces]
        if self._peers is None or self._peers[0] != versions:
            self._peers = (versions, Peers(spaces))
        return self._peers[1]

    def is_half(self, found: Found) -> bool:
        """Whether it is no node's interface: it lies parked, or in the host's namespace."""
        space = found[0]
        return space is self.kernel.home or space is self.parking.find()

    def free_name(self, space: Space, alias: PortAlias) -> str:
        """A name in *space* for the other side of that end: ``lp``, ten digits, the next free letter."""
        stem = self.stem(alias)
        names = [stem, *(stem + letter for letter in string.ascii_lowercase)]
        used = self._taken if space is self.kernel.home else frozenset()
        return next(name for name in names if name not in space.links and name not in used)

    def stem(self, alias: PortAlias) -> str:
        """What the names of the other sides of that end begin with."""
        return "lp" + digest(self.owner.workspace, alias.lab, alias.node, alias.interface)

    def part(self, keep: Found, leave: Found, *, cut: bool = False) -> None:
        """Take two ends of one wire apart: *keep* is untouched, *leave* is made anew; both have halves then.

        :param cut: the halves are down and remember each other, so that the wire can be made whole again.
        """
        parking = self.parking.ensure()
        link = leave[1]
        left, kept = _alias(link), _alias(keep[1])
        half = self.free_name(parking, kept)
        moves = [
            links.change(link.index, up=False),
            links.change(link.index, into=parking.fd, name=half),
        ]
        other = self._renew(leave, moves)
        keep[0].forget()  # its other end is somewhere else now
        parking.run(
            [
                links.change(half, alias=_half(kept, left if cut else None), up=not cut),
                links.change(other, alias=_half(left, kept if cut else None), up=not cut),
            ]
        )

    def remake(self, found: Found) -> None:
        """Make an end anew whose other side is not what it should be; it has a parked half then."""
        alias = _alias(found[1])
        other = self._renew(found, [links.delete(found[1].index)])
        self.parking.ensure().run([links.change(other, alias=_half(alias), up=True)])

    def _renew(self, end: Found, moves: list[nl.Message]) -> str:
        """After *moves*, which take *end* away, make it anew with all it had; give its half's name."""
        space, link = end
        parking = self.parking.ensure()
        had = save(space.socket, link.index)
        name = self.free_name(parking, _alias(link))
        space.run(
            [
                *moves,
                links.new_veth(link.name, link.mac, link.mtu, name, None, parking.fd, index=link.index),
                links.change(link.name, alias=link.alias, up=link.up),
            ],
            restore=had.restore(link.index) if link.up else (),
        )
        parking.forget()
        return name

    def bring(
        self,
        half: Found,
        space: Space,
        alias: PortAlias,
        old: Link | None,
        mac: str,
        mtu: int,
        number: int = 0,
    ) -> None:
        """Make *half* the end *alias* in *space*, in the place of *old*, with all that this had."""
        index = self.carry(half, space, self.free_name(space, alias), number).index
        up = old.up if old else True
        had = save(space.socket, old.index) if old and up else None
        space.run(
            [
                *([links.delete(old.index)] if old else []),
                links.change(index, name=alias.interface, mac=mac, mtu=mtu, alias=alias.text()),
                links.change(index, up=up),
            ],
            restore=had.restore(index) if had else (),
        )
        parked = self.parking.find()
        if parked:
            parked.forget()  # the old interface took its other side along
        self.kernel.home.forget()

    def carry(self, half: Found, space: Space, name: str, number: int = 0) -> Link:
        """Move *half* into *space* as *name*, down; give it as it is there."""
        source, link = half
        end = self.peer(source, link)
        down = links.change(link.index, up=False, master=0)
        if source is space:
            source.run([down, *([links.change(link.index, name=name)] if link.name != name else [])])
        else:
            source.run([down, links.change(link.index, into=space.fd, name=name, number=number)])
            space.forget()
        if end is not None:
            end[0].forget()  # its other end is somewhere else now
        if name not in space.links:
            raise OSError(errno.ENODEV, "it vanished while it was moved", name)
        return space.links[name]


def _alias(link: Link) -> PortAlias:
    alias = PortAlias.parse(link.alias)
    if alias is None:
        raise ValueError(f"{link.name} has no alias of labprov's")
    return alias


def _half(end: PortAlias, cut: PortAlias | None = None) -> str:
    return half_alias(end, HALF, cut.end if cut else None)


def half_alias(end: PortAlias, side: str, cut: tuple[str, str] | None = None) -> str:
    """The alias of the other side of *end*."""
    return PortAlias(end.lab, end.node, end.interface, end.tag, side, cut).text()


def half_side(link: Link) -> str | None:
    """Which other side of an end it is; None: none, or an end itself."""
    alias = PortAlias.parse(link.alias)
    return (alias.side or None) if alias is not None else None


def is_end(link: Link) -> bool:
    """Whether it carries the label of a node's own interface."""
    alias = PortAlias.parse(link.alias)
    return alias is not None and alias.side == END
