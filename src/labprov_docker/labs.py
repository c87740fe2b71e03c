"""What is looked at before a lab, what belongs to it and to none of its nodes."""

from __future__ import annotations

from collections.abc import Sequence

from labprov import wires
from labprov.engine import NodeSpec, Scope
from labprov.errors import LabprovError
from labprov.hookspecs import hookimpl
from labprov.model import Topology
from labprov.parallel import side_by_side
from labprov_docker import networks
from labprov_docker.accepting import problem
from labprov_docker.address import NAME
from labprov_docker.client import client
from labprov_docker.containers import listed
from labprov_docker.delays import startup_delay
from labprov_docker.facts import Engine, engine
from labprov_docker.holder import ensure_image
from labprov_docker.hostports import taken
from labprov_docker.power import remove_container
from labprov_docker.translation import translated


@hookimpl
def labprov_accept_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Read each node as it will be read when it is made; see whether it can have links."""
    there = engine(scope)
    return [_problem(spec, there) or (taken(scope, spec) if there.can_enter else None) for spec in nodes]


def _problem(spec: NodeSpec, there: Engine) -> LabprovError | None:
    found = problem(spec, local=there.local)
    if found is not None:
        return found
    try:
        startup_delay(spec.node)
    except LabprovError as error:
        return error
    if not spec.ports or there.links is None:
        return None
    return type(there.links)(there.links.message, remedy=there.links.remedy)


@hookimpl
def labprov_prepare_lab(scope: Scope, topology: Topology) -> bool:
    """Have the holders' image and the management network."""
    with translated(lab=scope.lab):
        ensure_image(client(scope))
    networks.prepare(scope, topology)
    return True


@hookimpl
def labprov_remove_lab(scope: Scope) -> bool:
    """Remove whatever container, network, bridge or port is labelled with the lab."""
    found = [
        item
        for item in listed(scope, f"lab={scope.lab}", f"workspace={scope.workspace_id}")
        if not item.is_copy
    ]
    errors = [item for item in side_by_side(found, lambda item: remove_container(scope, item.id)) if item]
    for work in (networks.remove, _remove_wires):
        try:
            work(scope)
        except LabprovError as error:
            errors.append(error)
    if errors:
        errors[0].message += "".join(f"; {error.message}" for error in errors[1:])
        raise errors[0]
    return True


def _remove_wires(scope: Scope) -> None:
    if engine(scope).can_enter:
        wires.remove_lab(scope, NAME)
