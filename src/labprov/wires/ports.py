"""Ports at their places: the one door through which a provider has wires made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labprov.engine import Alone, BridgeType, Far, HostEnd, Joined, Namespace, Peer, Place, Port, Scope
from labprov.errors import LabprovError, NotSupported
from labprov.model import Endpoint
from labprov.wires.client import helper

Outcome = Place | LabprovError


def plug(scope: Scope, ports: Sequence[tuple[Port, Place]]) -> list[Outcome]:
    """Make each port at its place as described, or change what is there to it: one helper batch.

    :param ports: both ends of a :class:`~labprov.Peer` wire in one batch.
    :returns: for each port its place, or an error.
    :raises LabprovError: nothing is known of the batch.

    A port on an Open vSwitch bridge, and one at a tap, is refused by :class:`~labprov.NotSupported`: there
    is no gateway to Open vSwitch yet.
    """
    outcomes: list[Outcome | None] = [_refused(port, place) for port, place in ports]
    todo = [number for number, outcome in enumerate(outcomes) if outcome is None]
    if todo:
        orders = [_order(scope, *ports[number]) for number in todo]
        answers = helper(scope).batch("plug", lab=scope.lab, ports=orders)
        for number, answer in zip(todo, answers, strict=True):
            outcomes[number] = answer
    return [outcome or place for outcome, (_, place) in zip(outcomes, ports, strict=True)]


def _refused(port: Port, place: Place) -> LabprovError | None:
    if isinstance(place, Namespace) and not _is_ovs(port.far):
        return None
    what = "an Open vSwitch bridge" if _is_ovs(port.far) else "a tap"
    return NotSupported(
        f"a port can't be put on {what} yet",
        node=port.end.node,
        interface=port.end.interface,
        remedy="Use links between namespaces, or a node of kind bridge.",
    )


def _is_ovs(far: Far) -> bool:
    return isinstance(far, Joined) and far.type is BridgeType.OVS


def _order(scope: Scope, port: Port, place: Place) -> dict[str, Any]:
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
        "far": _far(port.far),
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
        case _:
            return Alone()


def unplug(scope: Scope, ends: Sequence[tuple[Endpoint, Namespace]]) -> list[LabprovError | None]:
    """Remove interfaces from places that stay; a peer's own interface stays too, alone."""
    return helper(scope).batch("unplug", **_ends(scope, ends))


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
