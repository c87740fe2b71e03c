"""Unplug, and the carrier: a cable pulled and put back.

A veth has no carrier of its own: it has one when both its ends are up. So the cable is pulled by taking the
other *side* down, never the node's own interface, which would lose its routes and IPv6 addresses. Where
that side is another node's interface, the wire is parted first, and both halves remember where they belong.
Helper side: standard library only.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Sequence

from labprov.errors import EngineFailure, LabprovError, NodeNotFound
from labprov.wires import links
from labprov.wires.alias import HALF, PortAlias
from labprov.wires.ends import End, Outcome, cut_to
from labprov.wires.parking import Owner
from labprov.wires.spaces import Kernel
from labprov.wires.wiring import Found, Wiring, half_alias, is_end

Where = tuple[str, str, str, str]
"""Place, lab, node, interface."""


def unplug(kernel: Kernel, owner: Owner, ends: Sequence[Where]) -> list[Outcome]:
    """Remove interfaces; one that is not there is no error. A peer that stays keeps its own."""
    wiring = Wiring(kernel, owner)
    return [_each(kernel, wiring, end, _unplug) for end in ends]


def _each(
    kernel: Kernel, wiring: Wiring, where: Where, work: Callable[[Wiring, End], LabprovError | None]
) -> Outcome:
    place, lab, node, interface = where
    try:
        space = kernel.space(place)
        if space is None:
            return None if work is _unplug else NodeNotFound("no such node", lab=lab, node=node)
        return work(wiring, End(space, PortAlias(lab, node, interface, 0)))
    except LabprovError as error:
        return error
    except OSError as error:
        return EngineFailure(f"the kernel refused: {error.strerror}", lab=lab, node=node, interface=interface)


def _unplug(wiring: Wiring, end: End) -> LabprovError | None:
    link = end.link
    if link is None:
        return None
    other = wiring.peer(end.space, link)
    if other is None or wiring.is_half(other) or not is_end(other[1]):
        end.space.run([links.delete(link.index)])
        return None
    alias = PortAlias.parse(other[1].alias)
    if alias is not None:
        parking = wiring.parking.ensure()
        half = wiring.carry((end.space, link), parking, wiring.free_name(parking, alias))
        parking.run([links.change(half.index, alias=half_alias(alias, "half"), up=True)])
    return None


def sweep(kernel: Kernel, owner: Owner, nodes: Collection[str]) -> None:
    """Remove what is left on the host of wires of nodes that are gone.

    The kernel removes it too, once it gets round to a namespace that nobody is in any more.
    """
    home, wiring = kernel.home, Wiring(kernel, owner)
    for link in list(home.links.values()):
        alias = PortAlias.parse(link.alias)
        mine = alias is not None and alias.side == HALF and alias.lab == owner.lab and alias.node in nodes
        if alias is not None and mine and link.name.startswith(wiring.stem(alias)):
            try:
                home.run([links.delete(link.index)])
            except OSError as error:
                if error.errno != errno.ENODEV:  # the kernel was quicker
                    raise


def set_carrier(kernel: Kernel, owner: Owner, ends: Sequence[Where], up: bool) -> list[Outcome]:
    """Pull the cables of *ends*, or put them back."""
    wiring = Wiring(kernel, owner)
    for end in ends:
        space = kernel.space(end[0])
        if space is not None:
            wiring.know(space)
    return [_each(kernel, wiring, end, _connect if up else _pull) for end in ends]


def _other(wiring: Wiring, end: End) -> Found | LabprovError:
    link = end.link
    other = wiring.peer(end.space, link) if link else None
    if other is None:
        return NodeNotFound(
            "the interface is not there, or leads nowhere",
            lab=end.alias.lab,
            node=end.alias.node,
            interface=end.alias.interface,
            remedy="Run labprov recover.",
        )
    return other


def _pull(wiring: Wiring, end: End) -> LabprovError | None:
    other = _other(wiring, end)
    if isinstance(other, LabprovError):
        return other
    link = end.link
    if wiring.is_half(other):
        if other[1].up:
            other[0].run([links.change(other[1].index, up=False)])
    elif link is not None:
        wiring.part((end.space, link), other, cut=True)
    return None


def _connect(wiring: Wiring, end: End) -> LabprovError | None:
    half = _other(wiring, end)
    if isinstance(half, LabprovError):
        return half
    if not wiring.is_half(half):
        return None
    there = _cut_end(wiring, end, half)
    if there is None:
        half[0].run([links.change(half[1].index, up=True)])
        return None
    link = there.link
    if link is not None:
        alias = PortAlias.parse(link.alias) or there.alias
        wiring.bring(half, there.space, alias, link, link.mac, link.mtu)
    return None


def _cut_end(wiring: Wiring, end: End, half: Found) -> End | None:
    """The other end of a wire that was taken down, if it is still there and remembers this one."""
    cut = cut_to(half)
    if cut is None:
        return None
    for space in wiring.kernel.all():
        there = End(space, PortAlias(end.alias.lab, *cut, 0))
        link = there.link
        if link is not None and cut_to(wiring.peer(space, link)) == end.alias.end:
            return there
    return None
