"""Where nodes' network namespaces are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from labprov.engine import Namespace, Scope
from labprov.errors import LabprovError, NodeNotFound
from labprov.model import Endpoint
from labprov_docker.client import client, side_by_side
from labprov_docker.containers import Container, Pod
from labprov_docker.processes import first_processes, started
from labprov_docker.translation import translated


def processes(scope: Scope, containers: Iterable[Container]) -> dict[str, int]:
    """The first processes of those that run: pid by the container's id.

    They are found in ``/proc``; only of one that can't be seen there is the engine asked.

    :raises Unavailable: the engine can't be asked.
    """
    alive = [item for item in containers if item.is_alive]
    found = first_processes([item.id for item in alive])

    def ask(item: Container) -> int:
        with translated(lab=scope.lab, node=item.label("node")):
            said = client(scope).containers(all=True, filters={"id": item.id})
            if not said or said[0]["State"] not in ("running", "paused"):
                return 0  # it has ended since it was listed
            return int(client(scope).inspect_container(item.id)["State"]["Pid"])

    hidden = [item for item in alive if item.id not in found]
    for item, pid in zip(hidden, side_by_side(hidden, ask), strict=True):
        if isinstance(pid, LabprovError):
            if isinstance(pid, NodeNotFound):
                continue  # and now it is gone
            raise pid
        if pid:
            found[item.id] = pid
    return found


def place(pod: Pod, pids: Mapping[str, int]) -> Namespace | None:
    """The pod's network namespace, by a process in it; None where nothing of it runs.

    It is the holder's, but where the node has run since before its holder was started (a second time): then
    the node still lives in the old one.
    """
    holder, node = (pids.get(item.id) if item else None for item in (pod.holder, pod.node))
    if pod.node is not None and pod.node.joined is None:
        return None  # it has the host's network, and no place of its own
    if node is not None and (holder is None or pod.is_parted or started(node) < started(holder)):
        return _of(node)
    return None if holder is None else _of(holder)


def _of(pid: int) -> Namespace:
    return Namespace(f"/proc/{pid}/ns/net")


def places(scope: Scope, pods: Mapping[str, Pod], nodes: Iterable[str]) -> dict[str, Namespace]:
    """The places of *nodes* that have one, by node."""
    wanted = {node: pods[node] for node in nodes if node in pods}
    pids = processes(scope, [part for pod in wanted.values() for part in pod.parts])
    found = {node: place(pod, pids) for node, pod in wanted.items()}
    return {node: where for node, where in found.items() if where is not None}


def missing(scope: Scope, end: Endpoint) -> NodeNotFound:
    """The error for an end whose node has no place."""
    return NodeNotFound(
        "the node has no network namespace",
        lab=scope.lab,
        node=end.node,
        interface=end.interface,
        remedy="Deploy the lab.",
    )


def by_end(
    found: Mapping[str, Namespace], ends: Sequence[Endpoint]
) -> list[tuple[int, Endpoint, Namespace]]:
    """Those of *ends* whose nodes have a place, with their numbers."""
    return [(number, end, found[end.node]) for number, end in enumerate(ends) if end.node in found]
