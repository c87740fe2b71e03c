"""Starting and stopping the nodes of a live lab."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from labprov.dispatch import dispatch, failure
from labprov.engine import NodeState
from labprov.errors import LabprovError
from labprov.events import Event, EventKind
from labprov.operation import Operation, no_node
from labprov.plan import Plan
from labprov.report import Report

OFF = frozenset({NodeState.STOPPED, NodeState.DEFINED})
"""States in which a node was off before anybody stopped it."""


def start(operation: Operation, nodes: Collection[str]) -> tuple[Plan, Report]:
    """Start *nodes* (none named: all) with all that they need to run."""
    sources = operation.look(None, use_saved=True)
    desired = operation.deployed(sources)
    touch = frozenset(nodes or (node.name for node in desired.machines))
    for name in nodes:
        if not desired.is_machine(name):
            raise no_node(operation.lab, name, (node.name for node in desired.machines))
    plan = operation.decide(sources, desired, touch=touch)
    return plan, operation.execute(plan, sources)


def stop(operation: Operation, nodes: Collection[str], *, graceful: bool) -> Report:
    """Stop *nodes* (none named: all); what is asked of a node that is off already is nothing."""
    sources = operation.look(None, use_saved=True)
    there = operation.there(sources)
    known = set(there) | {node.name for node in (sources.desired.machines if sources.desired else ())}
    for name in nodes:
        if name not in known:
            raise no_node(operation.lab, name, known)
    chosen = [there[name] for name in (nodes or sorted(there)) if name in there]
    grace = operation.settings.timeouts.stop if graceful else 0.0
    outcomes = dispatch(
        operation.plugins,
        chosen,
        lambda node: node.provider,
        lambda provider, batch: provider.stop_nodes(operation.scope(sources.prefix), batch, grace),
    )
    stopped: list[str] = []
    failures: list[LabprovError] = []
    for node, outcome in zip(chosen, outcomes, strict=True):
        error = failure(outcome, lab=operation.lab, node=node.node)
        if error is not None:
            failures.append(error)
        elif node.state not in OFF:
            stopped.append(node.node)
            operation.emit(Event(kind=EventKind.NODE_STOPPED, lab=operation.lab, node=node.node))
    return Report(lab=operation.lab, operation="stop", stopped=tuple(stopped), failures=tuple(failures))


def restart(operation: Operation, nodes: Collection[str], *, graceful: bool) -> tuple[Plan, Report]:
    """Stop *nodes* and start them again."""
    stopped = stop(operation, nodes, graceful=graceful)
    plan, started = start(operation, nodes)
    report = evolve(
        started,
        operation="restart",
        stopped=stopped.stopped,
        failures=(*stopped.failures, *started.failures),
    )
    return plan, report
