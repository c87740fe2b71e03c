"""What exists, in labprov's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labprov import wires
from labprov.engine import LabResource, NodeState, Observed, ObservedNode, Scope
from labprov.hookspecs import hookimpl
from labprov.netns.facts import NAME
from labprov.wires import helper
from labprov.wires.alias import OFF, ON


@hookimpl
def labprov_observe(scope: Scope, names: frozenset[str]) -> Observed:
    """Read everything from the kernel, with one request."""
    said = helper(scope).request("observe", lab=scope.lab, names=sorted(names))
    foreign = tuple(
        ObservedNode(lab="", node="", provider=NAME, runtime_name=name, state=NodeState.FOREIGN)
        for name in said["foreign"]
    )
    resources = tuple(LabResource(provider=NAME, **item) for item in said["resources"])
    database = wires.database(scope, [end for item in said["nodes"] for end in item["interfaces"]])
    return Observed(tuple(_node(item, database) for item in said["nodes"]) + foreign, resources)


def _node(said: Mapping[str, Any], database: wires.Database) -> ObservedNode:
    ends = ({**item, "lab": said["lab"], "node": said["node"]} for item in said["interfaces"])
    return ObservedNode(
        lab=said["lab"],
        node=said["node"],
        provider=NAME,
        runtime_name=said["runtime_name"],
        state=_state(said),
        prefix=said["prefix"],
        workspace=said["workspace"],
        kind=said["kind"],
        definition=said["definition"],
        interfaces=wires.interfaces(ends, database, said["workspace"]),
        process=said["pid"],
    )


def _state(said: Mapping[str, Any]) -> NodeState:
    if said["pid"] is not None:
        return NodeState.PAUSED if said["frozen"] else NodeState.RUNNING
    return {ON: NodeState.CRASHED, OFF: NodeState.STOPPED}.get(said["power"], NodeState.DEFINED)
