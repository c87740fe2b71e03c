"""Nodes as core hands them to the provider."""

from __future__ import annotations

from typing import Any

from labprov.engine import Alone, NodeSpec, Port
from labprov.model import Endpoint, Node

LABELS = {
    "labprov.lab": "lab",
    "labprov.node": "r1",
    "labprov.prefix": "labprov",
    "labprov.workspace": "w",
    "labprov.kind": "linux",
    "labprov.role": "node",
    "labprov.definition": "d1",
}
_ATTRIBUTES = {"kind", "type", "image", "cmd", "entrypoint", "env", "binds", "hostname", "sysctls", "labels"}


def spec_of(*interfaces: str, **keys: Any) -> NodeSpec:
    """The node r1 with these interfaces and containerlab's *keys*, their dashes as underscores."""
    said = {key.replace("_", "-"): value for key, value in keys.items()}
    attributes = {key: said.pop(key) for key in list(said) if key in _ATTRIBUTES}
    return NodeSpec(
        node=Node(name="r1", settings=said, **{"image": "busybox:1", **attributes}),
        runtime_name="labprov-lab-r1",
        definition="d1",
        labels=LABELS,
        ports=tuple(
            Port(
                end=Endpoint("r1", name), index=index, mac=f"02:00:00:00:00:{index:02x}", tag=100, far=Alone()
            )
            for index, name in enumerate(interfaces)
        ),
    )
