"""Ports: this provider only knows where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from labprov import wires
from labprov.engine import BridgeType, Namespace, Place, Port, Scope
from labprov.errors import LabprovError
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint
from labprov.wires.alias import NEVER, ON
from labprov_docker.address import NAME
from labprov_docker.containers import Pod, pods_of_lab
from labprov_docker.facts import engine
from labprov_docker.labelling import label, of_container
from labprov_docker.places import missing, places
from labprov_docker.power import start_container

T = TypeVar("T")
R = TypeVar("R")


@hookimpl
def labprov_plug(scope: Scope, ports: Sequence[Port]) -> list[Place | LabprovError]:
    """Have each port's holder run, and make veths to the switch."""
    _check_links(scope)
    pods = _held(scope, pods_of_lab(scope), {port.end.node for port in ports})
    ends = [port.end for port in ports]
    return _placed(
        scope, pods, ports, ends, lambda found: wires.plug(scope, found, NAME, alone=BridgeType.OVS)
    )


@hookimpl
def labprov_unplug(scope: Scope, ends: Sequence[Endpoint]) -> list[LabprovError | None]:
    """Remove veths; the interface of a node that is gone is gone too."""
    _check_links(scope)
    found = places(scope, pods_of_lab(scope), {end.node for end in ends})
    present = [(end, found[end.node]) for end in ends if end.node in found]
    answers = iter(wires.unplug(scope, present) if present else [])
    return [next(answers) if end.node in found else None for end in ends]


@hookimpl
def labprov_set_carrier(scope: Scope, ends: Sequence[Endpoint], up: bool) -> list[LabprovError | None]:
    """Pull the cable or put it back; nothing else of the interfaces changes."""
    _check_links(scope)
    return _placed(scope, pods_of_lab(scope), ends, ends, lambda found: wires.set_carrier(scope, found, up))


def _check_links(scope: Scope) -> None:
    """See that links can be made here.

    :raises LabprovError: they can't, and why.
    """
    problem = engine(scope).links
    if problem is not None:
        raise type(problem)(problem.message, remedy=problem.remedy)


def _held(scope: Scope, pods: dict[str, Pod], nodes: set[str]) -> dict[str, Pod]:
    """The pods, with the holders of *nodes* running where nothing of the node runs; new namespaces labelled.

    A holder that somebody else has started has a new namespace as well.
    """
    idle = [
        pod
        for name in nodes
        if (pod := pods.get(name)) is not None
        and pod.holder is not None
        and not any(part.is_alive for part in pod.parts)
    ]
    for pod in idle:
        assert pod.holder is not None
        start_container(scope, pod.holder.id, pod.any.label("node"))
    now = pods_of_lab(scope) if idle else pods
    there = places(scope, now, nodes)
    bare = [name for name, seen in wires.observe(scope, there).items() if seen.owner is None]
    powers = {name: ON if (node := now[name].node) and node.is_alive else NEVER for name in bare}
    aliases = [of_container(now[name].any, powers[name]) for name in bare]
    for error in label(scope, there, aliases).values():
        if error is not None:
            raise error
    return now


def _placed(
    scope: Scope,
    pods: dict[str, Pod],
    items: Sequence[T],
    ends: Sequence[Endpoint],
    work: Callable[[list[tuple[T, Namespace]]], Sequence[R]],
) -> list[R | LabprovError]:
    """Do *work* for the items whose nodes have a place; the error of the others is that they have none."""
    found = places(scope, pods, {end.node for end in ends})
    present = [(item, found[end.node]) for item, end in zip(items, ends, strict=True) if end.node in found]
    answers = iter(work(present) if present else [])
    return [next(answers) if end.node in found else missing(scope, end) for end in ends]
