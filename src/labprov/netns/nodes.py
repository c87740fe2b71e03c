"""Nodes and what belongs to a lab: made, started, stopped, removed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from labprov import wires
from labprov.engine import NodeSpec, ObservedNode, Scope
from labprov.errors import LabprovError
from labprov.hookspecs import hookimpl
from labprov.model import Node, Topology
from labprov.netns import naming
from labprov.netns.facts import NAME
from labprov.nodekeys import hostname, words
from labprov.wires import NODE_VARIABLE, helper

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@hookimpl
def labprov_prepare_lab(scope: Scope, topology: Topology) -> bool:
    """Make the parking namespace."""
    helper(scope).request("prepare", lab=scope.lab)
    return True


@hookimpl
def labprov_remove_lab(scope: Scope) -> bool:
    """Remove the parking namespace with its segments, and the logs; the last lab takes the holder along."""
    folder = naming.logs(scope, scope.lab or "")
    helper(scope).request("remove_lab", lab=scope.lab, logs=str(folder))
    if scope.bridge in scope.host.interfaces():
        wires.remove_lab(scope, NAME)
    return True


@hookimpl
def labprov_create_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Make the namespaces, labelled before they are named."""
    items = [
        {
            **naming.of_spec(scope, spec),
            "sysctls": dict(spec.node.sysctls),
            "replaces": spec.replaces.runtime_name if spec.replaces else None,
        }
        for spec in nodes
    ]
    return helper(scope).batch("create", items=items)


@hookimpl
def labprov_start_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Run the commands; what can't be executed is that node's error."""
    outcomes: list[LabprovError | None] = [None] * len(nodes)
    items: dict[int, dict[str, Any]] = {}
    for number, spec in enumerate(nodes):
        try:
            items[number] = {**naming.of_spec(scope, spec), "start": _start(scope, spec)}
        except LabprovError as error:
            outcomes[number] = error
    answers = helper(scope).batch("start", items=list(items.values()))
    for number, answer in zip(items, answers, strict=True):
        outcomes[number] = answer
    return outcomes


def _start(scope: Scope, spec: NodeSpec) -> dict[str, Any]:
    node = spec.node
    return {
        "name": spec.runtime_name,
        "hostname": hostname(node),
        "argv": argv(node),
        "env": {**environment(node), NODE_VARIABLE: f"{scope.workspace_id}/{spec.runtime_name}"},
        "binds": list(node.binds),
        "sysctls": dict(node.sysctls),
        "log": str(naming.log(scope, scope.lab or "", node.name)),
    }


def argv(node: Node) -> list[str]:
    """Entrypoint and command as Docker joins them.

    :raises InvalidInput: they can't be split into words.
    """
    return [*words(node.entrypoint, "entrypoint"), *words(node.cmd, "cmd")]


def environment(node: Node) -> dict[str, str]:
    """A clean small environment, and the node's own over it."""
    base = {
        "PATH": PATH,
        "HOME": "/root" if os.geteuid() == 0 else os.path.expanduser("~"),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "HOSTNAME": hostname(node),
        "container": "labprov",
    }
    return {**base, **node.env}


@hookimpl
def labprov_stop_nodes(
    scope: Scope, nodes: Sequence[ObservedNode], grace: float
) -> list[LabprovError | None]:
    """End the processes; namespaces and interfaces stay."""
    items = [naming.of_observed(node) for node in nodes]
    return helper(scope).batch("stop", items=items, grace=grace)


@hookimpl
def labprov_remove_nodes(scope: Scope, nodes: Sequence[ObservedNode]) -> list[LabprovError | None]:
    """Remove processes, namespaces and logs."""
    items = [
        {**naming.of_observed(node), "log": str(naming.log(scope, node.lab, node.node))} for node in nodes
    ]
    outcomes = helper(scope).batch("remove", items=items)
    gone = [node for node, outcome in zip(nodes, outcomes, strict=True) if outcome is None]
    # the kernel takes the devices away; only the switch has to be told, where a link led to it
    wires.remove_ports(scope, [node.node for node in gone if any(item.device for item in node.interfaces)])
    return outcomes
