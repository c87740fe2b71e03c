"""How a node is addressed towards the helper: its name and whose it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labprov.engine import Namespace, NodeSpec, ObservedNode, Scope
from labprov.wires import helper
from labprov.wires.alias import NODE

FOLDER = "/run/netns"


def place(name: str) -> Namespace:
    """The namespace called *name*; for an unprivileged user as it is seen from inside the holder."""
    return Namespace(f"{FOLDER}/{name}")


def of_spec(scope: Scope, spec: NodeSpec) -> dict[str, Any]:
    """A node that is wanted."""
    owner = {
        "role": NODE,
        "lab": scope.lab,
        "node": spec.name,
        "prefix": spec.labels.get("labprov.prefix", scope.prefix),
        "workspace": scope.workspace_id,
        "kind": spec.labels.get("labprov.kind", spec.node.kind),
        "definition": spec.definition,
    }
    return {"name": spec.runtime_name, "owner": owner}


def of_observed(node: ObservedNode) -> dict[str, Any]:
    """A node that was seen."""
    owner = {
        "role": NODE,
        "lab": node.lab,
        "node": node.node,
        "prefix": node.prefix,
        "workspace": node.workspace,
    }
    return {"name": node.runtime_name, "owner": owner}


def logs(scope: Scope, lab: str) -> Path:
    """The folder of the lab's logs."""
    return scope.workspace / "logs" / lab


def log(scope: Scope, lab: str, node: str) -> Path:
    """The node's output since it was last powered on."""
    return logs(scope, lab) / f"{node}.log"


def places(scope: Scope) -> dict[str, Namespace]:
    """Where the lab's nodes are, by their labels."""
    names: dict[str, str] = helper(scope).request("names", lab=scope.lab)
    return {node: place(name) for node, name in names.items()}
