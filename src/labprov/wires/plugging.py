"""Plug, unplug and carrier: the helper's requests about wires, as batches.

Helper side: standard library only.
"""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from labprov.errors import Conflict, EngineFailure, LabprovError, NodeNotFound, NotSupported
from labprov.wires import links, offload
from labprov.wires import netlink as nl
from labprov.wires.alias import HALF, HOST_HALF, PortAlias
from labprov.wires.ends import Order, Outcome, Port, Target, cut_to
from labprov.wires.links import Link
from labprov.wires.parking import Owner
from labprov.wires.spaces import Kernel, Space, hush
from labprov.wires.wiring import Wiring, half_alias, half_side, is_end


class Plugger:
    """One plug request."""

    def __init__(self, wiring: Wiring, rootless: bool) -> None:
        self.wiring = wiring
        self.rootless = rootless

    def target(self, order: Order) -> Target:
        """The place for the half of a port that is no peer's."""
        far = order.far
        if far["type"] == "alone":
            return Target(self.wiring.parking.ensure(), None, HALF)
        if far["type"] == "joined" and far["bridge_type"] == "parking":
            bridge = self.wiring.parking.bridge(far["bridge"])
            return Target(self.wiring.parking.ensure(), None, HALF, bridge, far["learn"])
        if self.rootless:
            raise _no_root(order)
        home = self.wiring.kernel.home
        if far["type"] == "switch":
            return Target(home, None, HALF, on_switch=True)
        if far["type"] == "host":
            self._clear(home, far["name"], order)
            return Target(home, far["name"], HOST_HALF)
        master = home.links.get(far["bridge"])
        if master is None or master.kind != "bridge":
            raise NodeNotFound(
                f"the host has no Linux bridge called {far['bridge']}",
                remedy=f"Make it (ip link add {far['bridge']} type bridge), or correct the topology.",
            )
        return Target(home, None, HALF, master, far["learn"], on_host=True)

    def _clear(self, home: Space, name: str, order: Order) -> None:
        """See to it that *name* is free on the host, or already this port's."""
        taken = home.links.get(name)
        if taken is None:
            return
        alias = PortAlias.parse(taken.alias)
        if alias is not None and alias.lab == order.lab:
            if alias.end != order.alias.end:
                parking = self.wiring.parking.ensure()
                half = self.wiring.carry((home, taken), parking, self.wiring.free_name(parking, alias))
                parking.run([links.change(half.index, alias=half_alias(alias, HALF), up=True)])
            return
        if not self._half_made(home, taken):
            raise Conflict(
                f"the host has an interface called {name} already",
                lab=order.lab,
                node=order.node,
                interface=order.interface,
                remedy=f"Choose another name in the topology, or remove {name}.",
            )
        home.run([links.delete(taken.index)])

    def _half_made(self, space: Space, link: Link) -> bool:
        """Whether *link* has no label because a kill fell between making and labelling it."""
        if link.alias or link.kind != "veth":
            return False
        peer = self.wiring.peer(space, link)
        return peer is not None and is_end(peer[1])

    def check_name(self, port: Port) -> None:
        """See to it that a port that does not exist yet can have its name."""
        taken = port.space.links.get(port.order.interface)
        if taken is None or (port.link is not None and taken.index == port.link.index):
            return
        if self._half_made(port.space, taken):
            port.space.run([links.delete(taken.index)])
            return
        raise Conflict("the node has an interface of that name that is not labprov's")

    def free(self, port: Port) -> tuple[Space, Link] | None:
        """Make sure that *port*, where it exists, has a half; give that."""
        link = port.link
        if link is None:
            return None
        other = self.wiring.peer(port.space, link)
        if other is None:
            self.wiring.remake((port.space, link))
        elif not self.wiring.is_half(other) and is_end(other[1]):
            self.wiring.part((port.space, link), other)
        elif not self.wiring.is_half(other):
            parking = self.wiring.parking.ensure()
            self.wiring.carry(other, parking, self.wiring.free_name(parking, port.alias))
        else:
            return other
        link = port.link
        return self.wiring.peer(port.space, link) if link else None

    def pair(self, one: Port, two: Port) -> bool:
        """Join two ends, as far as one of them exists; False: make them."""
        for port in (one, two):
            self.check_name(port)
        if one.link is None and two.link is None:
            return False
        if not self._is_pair(one, two):
            self._join(one, two)
        for port in (one, two):
            link = port.link
            if link is not None:
                port.adjust(link)
        return True

    def _is_pair(self, one: Port, two: Port) -> bool:
        """Whether they are joined, or will be when their wire that was taken down comes up."""
        if one.link is None or two.link is None:
            return False
        other = self.wiring.peer(one.space, one.link)
        if other is not None and other[0] is two.space and other[1].index == two.link.index:
            return True
        back = self.wiring.peer(two.space, two.link)
        return cut_to(other) == two.alias.end and cut_to(back) == one.alias.end

    def _join(self, one: Port, two: Port) -> None:
        """One's half becomes two, or two's becomes one."""
        self.free(one)
        self.free(two)
        keep, other = (one, two) if one.link is not None else (two, one)
        half = self.free(keep)
        if half is None:
            raise EngineFailure("the interface vanished while it was joined", remedy="Do it again.")
        order = other.order
        self.wiring.bring(half, other.space, other.alias, other.link, order.mac, order.mtu, other.number)

    def single(self, port: Port) -> bool:
        """Give an end that exists the half it shall have; False: make it."""
        self.check_name(port)
        half = self.free(port)
        link = port.link
        if half is None or link is None:
            return False
        target = self.target(port.order)
        space, other = half
        name = target.name or (other.name if space is target.space else None)
        name = name or self.wiring.free_name(target.space, port.alias)
        if target.on_switch and space is target.space and other.name == name and half_side(other) == HALF:
            if other.alias != half_alias(port.alias, HALF):  # another tag: the device stays as it is
                space.run([links.change(other.index, alias=half_alias(port.alias, HALF))])
        elif not self._settled(half, target, name, port):
            self.wiring.carry(half, target.space, name)
            if target.on_switch:
                hush(target.space, name)
            target.space.run(target.settle(name, port.alias))
        port.adjust(link)
        return True

    def _settled(self, half: tuple[Space, Link], target: Target, name: str, port: Port) -> bool:
        """Whether the half is as it shall be, or is only down because the wire was taken down."""
        space, link = half
        master = target.master.index if target.master else 0
        return (
            space is target.space
            and link.name == name
            and link.master == master
            and (not master or link.learning == target.learn)
            and link.alias == half_alias(port.alias, target.side)
        )


def _no_root(order: Order) -> NotSupported:
    return NotSupported(
        "an unprivileged user's namespaces can't be joined to the host's network",
        provider="netns",
        lab=order.lab,
        node=order.node,
        interface=order.interface,
        remedy="Run labprov as root, or take the link to the host out of the topology.",
    )


class Batch:
    """New pairs, made with one send for each namespace instead of one for each pair."""

    def __init__(self, wiring: Wiring, outcomes: list[Outcome]) -> None:
        self._wiring = wiring
        self._outcomes = outcomes
        self._near: dict[Space, list[tuple[nl.Message, tuple[int, ...]]]] = defaultdict(list)
        self._far: dict[Space, list[tuple[nl.Message, tuple[int, ...]]]] = defaultdict(list)
        self._switched: list[tuple[Space, str, int]] = []

    def pair(self, one: Port, two: Port, numbers: tuple[int, ...]) -> None:
        """Add a pair of peers."""
        if two.number and not one.number:
            one, two = two, one  # only the near end can be the one that has a number alone
        order = two.order
        for message in one.fresh(order.interface, order.mac, two.space, two.number):
            self._near[one.space].append((message, numbers))
        finish = links.change(order.interface, mtu=order.mtu, alias=two.alias.text(), up=True)
        self._far[two.space].append((finish, numbers))

    def single(self, port: Port, target: Target, numbers: tuple[int, ...]) -> None:
        """Add an end with its half."""
        name = target.name or self._wiring.free_name(target.space, port.alias)
        if target.on_switch:
            self._switched.append((target.space, name, numbers[0]))
        for message in port.fresh(name, None, target.space):
            self._near[port.space].append((message, numbers))
        for message in target.settle(name, port.alias):
            self._far[target.space].append((message, numbers))

    def send(self) -> None:
        """Make them all: first each pair with its near end's label, then the labels of the far ends."""
        self._stage(self._near)
        for space, name, number in self._switched:
            if self._outcomes[number] is None:
                self._hush(space, name, number)
        self._stage(self._far)

    def _hush(self, space: Space, name: str, number: int) -> None:
        try:
            hush(space, name)
        except OSError as error:
            self._outcomes[number] = _failure(error)

    def _stage(self, stage: Mapping[Space, Sequence[tuple[nl.Message, tuple[int, ...]]]]) -> None:
        for space, entries in stage.items():
            self._send(space, entries)

    def _send(self, space: Space, entries: Sequence[tuple[nl.Message, tuple[int, ...]]]) -> None:
        todo = [entry for entry in entries if self._outcomes[entry[1][0]] is None]
        space.forget()
        for (_, numbers), answer in zip(todo, space.socket.batch([e[0] for e in todo]), strict=True):
            if answer is not None:
                for number in numbers:
                    self._outcomes[number] = self._outcomes[number] or _failure(answer)


def _failure(error: OSError) -> EngineFailure:
    return EngineFailure(f"the kernel refused the interface: {error.strerror}")


def plug(
    kernel: Kernel, owner: Owner, orders: Sequence[Order], *, rootless: bool, taken: Collection[str] = ()
) -> list[Outcome]:
    """Make each port as ordered; one outcome for each.

    :param taken: names that no new device may have.
    """
    wiring = Wiring(kernel, owner, taken)
    plugger = Plugger(wiring, rootless)
    outcomes: list[Outcome] = [None] * len(orders)
    ports: dict[int, Port] = {}
    for number, order in enumerate(orders):
        space = kernel.space(order.place)
        if space is None:
            outcomes[number] = NodeNotFound("the node has no network namespace", remedy="Deploy it.")
        else:
            ports[number] = Port(space, order)
            wiring.know(space)
    _number(list(ports.values()))
    batch = Batch(wiring, outcomes)
    for numbers in _wires(orders):
        found = [ports[number] for number in numbers if number in ports]
        if len(found) < len(numbers):
            missing = next(outcome for number in numbers if (outcome := outcomes[number]))
            _note(outcomes, numbers, missing)
            continue
        failed = _attempt(kernel, plugger, batch, found, numbers)
        if failed is not None:
            _note(outcomes, numbers, failed)
    batch.send()
    for number, port in ports.items():
        if outcomes[number] is None and not port.order.checksums:
            outcomes[number] = _fill_checksums(port)
    for order, outcome in zip(orders, outcomes, strict=True):
        _place(outcome, order)
    return outcomes


def _fill_checksums(port: Port) -> LabprovError | None:
    """Have the node fill in the checksums of what it sends: a switch in user space passes empty ones on."""
    try:
        with port.space.entered():
            offload.disable_transmit_checksums(port.order.interface)
    except OSError as error:
        return _failure(error)
    return None


def _number(ports: Sequence[Port]) -> None:
    """Have a new node's interfaces made in their order, whatever the order of the wires is.

    A node that has interfaces already may run, and be making others itself: the kernel numbers its new ones.
    """
    fresh: dict[Space, list[Port]] = defaultdict(list)
    for port in ports:
        if not any(is_end(link) for link in port.space.links.values()):
            fresh[port.space].append(port)
    for space, found in fresh.items():
        first = max((link.index for link in space.links.values()), default=0) + 1
        for number, port in enumerate(sorted(found, key=lambda port: port.order.position), first):
            port.number = number


_VANISHING = {errno.ENODEV, errno.ENOENT, errno.EEXIST, errno.EADDRNOTAVAIL}
_ATTEMPTS = 5


def _attempt(
    kernel: Kernel, plugger: Plugger, batch: Batch, ports: Sequence[Port], numbers: tuple[int, ...]
) -> LabprovError | None:
    """Plug one wire; looked at anew where something vanished meanwhile.

    A namespace that was removed goes some time after its name, and takes the other ends of its pairs with
    it at a moment of the kernel's choice.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _plug(plugger, batch, ports, numbers)
        except LabprovError as error:
            return error
        except OSError as error:
            if attempt == _ATTEMPTS or error.errno not in _VANISHING:
                return _failure(error)
            kernel.forget()
        else:
            break
    return None


def _plug(plugger: Plugger, batch: Batch, ports: Sequence[Port], numbers: tuple[int, ...]) -> None:
    first = ports[0]
    if len(ports) == 2:
        if not plugger.pair(first, ports[1]):
            batch.pair(first, ports[1], numbers)
    elif first.order.far["type"] == "peer":
        raise EngineFailure("the other end of the wire is not in the batch", remedy="Plug both ends at once.")
    elif not plugger.single(first):
        batch.single(first, plugger.target(first.order), numbers)


def _wires(orders: Sequence[Order]) -> Iterator[tuple[int, ...]]:
    """The batch wire by wire: the positions of both peers, or of one port."""
    position = {(order.node, order.interface): number for number, order in enumerate(orders)}
    for number, order in enumerate(orders):
        if order.far["type"] != "peer":
            yield (number,)
            continue
        other = position.get((order.far["node"], order.far["interface"]))
        if other is None:
            yield (number,)
        elif number < other:
            yield (number, other)


def _note(outcomes: list[Outcome], numbers: Sequence[int], error: LabprovError) -> None:
    for number in numbers:
        outcomes[number] = outcomes[number] or error


def _place(error: LabprovError | None, order: Order) -> None:
    """Say where it happened, where the error does not say it yet."""
    if error is not None and error.node is None:
        error.lab, error.node, error.interface = order.lab, order.node, order.interface
