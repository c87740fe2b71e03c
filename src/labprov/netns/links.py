"""Ports: this provider only knows where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from labprov import wires
from labprov.engine import Namespace, Place, Port, Scope
from labprov.errors import LabprovError
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint
from labprov.netns import naming
from labprov.netns.facts import NAME

T = TypeVar("T")
R = TypeVar("R")


@hookimpl
def labprov_plug(scope: Scope, ports: Sequence[Port]) -> list[Place | LabprovError]:
    """Make veth pairs."""
    ends = [port.end for port in ports]
    return _placed(scope, ports, ends, lambda found: wires.plug(scope, found, NAME))


@hookimpl
def labprov_unplug(scope: Scope, ends: Sequence[Endpoint]) -> list[LabprovError | None]:
    """Remove veths; the interface of a node that is gone is gone too."""
    places = naming.found(scope, ends)
    present = [(end, place) for end, place in zip(ends, places, strict=True) if isinstance(place, Namespace)]
    answers = iter(wires.unplug(scope, present) if present else [])
    return [next(answers) if isinstance(place, Namespace) else None for place in places]


@hookimpl
def labprov_set_carrier(scope: Scope, ends: Sequence[Endpoint], up: bool) -> list[LabprovError | None]:
    """Pull the cable or put it back; nothing else of the interfaces changes."""
    return _placed(scope, ends, ends, lambda found: wires.set_carrier(scope, found, up))


def _placed(
    scope: Scope,
    items: Sequence[T],
    ends: Sequence[Endpoint],
    work: Callable[[list[tuple[T, Namespace]]], Sequence[R]],
) -> list[R | LabprovError]:
    """Do *work* for the items whose nodes are there; the error of the others is that they are not."""
    places = naming.found(scope, ends)
    present = [
        (item, place) for item, place in zip(items, places, strict=True) if isinstance(place, Namespace)
    ]
    answers = iter(work(present) if present else [])
    return [next(answers) if isinstance(place, Namespace) else place for place in places]
