"""Ends and where their nodes are: what is there is worked on in one batch, the rest has its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from labprov.engine import Namespace, Scope
from labprov.errors import LabprovError, NodeNotFound
from labprov.model import Endpoint

T = TypeVar("T")
R = TypeVar("R")


def at_places(
    scope: Scope,
    items: Sequence[tuple[Endpoint, T]],
    places: Mapping[str, Namespace],
    work: Callable[[list[tuple[T, Namespace]]], Sequence[R]],
) -> list[R | LabprovError]:
    """Do *work* for the items whose nodes are there; the error of the others is that they are not.

    :param items: each with its end.
    :param places: the namespaces of the lab's nodes, by node.
    :param work: one batch; gives an outcome for each.
    :returns: one outcome for each of *items*, in their order.
    """
    present = [(item, places[end.node]) for end, item in items if end.node in places]
    answers = iter(work(present) if present else ())
    return [next(answers) if end.node in places else no_place(scope, end) for end, _ in items]


def no_place(scope: Scope, end: Endpoint) -> NodeNotFound:
    """The error for an end whose node has no network namespace."""
    return NodeNotFound(
        "the node has no network namespace",
        lab=scope.lab,
        node=end.node,
        interface=end.interface,
        remedy="Deploy the lab.",
    )
