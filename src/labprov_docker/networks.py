"""The management network: one for each lab, which the engine runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

from labprov.engine import LabResource, Scope
from labprov.errors import EngineFailure, ForeignResource
from labprov.model import Mgmt, Node, Topology
from labprov_docker import network
from labprov_docker.address import NAME
from labprov_docker.client import client
from labprov_docker.containers import HOLDER, LABEL, NETWORK, Pod, listed
from labprov_docker.translation import translated

USUAL_IPV4, USUAL_IPV6 = "172.20.20.0/24", "3fff:172:20:20::/64"
"""containerlab's own, which files mean that give nodes addresses and say nothing of the subnet."""
NAMED = "named"
"""The label of a network that the topology gave a name: labs may share it, and it is no lab's own."""
AUTO = "auto"
_BRIDGE_NAME = "com.docker.network.bridge.name"
_MTU = "com.docker.network.driver.mtu"


def _key(scope: Scope) -> str:
    return f"docker-network {scope.lab}"


def own_name(scope: Scope) -> str:
    """What the lab's network is called, where the topology does not say; labels decide whose it is."""
    digest = hashlib.sha256(f"{scope.workspace_id}\0{scope.lab}".encode()).hexdigest()[:6]
    return f"labprov-{scope.lab}-{digest}"


def resources(scope: Scope) -> list[LabResource]:
    """The networks that are labs' own, in one request."""
    label = "lab" if scope.lab is None else f"lab={scope.lab}"
    return [
        LabResource(
            lab=found["Labels"][LABEL + "lab"],
            provider=NAME,
            role=NETWORK,
            name=found["Name"],
            workspace=found["Labels"].get(LABEL + "workspace", ""),
        )
        for found in _networks(scope, label, f"role={NETWORK}")
    ]


def _networks(scope: Scope, *labels: str) -> list[dict[str, Any]]:
    with translated(lab=scope.lab):
        found: list[dict[str, Any]] = client(scope).networks(
            filters={"label": [LABEL + label for label in labels]}
        )
    return found


def management_address(pod: Pod) -> str | None:
    """The node's address on its management network, IPv4 before IPv6; None where it has none now."""
    for part in pod.parts:
        for key in ("IPAddress", "GlobalIPv6Address"):
            for end in part.networks.values():
                if end.get(key):
                    return str(end[key])
    return None


def prepare(scope: Scope, topology: Topology) -> None:
    """Have the network that the lab's nodes are managed over.

    :raises Conflict: its subnet or its bridge's name is taken.
    :raises LabprovError: the engine can't make it.
    """
    if not any(network.mode(node) == "" for node in topology.machines if node.provider in (None, NAME)):
        return  # none of its nodes is on it
    name = _prepared(scope, topology)
    # what nodes are created with in this operation; a later one prepares again
    scope.host.connection(_key(scope), lambda: _kept(name))


@contextmanager
def _kept(name: str) -> Iterator[str]:
    yield name


def _prepared(scope: Scope, topology: Topology) -> str:
    mgmt = topology.mgmt or Mgmt()
    if mgmt.network is None:
        mine = _networks(scope, f"lab={scope.lab}", f"workspace={scope.workspace_id}", f"role={NETWORK}")
        if mine:
            return str(mine[0]["Name"])
        return _made(scope, own_name(scope), mgmt, topology.machines)
    with translated(lab=scope.lab):
        # the filter finds parts of names as well
        there = [found["Name"] for found in client(scope).networks(names=[mgmt.network])]
    if mgmt.network not in there:
        _made(scope, mgmt.network, mgmt, topology.machines)
    return mgmt.network


def _made(scope: Scope, name: str, mgmt: Mgmt, nodes: Sequence[Node]) -> str:
    from docker.types import IPAMConfig, IPAMPool

    v4, v6 = subnet(mgmt, nodes, 4), subnet(mgmt, nodes, 6)
    pools = [
        IPAMPool(
            subnet=str(ip_network(found, strict=False)),
            gateway=_setting(mgmt, f"ipv{version}-gw"),
            iprange=_setting(mgmt, f"ipv{version}-range"),
        )
        for version, found in ((4, v4), (6, v6))
        if found
    ]
    labels = {LABEL + "workspace": scope.workspace_id, LABEL + "role": NETWORK}
    labels |= {LABEL + NAMED: "yes"} if mgmt.network else {LABEL + "lab": scope.lab or ""}
    options = {_BRIDGE_NAME: mgmt.bridge, _MTU: _setting(mgmt, "mtu")}
    with translated(lab=scope.lab):
        said = client(scope).create_network(
            name,
            driver="bridge",
            options={key: value for key, value in options.items() if value},
            ipam=IPAMConfig(pool_configs=pools) if pools else None,
            check_duplicate=True,
            enable_ipv6=bool(v6),
            labels=labels,
        )
    if said.get("Warning"):
        raise EngineFailure(f"the management network {name}: {said['Warning']}", lab=scope.lab)
    return name


def _setting(mgmt: Mgmt, key: str) -> str | None:
    found = mgmt.settings.get(key)
    return str(found) if found else None


def subnet(mgmt: Mgmt, nodes: Sequence[Node], version: int) -> str | None:
    """The subnet of the management network; None leaves it to the engine, or to IPv4 alone.

    Nodes that want addresses of containerlab's usual subnet, in a topology that names none, get that.
    """
    said = mgmt.ipv4_subnet if version == 4 else mgmt.ipv6_subnet
    if said and said != AUTO:
        return said
    usual = ip_network(USUAL_IPV4 if version == 4 else USUAL_IPV6)
    asked = [found for node in nodes if (found := network.address(node, version)) is not None]
    return str(usual) if asked and all(found in usual for found in asked) else None


def used(scope: Scope) -> str:
    """The name of the network that nodes are created on in this operation.

    :raises EngineFailure: there is none; it was not prepared.
    """

    def search() -> str:
        mine = _networks(scope, f"lab={scope.lab}", f"workspace={scope.workspace_id}", f"role={NETWORK}")
        if not mine:
            raise EngineFailure(
                "the management network is gone", lab=scope.lab, remedy="Deploy the lab again."
            )
        return str(mine[0]["Name"])

    return scope.host.connection(_key(scope), lambda: _kept(search()))


def remove(scope: Scope) -> None:
    """Remove the lab's network, and networks with names that no lab of the workspace uses any more.

    :raises ForeignResource: a container that is not the lab's is on it.
    """
    workspace = f"workspace={scope.workspace_id}"
    found = _networks(scope, workspace, f"role={NETWORK}")
    mine = [item for item in found if item["Labels"].get(LABEL + "lab") == scope.lab]
    named = [item for item in found if LABEL + NAMED in item["Labels"]]
    busy = _busy(scope) if named else frozenset()
    for item in (*mine, *(item for item in named if item["Name"] not in busy)):
        _remove(scope, item)


def _busy(scope: Scope) -> frozenset[str]:
    """The networks that containers of labprov's are on, running or not."""
    holders = listed(scope, f"role={HOLDER}")
    return frozenset(name for item in holders for name in item.networks)


def _remove(scope: Scope, item: Mapping[str, Any]) -> None:
    from docker.errors import APIError, NotFound

    with translated(lab=scope.lab):
        try:
            client(scope).remove_network(item["Id"])
        except NotFound:
            return
        except APIError as error:
            if "active endpoints" not in str(error.explanation):
                raise
            if LABEL + NAMED not in item["Labels"]:  # else somebody else uses it, and may
                raise _in_use(scope, item) from error


def _in_use(scope: Scope, item: Mapping[str, Any]) -> ForeignResource:
    with translated(lab=scope.lab):
        on_it = client(scope).inspect_network(item["Id"]).get("Containers") or {}
    names = ", ".join(sorted(end["Name"] for end in on_it.values()))
    return ForeignResource(
        f"containers that are not the lab's are on its management network {item['Name']}: {names}",
        lab=scope.lab,
        remedy=f"Disconnect them (docker network disconnect {item['Name']} …), then destroy again.",
    )
