"""Nodes: made, started, stopped, removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from labprov import wires
from labprov.engine import NodeSpec, ObservedNode, Scope
from labprov.errors import EngineFailure, LabprovError, NodeNotFound
from labprov.hookspecs import hookimpl
from labprov.parallel import side_by_side
from labprov.wires.alias import OFF, ON
from labprov_docker import network
from labprov_docker.batch import Batch
from labprov_docker.client import client
from labprov_docker.containers import HOLDER, NODE, PAUSED, RESTARTING, Pod, of_lab, pods_of_lab
from labprov_docker.delays import startup_delay
from labprov_docker.facts import engine
from labprov_docker.labelling import label, of_container, of_spec
from labprov_docker.making import Making
from labprov_docker.output import last_lines
from labprov_docker.places import places
from labprov_docker.power import end_container, remove_container, start_container
from labprov_docker.reading import flag
from labprov_docker.translation import translated


@hookimpl
def labprov_create_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Make holders, running, and the nodes' containers, not started.

    Images come first, so that nothing is taken away for a node that can't be made.
    """
    batch = Batch(scope.lab, nodes)
    making = Making(scope, pods_of_lab(scope), batch)
    try:
        making.pull(nodes)
        if any(network.has_holder(spec.node) for spec in batch.left):
            making.need_holders()
        making.unplug()
        batch.each(making.hold)
        new = making.label()
        batch.each(making.contain)
        making.plug([spec for spec in batch.left if spec.replaces is not None], new)
    finally:
        making.undo()
    return batch.outcomes


# ---------------------------------------------------------------------------------------------------------
# Start


@hookimpl
def labprov_start_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Run the containers, each in the namespace of its running holder; make what of them is missing."""
    found = pods_of_lab(scope)
    batch = Batch(scope.lab, nodes)
    batch.each(lambda spec: _check(found.get(spec.name), spec))
    idle = [spec for spec in batch.left if not _runs(found[spec.name])]
    making = Making(scope, found, batch)
    _complete(found, batch, making, idle)
    if engine(scope).can_enter:
        there = places(scope, pods_of_lab(scope), [spec.name for spec in batch.left])
        batch.take(label(scope, there, [of_spec(spec, ON) for spec in batch.left]))
    _run(scope, found, batch, making)
    _see(scope, batch, {spec.name for spec in idle})
    return batch.outcomes


def _check(pod: Pod | None, spec: NodeSpec) -> None:
    """See that there is something to start.

    :raises NodeNotFound: there is nothing of the node.
    :raises EngineFailure: it has no holder any more.
    """
    if pod is None:
        raise NodeNotFound("there is no container of it", node=spec.name, remedy="Deploy the lab.")
    if pod.holder is None and network.has_holder(spec.node) and not _runs(pod):
        raise EngineFailure(
            "the container that held its network is gone", node=spec.name, remedy="Deploy the lab."
        )


def _runs(pod: Pod) -> bool:
    return pod.node is not None and (pod.node.is_alive or pod.node.state == RESTARTING)


def _complete(found: Mapping[str, Pod], batch: Batch, making: Making, idle: Sequence[NodeSpec]) -> None:
    """Have holders run, with their ports, and containers be there."""

    def left(test: Callable[[Pod], bool]) -> list[NodeSpec]:
        good = {spec.name for spec in batch.left}
        return [spec for spec in idle if spec.name in good and test(found[spec.name])]

    batch.each(making.start_holder, left(lambda pod: pod.holder is not None and not pod.holder.is_alive))
    new = making.label()
    making.plug(left(lambda pod: True), new)
    lacking = left(lambda pod: pod.node is None or pod.is_parted)
    if lacking:
        making.pull(lacking)
        batch.each(making.clear, left(lambda pod: pod.node is not None and pod.is_parted))
        batch.each(making.contain, left(lambda pod: pod.node is None or pod.is_parted))


def _run(scope: Scope, found: Mapping[str, Pod], batch: Batch, making: Making) -> None:
    """Start what does not run, those that shall wait last; a paused one goes on."""
    begin = time.monotonic()

    def start(spec: NodeSpec) -> None:
        node = found[spec.name].node
        if node is not None and node.state == PAUSED:
            with translated(lab=scope.lab, node=spec.name):
                client(scope).unpause(node.id)
            return
        if _runs(found[spec.name]):
            return
        time.sleep(max(0.0, begin + startup_delay(spec.node) - time.monotonic()))
        start_container(scope, making.containers[spec.name], spec.name)

    batch.each(start, sorted(batch.left, key=lambda spec: startup_delay(spec.node)))


def _see(scope: Scope, batch: Batch, started: set[str]) -> None:
    """See that what was started is there; a command that ended well at once has run."""
    found = pods_of_lab(scope)

    def see(spec: NodeSpec) -> None:
        node = found.get(spec.name, Pod()).node
        if node is None:
            if flag(spec.node, "auto-remove"):
                return
            raise EngineFailure("it vanished when it was started", node=spec.name, remedy="Start it again.")
        if _runs(found[spec.name]) or node.exit_code == 0:
            return
        said = last_lines(scope, node)
        raise EngineFailure(
            f"it ended as soon as it was started (exit {node.exit_code})" + (f": {said}" if said else ""),
            node=spec.name,
            remedy="Correct its image or its command.",
        )

    batch.each(see, [spec for spec in batch.left if spec.name in started])


# ---------------------------------------------------------------------------------------------------------
# Stop


@hookimpl
def labprov_stop_nodes(
    scope: Scope, nodes: Sequence[ObservedNode], grace: float
) -> list[LabprovError | None]:
    """Write that it is on purpose, then end the processes; holders go on, and hold the links."""
    found = pods_of_lab(scope)
    targets = [found.get(node.node, Pod()).node for node in nodes]
    outcomes: list[LabprovError | None] = [None] * len(nodes)
    if engine(scope).can_enter:
        there = places(scope, found, [node.node for node in nodes])
        aliases = [of_container(target, OFF) for target in targets if target is not None]
        said = label(scope, there, aliases)
        outcomes = [said.get(node.node) for node in nodes]

    def stop(number: int) -> None:
        target = targets[number]
        if outcomes[number] is None and target is not None and not target.is_new:
            end_container(scope, target.id, grace, nodes[number].node)

    for number, outcome in enumerate(side_by_side(range(len(nodes)), stop)):
        outcomes[number] = outcomes[number] or outcome
    return outcomes


# ---------------------------------------------------------------------------------------------------------
# Remove


@hookimpl
def labprov_remove_nodes(scope: Scope, nodes: Sequence[ObservedNode]) -> list[LabprovError | None]:
    """Remove containers, then ports, then holders: while a holder is there, a kill loses nothing."""
    wanted = {(scope.workspace_id, node.prefix, node.lab, node.node) for node in nodes}
    parts = [item for item in of_lab(scope) if item.identity in wanted]
    errors: dict[str, LabprovError] = {}

    def remove(role: str) -> None:
        todo = [item for item in parts if item.label("role") == role and item.label("node") not in errors]
        done = side_by_side(todo, lambda item: remove_container(scope, item.id, item.label("node")))
        for item, outcome in zip(todo, done, strict=True):
            if outcome is not None:
                errors[item.label("node")] = outcome

    remove(NODE)
    if engine(scope).can_enter:
        wires.remove_ports(scope, [node.node for node in nodes if node.node not in errors])
    remove(HOLDER)
    return [errors.get(node.node) for node in nodes]
