"""Ports: this provider only knows where they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from labprov import wires
from labprov.engine import BridgeType, Namespace, Place, Port, Scope
from labprov.errors import LabprovError, NodeNotFound
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint
from labprov.wires.alias import NEVER, ON
from labprov_docker.address import NAME
from labprov_docker.containers import pods_of_lab
from labprov_docker.facts import engine
from labprov_docker.labelling import label, of_container
from labprov_docker.places import places
from labprov_docker.power import start_container


@hookimpl
def labprov_plug(scope: Scope, ports: Sequence[Port]) -> list[Place | LabprovError]:
    """Have each port's holder run, and make veths to the switch."""
    _check_links(scope)
    return wires.at_places(
        scope,
        [(port.end, port) for port in ports],
        _held(scope, {port.end.node for port in ports}),
        lambda found: wires.plug(scope, found, NAME, alone=BridgeType.OVS),
    )


@hookimpl
def labprov_unplug(scope: Scope, ends: Sequence[Endpoint]) -> list[LabprovError | None]:
    """Remove veths; the interface of a node that is gone is gone too."""
    items = [(end, end) for end in ends]
    outcomes = wires.at_places(scope, items, _places(scope, ends), lambda found: wires.unplug(scope, found))
    return [None if isinstance(outcome, NodeNotFound) else outcome for outcome in outcomes]


@hookimpl
def labprov_set_carrier(scope: Scope, ends: Sequence[Endpoint], up: bool) -> list[LabprovError | None]:
    """Pull the cable or put it back; nothing else of the interfaces changes."""
    items, there = [(end, end) for end in ends], _places(scope, ends)
    return wires.at_places(scope, items, there, lambda found: wires.set_carrier(scope, found, up))


def _places(scope: Scope, ends: Sequence[Endpoint]) -> dict[str, Namespace]:
    _check_links(scope)
    return places(scope, pods_of_lab(scope), {end.node for end in ends})


def _check_links(scope: Scope) -> None:
    """See that links can be made here.

    :raises LabprovError: they can't, and why.
    """
    problem = engine(scope).links
    if problem is not None:
        raise type(problem)(problem.message, remedy=problem.remedy)


def _held(scope: Scope, nodes: Collection[str]) -> dict[str, Namespace]:
    """Where *nodes* are, their holders running where nothing of the node runs; new namespaces are labelled.

    A holder that somebody else has started has a new namespace as well.
    """
    pods = pods_of_lab(scope)
    idle = [
        pod.holder
        for name in nodes
        if (pod := pods.get(name)) is not None
        and pod.holder is not None
        and not any(part.is_alive for part in pod.parts)
    ]
    for holder in idle:
        start_container(scope, holder.id, holder.label("node"))
    if idle:
        pods = pods_of_lab(scope)
    there = places(scope, pods, nodes)
    bare = [name for name, seen in wires.observe(scope, there).items() if seen.owner is None]
    powers = {name: ON if (node := pods[name].node) and node.is_alive else NEVER for name in bare}
    aliases = [of_container(pods[name].any, powers[name]) for name in bare]
    for error in label(scope, there, aliases).values():
        if error is not None:
            raise error
    return there
