"""What exists, in labprov's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from labprov import wires
from labprov.engine import LabResource, Namespace, NodeState, Observed, ObservedNode, Scope
from labprov.hookspecs import hookimpl
from labprov.wires import Seen
from labprov.wires.alias import OFF, ON
from labprov_docker.address import NAME
from labprov_docker.containers import CONTAINER, PAUSED, RESTARTING, RUNNING, Container, Pod, listed, pods
from labprov_docker.facts import Engine, engine
from labprov_docker.networks import management_address, resources
from labprov_docker.places import alive, is_apart, place, processes

UNUSABLE = ""
"""The definition of a node that can't be started again as it is: one that nobody wants, so it is replaced."""
_ON_PURPOSE = (0, 137, 143)
"""Exit codes of what ended by itself, was killed (128 + 9), or was asked to end (128 + 15)."""


@hookimpl
def labprov_observe(scope: Scope, names: frozenset[str]) -> Observed:
    """One list of containers, one of networks; all else from the kernel and from Open vSwitch."""
    there = engine(scope)
    found = listed(scope, "lab" if scope.lab is None else f"lab={scope.lab}", everything=bool(names))
    wanted = [pod for pod in pods(found) if _is_wanted(scope, pod, names)]
    view = _look(scope, there, wanted)
    nodes = [_node(pod, view) for pod in wanted]
    foreign = [_foreign(item) for item in found if item.name in names and not item.is_ours]
    switch = wires.switch(scope, NAME) if there.can_enter else wires.Switch()
    return Observed(
        (*nodes, *foreign),
        (*resources(scope), *_stray(scope, found), *switch.resources),
        switch.foreign_ports,
    )


def _is_wanted(scope: Scope, pod: Pod, names: frozenset[str]) -> bool:
    return scope.lab in (None, pod.any.label("lab")) or (pod.node is not None and pod.node.name in names)


def _foreign(container: Container) -> ObservedNode:
    return ObservedNode(lab="", node="", provider=NAME, runtime_name=container.name, state=NodeState.FOREIGN)


def _stray(scope: Scope, found: Iterable[Container]) -> Sequence[LabResource]:
    """Containers that say they are a lab's, and are no part of a node."""
    return [
        LabResource(
            lab=item.label("lab"),
            provider=NAME,
            role=item.label("role") or "container",
            name=item.name,
            workspace=item.label("workspace"),
        )
        for item in found
        if item.label("lab") and not (item.is_ours or item.is_copy) and scope.lab in (None, item.label("lab"))
    ]


@frozen
class _View:
    """What was seen outside of the engine: processes by containers' ids, and namespaces by identities."""

    pids: Mapping[str, int]
    seen: Mapping[tuple[str, ...], Seen]


def _look(scope: Scope, there: Engine, wanted: Sequence[Pod]) -> _View:
    if not there.local:
        return _View({}, {})
    pids = processes(scope, alive(wanted))
    if not there.can_enter:
        return _View(pids, {})
    where: dict[tuple[str, ...], Namespace] = {}
    for pod in wanted:
        found = place(pod, pids)
        if found is not None:
            where[pod.any.identity] = found
    return _View(pids, wires.observe(scope, where))


def _node(pod: Pod, view: _View) -> ObservedNode:
    shown = pod.any
    seen = view.seen.get(shown.identity)
    owner = seen.owner if seen else None
    state = _state(pod, owner.power if owner else "")
    apart = is_apart(pod, view.pids)
    lost = apart or (pod.is_parted and state not in (NodeState.RUNNING, NodeState.PAUSED))
    definition = shown.label("definition") or (owner.definition if owner else "")
    return ObservedNode(
        lab=shown.label("lab"),
        node=shown.label("node"),
        provider=NAME,
        runtime_name=pod.node.name if pod.node else shown.label(CONTAINER) or shown.name,
        state=state,
        prefix=shown.label("prefix"),
        workspace=shown.label("workspace"),
        kind=shown.label("kind") or (owner.kind if owner else ""),
        definition=UNUSABLE if lost else definition,
        interfaces=seen.interfaces if seen else (),
        process=view.pids.get(pod.node.id) if pod.node else None,
        management_address=None if apart else management_address(pod),
    )


def _state(pod: Pod, power: str) -> NodeState:
    container = pod.node
    if container is None or container.is_new:
        return NodeState.DEFINED
    states = {RUNNING: NodeState.RUNNING, PAUSED: NodeState.PAUSED, RESTARTING: NodeState.STARTING}
    if container.state in states:
        return states[container.state]
    by_power = {ON: NodeState.CRASHED, OFF: NodeState.STOPPED}.get(power)
    by_code = NodeState.STOPPED if container.exit_code in _ON_PURPOSE else NodeState.CRASHED
    return by_power or by_code
