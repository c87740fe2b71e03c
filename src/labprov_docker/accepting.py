"""What of a node can't be made, seen before anything is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from labprov.engine import NodeSpec
from labprov.errors import InvalidInput, LabprovError
from labprov.model import Node
from labprov.nodekeys import hostname, words
from labprov_docker import lifetime, mounts, network, resources
from labprov_docker.environment import environment
from labprov_docker.reading import flag, text, texts

_READERS: tuple[Callable[[Node], object], ...] = (
    lifetime.image,
    lifetime.pull_policy,
    lambda node: words(node.entrypoint, "entrypoint"),
    lambda node: words(node.cmd, "cmd"),
    environment,
    lambda node: text(node, "user"),
    lambda node: text(node, "group"),
    mounts.check_targets,
    resources.memory,
    resources.cpu_quota,
    resources.cpu_set,
    resources.shm_size,
    resources.capabilities,
    lambda node: texts(node, "security-opts"),
    resources.pid_mode,
    resources.cgroupns_mode,
    lambda node: text(node, "cgroup-parent"),
    resources.runtime,
    lambda node: flag(node, "auto-remove"),
    lifetime.restart_policy,
    lifetime.healthcheck,
    hostname,
    network.ports,
    network.dns,
    network.aliases,
)
"""What reads the node's keys when it is made; each raises where it can't."""

_NOT_WITHOUT_MANAGEMENT = ("ports", "mgmt-ipv4", "mgmt-ipv6", "aliases")
_NOT_WITH_ANOTHERS_NETWORK = (*_NOT_WITHOUT_MANAGEMENT, "dns", "hostname")


def problem(spec: NodeSpec, *, local: bool = True) -> LabprovError | None:
    """What of the node can't be made as it is written; None where all can.

    :param local: whether the engine is on this machine, so that sources of binds and devices can be looked
        at.
    :returns: one error for all that is wrong; each node's own, without its name.
    """
    found = list(_problems(spec, local))
    if len(found) < 2:
        return found[0] if found else None
    remedies = dict.fromkeys(error.remedy for error in found if error.remedy)
    return InvalidInput("; ".join(error.message for error in found), remedy=" ".join(remedies))


def _problems(spec: NodeSpec, local: bool) -> Iterator[LabprovError]:
    node = spec.node
    checks: list[Callable[[], object]] = [partial(reader, node) for reader in _READERS]
    checks += [partial(network.check_sysctls, spec), partial(_check_mode, spec)]
    checks += [partial(network.address, node, version) for version in (4, 6)]
    if local:
        checks.append(partial(mounts.check_sources, node))
    said = set()
    for check in checks:
        try:
            check()
        except LabprovError as error:
            if error.message not in said:
                yield error
            said.add(error.message)


def _check_mode(spec: NodeSpec) -> None:
    """Look whether the node asks for what its network mode rules out; Docker would drop some of it silently.

    :raises InvalidInput: it does, or has no network mode that there is.
    """
    node = spec.node
    mode = network.mode(node)
    if mode == "":
        return
    if mode == "none":
        _refuse_keys(node, mode, _NOT_WITHOUT_MANAGEMENT)
        return
    if spec.ports:
        names = ", ".join(port.end.interface for port in spec.ports)
        raise InvalidInput(
            f"with network-mode {mode} the node has no interfaces of its own, and can't have {names}",
            remedy="Leave out its links, or its network-mode.",
        )
    if any(name.startswith("net.") for name in network.sysctls(node)):
        raise InvalidInput(
            f"with network-mode {mode} the node can't have settings of its own for the network",
            remedy="Leave out its sysctls that begin with net, or its network-mode.",
        )
    _refuse_keys(node, mode, _NOT_WITHOUT_MANAGEMENT if mode == "host" else _NOT_WITH_ANOTHERS_NETWORK)


def _refuse_keys(node: Node, mode: str, keys: tuple[str, ...]) -> None:
    said = [key for key in keys if node.settings.get(key) or (key == "hostname" and node.hostname)]
    if said:
        raise InvalidInput(
            f"with network-mode {mode} the node can't have {', '.join(said)}",
            remedy=f"Leave out {', '.join(said)}, or the node's network-mode.",
        )
