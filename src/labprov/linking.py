"""Changing the links of a live lab."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve

from labprov.dispatch import dispatch, failure
from labprov.errors import LabprovError, NodeNotFound
from labprov.model import Endpoint, Topology
from labprov.operation import Operation
from labprov.report import Report


def relink(operation: Operation, change: Callable[[Topology], Topology]) -> tuple[Report, Topology]:
    """Make the lab's links what *change* makes of its saved topology; nothing is started or made.

    :returns: the report, and the topology as it is now: when one end can't be plugged the other is put back.
    """
    sources = operation.look(None, use_saved=True)
    before = operation.deployed(sources)
    after = change(before)
    try:
        report = operation.execute(operation.decide(sources, after, touch=frozenset()), sources)
    except LabprovError:
        operation.restore(sources)
        raise
    if report.ok:
        return report, after
    operation.restore(sources)
    now = operation.look(None, use_saved=True)
    undone = operation.execute(operation.decide(now, now.desired, touch=frozenset()), now)
    return evolve(report, failures=(*report.failures, *undone.failures)), before


def set_carrier(operation: Operation, end: Endpoint, up: bool) -> Report:
    """Take the carrier of the link at *end* away, or give it back, at both ends."""
    sources = operation.look(None, use_saved=True)
    desired = operation.deployed(sources)
    link = desired.link_at.get(end)
    if link is None and end not in set(desired.endpoints):
        raise NodeNotFound(
            "there is no such interface",
            lab=operation.lab,
            node=end.node,
            interface=end.interface,
            remedy="`labprov inspect` lists those there are.",
        )
    ends = [item for item in (link.ends if link else (end,)) if desired.is_machine(item.node)]
    failures = _set_carrier(operation, desired, ends, sources.prefix, up)
    return Report(
        lab=operation.lab,
        operation=f"link {'up' if up else 'down'}",
        plugged=() if failures else tuple(ends),
        failures=tuple(failures),
    )


def _set_carrier(
    operation: Operation, topology: Topology, ends: Sequence[Endpoint], prefix: str, up: bool
) -> list[LabprovError]:
    outcomes = dispatch(
        operation.plugins,
        ends,
        lambda end: topology.by_name[end.node].provider or "",
        lambda provider, batch: provider.set_carrier(operation.scope(prefix), batch, up),
    )
    told = (
        failure(outcome, lab=operation.lab, node=end.node, interface=end.interface)
        for end, outcome in zip(ends, outcomes, strict=True)
    )
    return [error for error in told if error is not None]
