"""Where nodes' network namespaces are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from labprov.engine import Namespace, Scope
from labprov.errors import LabprovError
from labprov.parallel import side_by_side
from labprov_docker.client import client
from labprov_docker.containers import Pod
from labprov_docker.processes import first_processes, started
from labprov_docker.translation import translated


def processes(scope: Scope, ids: Collection[str]) -> dict[str, int]:
    """The first processes of the containers with *ids* that run: pid by the container's id.

    They are found in ``/proc``; only of one that can't be seen there is the engine asked.

    :raises Unavailable: the engine can't be asked.
    """
    found = first_processes(ids)
    hidden = [item for item in ids if item not in found]
    for item, pid in zip(hidden, side_by_side(hidden, lambda item: _asked(scope, item)), strict=True):
        if isinstance(pid, LabprovError):
            raise pid
        if pid:
            found[item] = pid
    return found


def _asked(scope: Scope, container: str) -> int:
    """The first process of one container, 0 where there is none any more."""
    from docker.errors import NotFound

    with translated(lab=scope.lab):
        try:
            return int(client(scope).inspect_container(container)["State"]["Pid"])
        except NotFound:
            return 0


def alive(pods: Iterable[Pod]) -> list[str]:
    """The ids of all containers of *pods* that run."""
    return [part.id for pod in pods for part in pod.parts if part.is_alive]


def is_apart(pod: Pod, pids: Mapping[str, int]) -> bool:
    """Whether the node runs, and not in the network of a holder that runs: a restart would part them.

    Its links are whole as long as it runs; its management interface is gone with the holder that it had.
    """
    if pod.node is None or not pod.node.is_alive or not pod.node.is_held:
        return False
    if pod.holder is None or not pod.holder.is_alive or pod.is_parted:
        return True
    holder, node = pids.get(pod.holder.id), pids.get(pod.node.id)
    return holder is not None and node is not None and started(node) < started(holder)


def place(pod: Pod, pids: Mapping[str, int]) -> Namespace | None:
    """The pod's network namespace, by a process in it; None where nothing of it runs.

    It is the holder's, but where the node has run since before its holder was started (a second time): then
    the node still lives in the old one.
    """
    holder, node = (pids.get(item.id) if item else None for item in (pod.holder, pod.node))
    if pod.node is not None and not pod.node.is_held:
        return None  # it has the host's network, or another node's, and no place of its own
    if node is not None and (holder is None or is_apart(pod, pids)):
        return _of(node)
    return None if holder is None else _of(holder)


def _of(pid: int) -> Namespace:
    return Namespace(f"/proc/{pid}/ns/net")


def places(scope: Scope, pods: Mapping[str, Pod], nodes: Iterable[str]) -> dict[str, Namespace]:
    """The places of *nodes* that have one, by node."""
    wanted = {node: pods[node] for node in nodes if node in pods}
    pids = processes(scope, alive(wanted.values()))
    found = {node: place(pod, pids) for node, pod in wanted.items()}
    return {node: where for node, where in found.items() if where is not None}
