"""Whose a namespace is, and whether its node shall run: the alias of its ``lo``, as on every provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labprov import wires
from labprov.engine import Namespace, NodeSpec, Scope
from labprov.errors import LabprovError
from labprov.wires import SpaceAlias
from labprov.wires import alias as words
from labprov_docker.containers import LABEL, Container


def of_spec(spec: NodeSpec, power: str) -> SpaceAlias:
    """The alias for a node that is wanted."""
    return _alias(spec.labels, power)


def of_container(container: Container, power: str) -> SpaceAlias:
    """The alias for a node that is there, by its container's labels."""
    return _alias(container.labels, power)


def _alias(labels: Mapping[str, str], power: str) -> SpaceAlias:
    said = {
        key: labels.get(LABEL + key, "")
        for key in ("lab", "node", "prefix", "workspace", "kind", "definition")
    }
    return SpaceAlias(role=words.NODE, power=power, **said)


def label(
    scope: Scope, places: Mapping[str, Namespace], aliases: Sequence[SpaceAlias]
) -> dict[str, LabprovError | None]:
    """Write the aliases of those nodes that have a place; outcomes by node."""
    items = [(places[alias.node], alias) for alias in aliases if alias.node in places]
    outcomes = wires.label(scope, items)
    return {alias.node: outcome for (_, alias), outcome in zip(items, outcomes, strict=True)}
