"""Ports at their places: the one door through which a provider has wires made."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from attrs import frozen

from labprov.engine import (
    Alone,
    BridgeType,
    Far,
    HostEnd,
    Joined,
    Namespace,
    ObservedInterface,
    Peer,
    Place,
    Port,
    Scope,
    Tap,
)
from labprov.errors import EngineFailure, LabprovError, NotSupported
from labprov.model import Endpoint, natural
from labprov.wires import ovs, ovsdb
from labprov.wires.alias import SpaceAlias
from labprov.wires.client import helper
from labprov.wires.ovs import USERSPACE, Switch, datapath, look, on_switch, owner, put, remove
from labprov.wires.ovs import far as far_of
from labprov.wires.ovsdb import Database

Outcome = Place | LabprovError
K = TypeVar("K", bound=Hashable)


@frozen
class Seen:
    """A place as it is.

    :param owner: whose it is, by the alias of its ``lo``; None: it carries no label of labprov's.
    :param interfaces: its data interfaces, in natural order.
    """

    owner: SpaceAlias | None
    interfaces: tuple[ObservedInterface, ...] = ()


def plug(
    scope: Scope,
    ports: Sequence[tuple[Port, Place]],
    provider: str,
    *,
    alone: BridgeType = BridgeType.PARKING,
) -> list[Outcome]:
    """Make each port at its place as described, or change what is there to it.

    One helper batch, and one transaction of Open vSwitch's database where a port is on a bridge of its.

    :param ports: both ends of a :class:`~labprov.Peer` wire in one batch.
    :param provider: whose nodes they belong to.
    :param alone: where the other end of an interface without a link lies: in the lab's parking namespace, or
        (``BridgeType.OVS``) on the lab's bridge, with a tag that nobody else has.
    :returns: for each port its place, or an error.
    :raises LabprovError: nothing is known of the batch.
    """
    outcomes: list[Outcome | None] = [_refused(port, place, alone) for port, place in ports]
    todo = [number for number, outcome in enumerate(outcomes) if outcome is None]
    spaces = [number for number in todo if isinstance(ports[number][1], Namespace)]
    bare = [number for number in todo if number not in spaces]
    switched = [number for number in spaces if on_switch(ports[number][0].far, alone)]
    taken = sorted(ovsdb.read(scope.host).ports) if switched or bare else []
    for number, answer in zip(spaces, _veths(scope, ports, spaces, switched, taken), strict=True):
        outcomes[number] = answer
    for number, answer in zip(bare, _taps(scope, [ports[number] for number in bare]), strict=True):
        outcomes[number] = answer
    placed = [number for number in (*switched, *bare) if outcomes[number] is None]
    devices = _devices(scope, [ports[number] for number in placed])
    for number, answer in zip(placed, put(scope, devices, provider), strict=True):
        outcomes[number] = answer
    return [outcome or place for outcome, (_, place) in zip(outcomes, ports, strict=True)]


def _veths(
    scope: Scope,
    ports: Sequence[tuple[Port, Place]],
    chosen: Sequence[int],
    switched: Sequence[int],
    taken: Sequence[str],
) -> list[LabprovError | None]:
    """Have the helper make those ports' veths.

    :param chosen: their numbers among *ports*.
    :param switched: the numbers of those whose other ends are for the switch.
    :param taken: names that no new device may have.
    """
    if not chosen:
        return []
    checksums = datapath() != USERSPACE
    orders = [_order(scope, *ports[number], number in switched, checksums) for number in chosen]
    return helper(scope).batch("plug", lab=scope.lab, ports=orders, taken=taken)


def _taps(scope: Scope, ports: Sequence[tuple[Port, Place]]) -> list[LabprovError | None]:
    """Have the helper make taps."""
    orders = [
        {
            "name": place.name,
            "lab": scope.lab,
            "node": port.end.node,
            "interface": port.end.interface,
            "mtu": port.mtu,
            "tag": port.tag,
        }
        for port, place in ports
        if isinstance(place, Tap)
    ]
    return helper(scope).batch("plug_taps", taps=orders) if orders else []


def _refused(port: Port, place: Place, alone: BridgeType) -> LabprovError | None:
    if isinstance(place, Namespace) or on_switch(port.far, alone):
        return None
    return NotSupported(
        "a tap's other end can be on Open vSwitch only",
        node=port.end.node,
        interface=port.end.interface,
        remedy="Link it to another node, or to a bridge that labprov makes.",
    )


def _order(scope: Scope, port: Port, place: Place, switched: bool, checksums: bool) -> dict[str, Any]:
    assert isinstance(place, Namespace)  # the others were refused before
    return {
        "place": place.path,
        "lab": scope.lab,
        "node": port.end.node,
        "interface": port.end.interface,
        "position": port.index,
        "mac": port.mac,
        "mtu": port.mtu,
        "tag": port.tag,
        "far": {"type": "switch"} if switched else _far(port.far),
        "checksums": checksums or not switched,
    }


def _far(far: Far) -> dict[str, Any]:
    match far:
        case Peer(end):
            return {"type": "peer", "node": end.node, "interface": end.interface}
        case Joined(bridge, kind, learn):
            return {"type": "joined", "bridge": bridge, "bridge_type": kind.value, "learn": learn}
        case HostEnd(name):
            return {"type": "host", "name": name}
        case Alone():
            return {"type": "alone"}


def _devices(scope: Scope, ports: Sequence[tuple[Port, Place]]) -> list[tuple[Port, str]]:
    """Each port with the name of its device on the host."""
    found = _ends_at(scope, [place for _, place in ports])
    devices = []
    for port, place in ports:
        if isinstance(place, Tap):
            devices.append((port, place.name))
            continue
        ends = found.get(place, {"ends": []})["ends"]
        name = next((end["far"]["device"] for end in ends if _is_at(end, port)), None)
        if name is None:
            raise EngineFailure(
                "the interface vanished while it was plugged",
                lab=scope.lab,
                node=port.end.node,
                interface=port.end.interface,
                remedy="Do it again.",
            )
        devices.append((port, name))
    return devices


def _is_at(end: Mapping[str, Any], port: Port) -> bool:
    where = (end["node"], end["name"]) == (port.end.node, port.end.interface)
    return where and end["far"] is not None and end["far"]["type"] == "switch"


def _ends_at(scope: Scope, places: Sequence[Place]) -> dict[Place, Any]:
    """What the helper says of places; one that is gone is not in it."""
    wanted = [place for place in dict.fromkeys(places) if isinstance(place, Namespace)]
    if not wanted:
        return {}
    said = helper(scope).request("ends", places=[place.path for place in wanted])
    said = said or [None] * len(wanted)  # nothing can be there for a user who has no namespaces
    return {place: item for place, item in zip(wanted, said, strict=True) if item is not None}


def observe(scope: Scope, places: Mapping[K, Namespace]) -> dict[K, Seen]:
    """Look at places and at what their interfaces really lead to.

    :param places: by whatever the caller knows them by.
    :returns: the places that are there, by the same keys.
    :raises LabprovError: the kernel or the switch can't be asked.
    """
    if not places:
        return {}
    said = _ends_at(scope, list(places.values()))
    switch = database(scope, [end for item in said.values() for end in item["ends"]])
    return {key: _seen(said[place], switch) for key, place in places.items() if place in said}


def _on_switch(end: Mapping[str, Any]) -> bool:
    return end["far"] is not None and end["far"]["type"] == "switch"


def database(scope: Scope, ends: Sequence[Mapping[str, Any]]) -> Database:
    """What the switch holds, where one of *ends* (as the helper tells of them) is on it; else nothing."""
    return ovsdb.read(scope.host) if any(map(_on_switch, ends)) else Database()


def _seen(said: Mapping[str, Any], switch: Database) -> Seen:
    owner = SpaceAlias.parse(said["owner"])
    own = (
        end for end in said["ends"] if owner is None or (end["lab"], end["node"]) == (owner.lab, owner.node)
    )
    return Seen(owner, interfaces(own, switch, owner.workspace if owner else ""))


def interfaces(
    ends: Iterable[Mapping[str, Any]], switch: Database, workspace: str
) -> tuple[ObservedInterface, ...]:
    """A node's data interfaces, in natural order.

    :param ends: as the helper tells of them, each with its ``lab`` and ``node``.
    :param switch: what the switch holds.
    :param workspace: the id of the workspace that the node belongs to.
    """
    found = [_interface(end, switch, workspace) for end in ends]
    return tuple(sorted(found, key=lambda item: natural(item.name)))


def _interface(said: Mapping[str, Any], switch: Database, workspace: str) -> ObservedInterface:
    other, tag, device = far(said["far"]), said["tag"], None
    if _on_switch(said):
        device = said["far"]["device"]
        row = switch.ports.get(device)
        other = far_of(switch, row, (said["lab"], Endpoint(said["node"], said["name"]), workspace))
        tag = row.tag if row else None
    return ObservedInterface(
        name=said["name"],
        mac=said["mac"],
        tag=tag,
        far=other,
        mtu=said["mtu"],
        up=said["up"],
        device=device,
    )


@frozen
class SeenTap:
    """A tap as it is, and what it really leads to."""

    name: str
    mtu: int
    tag: int | None
    far: Far | None
    up: bool


def observe_taps(scope: Scope) -> dict[tuple[str, Endpoint], SeenTap]:
    """The taps of ``scope.lab``, or of every lab, by lab and end.

    :raises LabprovError: the kernel or the switch can't be asked.
    """
    said = helper(scope).request("taps", lab=scope.lab)
    switch = ovsdb.read(scope.host) if said else Database()
    return {(item["lab"], Endpoint(item["node"], item["interface"])): _tap(item, switch) for item in said}


def _tap(said: Mapping[str, Any], switch: Database) -> SeenTap:
    row = switch.ports.get(said["name"])
    known = owner(row) if row is not None else None
    end = (said["lab"], Endpoint(said["node"], said["interface"]))
    other = far_of(switch, row, (*end, known[2])) if known is not None else None
    return SeenTap(said["name"], said["mtu"], row.tag if row else None, other, said["up"])


def label(scope: Scope, items: Sequence[tuple[Namespace, SpaceAlias]]) -> list[LabprovError | None]:
    """Write whose a namespace is, and whether its node shall run, into the alias of its ``lo``.

    One that belongs to somebody else is an error and keeps its label.
    """
    words = [{"place": place.path, "owner": asdict(alias)} for place, alias in items]
    return helper(scope).batch("label", items=words) if items else []


def switch(scope: Scope, provider: str) -> Switch:
    """What is on Open vSwitch beside the ports of nodes; nothing where there is no Open vSwitch.

    :raises LabprovError: it is there and can't be asked.
    """
    if ovsdb.silent(scope.host) is not None:
        return Switch()
    return look(ovsdb.read(scope.host), scope, provider)


def remove_lab(scope: Scope, provider: str) -> None:
    """Remove the lab's bridge, and whatever is left on the host of the provider's nodes, which are all gone.

    A bridge that has ports of another provider's nodes stays; so does one that labprov did not make.
    """
    nodes = ovs.remove_lab(scope, provider)
    if nodes:
        helper(scope).request("sweep", lab=scope.lab, nodes=sorted(nodes))


def remove_ports(scope: Scope, nodes: Collection[str]) -> None:
    """Remove what nodes that are gone had on the host: ports of the switch, and the other ends of veths."""
    if nodes:
        remove(scope, nodes=nodes)
        helper(scope).request("sweep", lab=scope.lab, nodes=sorted(nodes))


def far(said: Mapping[str, Any] | None) -> Far | None:
    """What the helper says of the other end, in labprov's words."""
    if said is None:
        return None
    match said["type"]:
        case "peer":
            return Peer(Endpoint(said["node"], said["interface"]))
        case "joined":
            return Joined(said["bridge"], BridgeType(said["bridge_type"]), said["learn"])
        case "host":
            return HostEnd(said["name"])
        case "switch":
            return None  # the switch knows
        case _:
            return Alone()


def unplug(scope: Scope, ends: Sequence[tuple[Endpoint, Place]]) -> list[LabprovError | None]:
    """Remove interfaces from places that stay, and taps; a peer's own interface stays too, alone."""
    spaces = [(end, place) for end, place in ends if isinstance(place, Namespace)]
    taps = [(end, place.name) for end, place in ends if isinstance(place, Tap)]
    said = _ends_at(scope, [place for _, place in spaces])
    switched = [end for end, _ in taps]
    if any(_on_switch(end) for item in said.values() for end in item["ends"]):
        switched += [end for end, _ in spaces]
    if switched:
        remove(scope, ends=switched)
    answers = iter(helper(scope).batch("unplug", **_ends(scope, spaces)) if spaces else [])
    names = [name for _, name in taps]
    more = iter(helper(scope).batch("unplug_taps", names=names) if names else [])
    return [next(answers) if isinstance(place, Namespace) else next(more) for _, place in ends]


def set_carrier(
    scope: Scope, ends: Sequence[tuple[Endpoint, Namespace]], up: bool
) -> list[LabprovError | None]:
    """Take the carrier of interfaces away, or give it back. A wire's other end loses and gets it too."""
    return helper(scope).batch("carrier", up=up, **_ends(scope, ends))


def _ends(scope: Scope, ends: Sequence[tuple[Endpoint, Namespace]]) -> dict[str, Any]:
    found = [
        {"place": place.path, "lab": scope.lab, "node": end.node, "interface": end.interface}
        for end, place in ends
    ]
    return {"lab": scope.lab, "ends": found}
