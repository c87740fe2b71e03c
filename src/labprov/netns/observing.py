"""What exists, in labprov's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labprov.engine import LabResource, NodeState, Observed, ObservedInterface, ObservedNode, Scope
from labprov.hookspecs import hookimpl
from labprov.model import natural
from labprov.netns.facts import NAME
from labprov.wires import helper
from labprov.wires.alias import OFF, ON
from labprov.wires.ports import far


@hookimpl
def labprov_observe(scope: Scope, names: frozenset[str]) -> Observed:
    """Read everything from the kernel, with one request."""
    said = helper(scope).request("observe", lab=scope.lab, names=sorted(names))
    foreign = tuple(
        ObservedNode(lab="", node="", provider=NAME, runtime_name=name, state=NodeState.FOREIGN)
        for name in said["foreign"]
    )
    resources = tuple(LabResource(provider=NAME, **item) for item in said["resources"])
    return Observed(tuple(_node(item) for item in said["nodes"]) + foreign, resources)


def _node(said: Mapping[str, Any]) -> ObservedNode:
    interfaces = sorted(said["interfaces"], key=lambda item: natural(item["name"]))
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
        interfaces=tuple(_interface(item) for item in interfaces),
        process=said["pid"],
    )


def _state(said: Mapping[str, Any]) -> NodeState:
    if said["pid"] is not None:
        return NodeState.PAUSED if said["frozen"] else NodeState.RUNNING
    return {ON: NodeState.CRASHED, OFF: NodeState.STOPPED}.get(said["power"], NodeState.DEFINED)


def _interface(said: Mapping[str, Any]) -> ObservedInterface:
    return ObservedInterface(
        name=said["name"],
        mac=said["mac"],
        tag=said["tag"],
        far=far(said["far"]),
        mtu=said["mtu"],
        up=said["up"],
    )
