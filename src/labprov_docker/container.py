"""What the engine is asked for: the configuration of a node's container, and of its holder.

Both are the body of one request, for ``docker.APIClient.create_container_from_config(config, name)``. What
has to do with the network is the holder's: it belongs to the namespace, and Docker refuses nearly all of it
to a container that joins another's. A node without a holder (``network-mode: host`` or ``container:``) has
what it can have itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from labprov.engine import NodeSpec
from labprov.model import Node
from labprov.nodekeys import hostname, words
from labprov_docker import lifetime, mounts, network, resources
from labprov_docker.environment import environment
from labprov_docker.reading import flag, text, texts

CONFIG_KEYS = frozenset(
    {
        *("image", "cmd", "entrypoint", "env", "env-files", "user", "labels", "kind", "type", "group"),
        *("binds", "volumes", "tmpfs", "devices", "shm-size"),
        *("memory", "cpu", "cpu-set", "cap-add", "privileged", "security-opts", "runtime"),
        *("cgroupns-mode", "cgroup-parent", "pid-mode", "restart-policy", "auto-remove", "healthcheck"),
        *("hostname", "ports", "dns", "network-mode", "aliases", "mgmt-ipv4", "mgmt-ipv6", "sysctls"),
    }
)
"""The containerlab keys that say what the containers are."""

NODE_KEYS = CONFIG_KEYS | {"image-pull-policy", "exec", "mgmt"}
"""All that are honoured, also what is about the image, core's own, and the lab's management network."""

HOLDER_KEYS = frozenset(
    {"ports", "dns", "hostname", "mgmt-ipv4", "mgmt-ipv6", "network-mode", "aliases", "sysctls"}
)
"""Those whose change takes a new holder, and with it new interfaces."""

_OUR_LABELS = "labprov."
_OF_THE_NODE = {"labprov.definition", "labprov.kind"}
_IPV6 = "/proc/sys/net/ipv6"


def node_config(
    spec: NodeSpec,
    *,
    network_mode: str,
    hosts: Sequence[tuple[str, str]] = (),
    containers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The container that runs the node's command.

    :param network_mode: in the engine's words: ``container:`` and the holder's id, or, for a node without a
        holder, ``host`` or the container that it names.
    :param hosts: names and addresses for ``/etc/hosts`` of a node that shares the host's network; all others
        have those of the container that they join.
    :param containers: what the lab's nodes are called in the engine, by their names, for ``pid-mode:
        container:NODE``.
    :raises InvalidInput: the node can't be made so; :func:`labprov_docker.accepting.problem` tells before.
    """
    node = spec.node
    config: dict[str, Any] = {
        "Image": lifetime.image(node),
        "Entrypoint": words(node.entrypoint, "entrypoint") or None,
        "Cmd": words(node.cmd, "cmd") or None,
        "Env": [f"{name}={value}" for name, value in _environment(spec).items()],
        "User": text(node, "user"),
        "Labels": labels(spec),
        "Tty": True,  # with an input that stays open: as for containerlab, `cmd: bash` waits and does not end
        "OpenStdin": True,
        "Healthcheck": lifetime.healthcheck(node),
        "HostConfig": {
            **_resources(node, containers or {}),
            **_mounts(node),
            "RestartPolicy": lifetime.restart_policy(node),
            "AutoRemove": flag(node, "auto-remove") is True,
            "NetworkMode": network_mode,
            "Sysctls": network.own_sysctls(node),
        },
    }
    if not network_mode.startswith(network.CONTAINER):
        config["Hostname"] = hostname(node)
        config["HostConfig"] |= {**network.dns(node), "ExtraHosts": network.extra_hosts(hosts)}
    return config


def holder_config(
    spec: NodeSpec, *, image: str, network_mode: str, hosts: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The container that owns the node's network namespace.

    Its labels say whose it is, and nothing that may change while it stays.

    :param image: what :func:`labprov_docker.holder.ensure_image` gave.
    :param network_mode: the engine's name of the management network, or ``none``.
    :param hosts: names and addresses for the node's ``/etc/hosts``.
    :raises InvalidInput: as for the node.
    """
    node = spec.node
    ports = network.bindings(network.ports(node))
    own = {name: value for name, value in spec.labels.items() if name not in _OF_THE_NODE}
    config: dict[str, Any] = {
        "Image": image,
        "Hostname": hostname(node),
        "Labels": {**own, "labprov.role": "holder"},
        "ExposedPorts": {port: {} for port in ports},
        "HostConfig": {
            **network.dns(node),
            "NetworkMode": network_mode,
            "ExtraHosts": network.extra_hosts(hosts),
            "PortBindings": ports,
            "Sysctls": _with_ipv6(network.holder_sysctls(node)),
            "RestartPolicy": {"Name": "no"},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "LogConfig": {"Type": "none"},
        },
    }
    if network_mode != "none":
        config["NetworkingConfig"] = {"EndpointsConfig": {network_mode: network.endpoint(spec)}}
    return config


def labels(spec: NodeSpec) -> dict[str, str]:
    """All labels of the node's container.

    Those that users' scripts for containerlab look for, the user's own over them, and labprov's, which
    nothing replaces.
    """
    node = spec.node
    said = {name: value for name, value in node.labels.items() if not name.startswith(_OUR_LABELS)}
    return {
        "containerlab": spec.labels["labprov.lab"],
        "clab-node-name": node.name,
        "clab-node-longname": spec.runtime_name,
        "clab-node-kind": node.kind,
        "clab-node-type": node.type or "",
        "clab-node-group": text(node, "group"),
        **said,
        **spec.labels,
    }


def _environment(spec: NodeSpec) -> dict[str, str]:
    """The node's variables, and the one that tells a virtual machine how many interfaces to expect."""
    return {"CLAB_INTFS": str(len(spec.ports)), **environment(spec.node)}


def _resources(node: Node, containers: Mapping[str, str]) -> dict[str, Any]:
    quota = resources.cpu_quota(node)
    pid_mode = resources.pid_mode(node)
    kind, colon, name = pid_mode.partition(":")
    found: dict[str, Any] = {
        **resources.capabilities(node),
        "Memory": resources.memory(node),
        "CpuQuota": quota,
        "CpuPeriod": resources.CPU_PERIOD if quota else 0,
        "CpusetCpus": resources.cpu_set(node),
        "SecurityOpt": list(texts(node, "security-opts")),
        "CgroupParent": text(node, "cgroup-parent"),
        "CgroupnsMode": resources.cgroupns_mode(node),
        "PidMode": f"{kind}:{containers.get(name, name)}" if colon else pid_mode,
    }
    if shm_size := resources.shm_size(node):
        found["ShmSize"] = shm_size
    if runtime := resources.runtime(node):
        found["Runtime"] = runtime
    return found


def _mounts(node: Node) -> dict[str, Any]:
    return {
        "Binds": [str(bind) for bind in mounts.binds(node)],
        "Mounts": mounts.volumes(node),
        "Tmpfs": mounts.tmpfs(node),
        "Devices": mounts.devices(node),
    }


def _with_ipv6(sysctls: Mapping[str, str]) -> dict[str, str]:
    """*sysctls*, and IPv6 on data interfaces, which Docker turns off with a management network that has none.

    What the node says of it itself holds; the kernel may also have no IPv6 at all.
    """
    said = any(name.endswith(".disable_ipv6") for name in sysctls)
    usual = {} if said or not os.path.isdir(_IPV6) else {"net.ipv6.conf.all.disable_ipv6": "0"}
    return {**usual, **sysctls}
