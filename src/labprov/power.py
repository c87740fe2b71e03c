"""Starting and stopping the nodes of a live lab."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from labprov.engine import NodeState, ObservedNode
from labprov.errors import LabprovError
from labprov.events import Event, EventKind
from labprov.operation import Operation, no_node
from labprov.report import Report

OFF = frozenset({NodeState.STOPPED, NodeState.DEFINED})
"""States in which a node was off before anybody stopped it."""


def start(operation: Operation, nodes: Collection[str]) -> Report:
    """Start *nodes* (none named: all) with all that they need to run, and wait until they are ready."""
    sources = operation.look(None, use_saved=True)
    desired = operation.deployed(sources)
    touch = frozenset(nodes or (node.name for node in desired.machines))
    for name in nodes:
        if not desired.is_machine(name):
            raise no_node(operation.lab, name, (node.name for node in desired.machines))
    plan = operation.decide(sources, desired, touch=touch)
    return operation.wait(plan, operation.execute(plan, sources))


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
    stopped: list[str] = []
    failures: list[LabprovError] = []
    for node, outcome in _stop(operation, chosen, sources.prefix, grace):
        if isinstance(outcome, LabprovError):
            failures.append(outcome)
        elif node.state not in OFF:
            stopped.append(node.node)
            operation.emit(Event(kind=EventKind.NODE_STOPPED, lab=operation.lab, node=node.node))
    return Report(lab=operation.lab, operation="stop", stopped=tuple(stopped), failures=tuple(failures))


def _stop(
    operation: Operation, nodes: list[ObservedNode], prefix: str, grace: float
) -> list[tuple[ObservedNode, LabprovError | None]]:
    outcomes: list[tuple[ObservedNode, LabprovError | None]] = []
    for name in sorted({node.provider for node in nodes}):
        batch = [node for node in nodes if node.provider == name]
        answers = operation.plugins.provider(name).stop_nodes(operation.scope(prefix), batch, grace)
        outcomes += zip(batch, answers, strict=True)
    return outcomes


def restart(operation: Operation, nodes: Collection[str], *, graceful: bool) -> Report:
    """Stop *nodes* and start them again."""
    stopped = stop(operation, nodes, graceful=graceful)
    started = start(operation, nodes)
    return evolve(
        started,
        operation="restart",
        stopped=stopped.stopped,
        failures=(*stopped.failures, *started.failures),
    )
