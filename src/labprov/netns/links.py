"""Ports: this provider only knows where they are."""

from __future__ import annotations

from collections.abc import Sequence

from labprov import wires
from labprov.engine import Place, Port, Scope
from labprov.errors import LabprovError, NodeNotFound
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint
from labprov.netns import naming
from labprov.netns.facts import NAME


@hookimpl
def labprov_plug(scope: Scope, ports: Sequence[Port]) -> list[Place | LabprovError]:
    """Make veth pairs, and ports of the switch for links to other providers' nodes."""
    items = [(port.end, port) for port in ports]
    return wires.at_places(scope, items, naming.places(scope), lambda found: wires.plug(scope, found, NAME))


@hookimpl
def labprov_unplug(scope: Scope, ends: Sequence[Endpoint]) -> list[LabprovError | None]:
    """Remove veths; the interface of a node that is gone is gone too."""
    items = [(end, end) for end in ends]
    outcomes = wires.at_places(scope, items, naming.places(scope), lambda found: wires.unplug(scope, found))
    return [None if isinstance(outcome, NodeNotFound) else outcome for outcome in outcomes]


@hookimpl
def labprov_set_carrier(scope: Scope, ends: Sequence[Endpoint], up: bool) -> list[LabprovError | None]:
    """Pull the cable or put it back; nothing else of the interfaces changes."""
    items = [(end, end) for end in ends]
    places = naming.places(scope)
    return wires.at_places(scope, items, places, lambda found: wires.set_carrier(scope, found, up))
