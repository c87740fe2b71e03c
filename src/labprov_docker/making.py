"""Containers of nodes: made so that what a kill leaves is found by its labels in the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from labprov import wires
from labprov.engine import BridgeType, Namespace, NodeSpec, Scope
from labprov.errors import LabprovError
from labprov.parallel import side_by_side
from labprov.wires.alias import NEVER
from labprov_docker import images, network, networks
from labprov_docker.address import NAME
from labprov_docker.batch import Batch
from labprov_docker.client import client
from labprov_docker.container import HOLDER_KEYS, holder_config, node_config
from labprov_docker.containers import CONTAINER, HELD, LABEL, Container, Pod
from labprov_docker.facts import engine
from labprov_docker.holder import ensure_image
from labprov_docker.labelling import label, of_spec
from labprov_docker.places import alive, is_apart, processes
from labprov_docker.power import remove_container, start_container
from labprov_docker.translation import translated


class Making:
    """One call's work at the pods of a lab.

    :param pods: what there was of the lab before, by node.
    """

    def __init__(self, scope: Scope, pods: Mapping[str, Pod], batch: Batch) -> None:
        self._scope = scope
        self._pods = pods
        self._batch = batch
        self._image: str | None = None
        self._made: dict[str, list[str]] = {}
        self.holders = {node: pod.holder.id for node, pod in pods.items() if pod.holder}
        """Ids, by node."""
        self.containers = {node: pod.node.id for node, pod in pods.items() if pod.node}
        """Ids, by node."""
        self.fresh: set[str] = set()
        """Nodes whose namespaces are new: without a label yet, and without ports."""

    # -- images -------------------------------------------------------------------------------------------

    def pull(self, specs: Sequence[NodeSpec]) -> None:
        """Have the images that *specs* need, before anything is taken away for them."""
        outcomes = images.ensure(self._scope, specs)
        self._batch.take(zip((spec.name for spec in specs), outcomes, strict=True))

    def need_holders(self) -> None:
        """Have the holders' image.

        :raises LabprovError: it can't be had.
        """
        with translated(lab=self._scope.lab):
            self._image = ensure_image(client(self._scope))

    # -- holders ------------------------------------------------------------------------------------------

    def unplug(self) -> None:
        """Remove the ports of nodes whose holders go: while a holder is there, a kill loses nothing."""
        going = [spec.name for spec in self._batch.left if self._old(spec).holder and self._goes(spec)]
        if engine(self._scope).can_enter:
            wires.remove_ports(self._scope, going)

    def _old(self, spec: NodeSpec) -> Pod:
        return self._pods.get(spec.name) or Pod()

    @cached_property
    def _apart(self) -> frozenset[str]:
        """Nodes that ran elsewhere than in their holders' networks: those have no ports."""
        pids = processes(self._scope, alive(self._pods.values()))
        return frozenset(name for name, pod in self._pods.items() if is_apart(pod, pids))

    def _goes(self, spec: NodeSpec) -> bool:
        """Whether the holder that is there can't be the new node's."""
        return not _may_stay(spec) or spec.name in self._apart

    def hold(self, spec: NodeSpec) -> None:
        """Have the node's holder run, the old one where nothing of it changes."""
        pod = self._old(spec)
        if pod.node is not None:
            self._forget(spec, pod.node)
        if pod.holder is not None and self._goes(spec):
            self._forget(spec, pod.holder)
        if not network.has_holder(spec.node):
            return
        if spec.name not in self.holders:
            self._make_holder(spec)
        elif pod.holder is not None and not pod.holder.is_alive:
            self.start_holder(spec)

    def _forget(self, spec: NodeSpec, container: Container) -> None:
        remove_container(self._scope, container.id, spec.name)
        for known in (self.holders, self.containers):
            if known.get(spec.name) == container.id:
                del known[spec.name]

    def _make_holder(self, spec: NodeSpec) -> None:
        assert self._image is not None  # need_holders comes before
        mode = network.mode(spec.node) or networks.used(self._scope)
        config = holder_config(spec, image=self._image, network_mode=mode)
        config["Labels"][LABEL + CONTAINER] = spec.runtime_name
        self.holders[spec.name] = self._make(spec, config, spec.holder_name)
        self.start_holder(spec)

    def start_holder(self, spec: NodeSpec) -> None:
        """Run the holder; its network namespace is a new one."""
        start_container(self._scope, self.holders[spec.name], spec.name)
        self.fresh.add(spec.name)

    def label(self) -> dict[str, Namespace]:
        """Label the new namespaces of those that are left, in one batch; give them by node."""
        if not engine(self._scope).can_enter:
            return {}
        specs = [spec for spec in self._batch.left if spec.name in self.fresh]
        pids = processes(self._scope, [self.holders[spec.name] for spec in specs])
        places = {
            spec.name: Namespace(f"/proc/{pids[self.holders[spec.name]]}/ns/net")
            for spec in specs
            if self.holders[spec.name] in pids
        }
        self._batch.take(label(self._scope, places, [of_spec(spec, NEVER) for spec in specs]))
        return places

    def plug(self, specs: Sequence[NodeSpec], places: Mapping[str, Namespace]) -> None:
        """Make the ports of nodes whose namespaces are new, all in one batch."""
        ports = [(port, places[spec.name]) for spec in specs if spec.name in places for port in spec.ports]
        if ports:
            outcomes = wires.plug(self._scope, ports, NAME, alone=BridgeType.OVS)
            self._batch.take(
                (port.end.node, outcome) for (port, _), outcome in zip(ports, outcomes, strict=True)
            )

    def clear(self, spec: NodeSpec) -> None:
        """Remove the node's container, so that another can be made."""
        pod = self._pods[spec.name]
        if pod.node is not None:
            self._forget(spec, pod.node)

    # -- the node's own container -------------------------------------------------------------------------

    def contain(self, spec: NodeSpec) -> None:
        """Make the node's container, not started."""
        config = node_config(spec, network_mode=self._mode(spec), containers=self._names())
        if network.has_holder(spec.node):
            config["Labels"][LABEL + HELD] = spec.holder_name
        self.containers[spec.name] = self._make(spec, config, spec.runtime_name)

    def _mode(self, spec: NodeSpec) -> str:
        mode = network.mode(spec.node)
        if network.has_holder(spec.node):
            return f"{network.CONTAINER}{self.holders[spec.name]}"
        if mode.startswith(network.CONTAINER):
            name = mode.removeprefix(network.CONTAINER)
            return f"{network.CONTAINER}{self.holders.get(name) or self._names().get(name, name)}"
        return mode

    def _names(self) -> dict[str, str]:
        """What the lab's nodes are called in the engine."""
        there = {node: pod.node.name for node, pod in self._pods.items() if pod.node}
        return {**there, **{spec.name: spec.runtime_name for spec in self._batch.left}}

    def _make(self, spec: NodeSpec, config: dict[str, object], name: str) -> str:
        with translated(lab=self._scope.lab, node=spec.name):
            made = str(client(self._scope).create_container_from_config(config, name)["Id"])
        self._made.setdefault(spec.name, []).append(made)
        return made

    # -- failures -----------------------------------------------------------------------------------------

    def undo(self) -> None:
        """Remove what was made of nodes that then failed."""
        failed = [spec for spec in self._batch.failed if spec.name in self._made]
        if engine(self._scope).can_enter:
            wires.remove_ports(self._scope, [spec.name for spec in failed if spec.name in self.fresh])

        def remove(spec: NodeSpec) -> None:
            for container in reversed(self._made[spec.name]):
                remove_container(self._scope, container, spec.name)

        for spec, outcome in zip(failed, side_by_side(failed, remove), strict=True):
            if isinstance(outcome, LabprovError):
                self._batch.add(spec.name, f"what was made of it could not be removed: {outcome.message}")


def _may_stay(spec: NodeSpec) -> bool:
    """Whether the holder can be the new node's as well."""
    return spec.replaces is not None and spec.changed is not None and not spec.changed & HOLDER_KEYS
