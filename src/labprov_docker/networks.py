"""The management network: one for each lab, which the engine runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from labprov.engine import LabResource, Scope
from labprov.errors import Conflict, EngineFailure, ForeignResource
from labprov.model import Mgmt, Node, Topology
from labprov_docker import network, subnets
from labprov_docker.address import NAME
from labprov_docker.client import client
from labprov_docker.containers import HOLDER, LABEL, NETWORK, Pod, listed
from labprov_docker.translation import translated

NAMED = "named"
"""The label of a network that the topology gave a name: labs may share it, and it is no lab's own."""
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

    :raises Conflict: its subnet or its bridge's name is taken, or the one that is there can't serve.
    :raises InvalidInput: a node asks for an address that it can't have there.
    :raises LabprovError: the engine can't make it.
    """
    ours = [node for node in topology.machines if node.provider in (None, NAME)]
    nodes = [node for node in ours if network.mode(node) == ""]
    if not nodes:
        return  # none of its nodes is on it
    name = _prepared(scope, topology.mgmt or Mgmt(), nodes)
    # what nodes are created with in this operation; a later one prepares again
    scope.host.connection(_key(scope), lambda: nullcontext(name))


def _prepared(scope: Scope, mgmt: Mgmt, nodes: Sequence[Node]) -> str:
    if mgmt.network is None:
        mine = _networks(scope, f"lab={scope.lab}", f"workspace={scope.workspace_id}", f"role={NETWORK}")
        if mine:
            _check(scope, mine[0], mgmt, nodes)
            return str(mine[0]["Name"])
        return _made(scope, own_name(scope), mgmt, nodes)
    if not _is_there(scope, mgmt.network):
        try:
            _made(scope, mgmt.network, mgmt, nodes)
        except Conflict:
            if not _is_there(scope, mgmt.network):  # else another lab has made it meanwhile
                raise
    return mgmt.network


def _is_there(scope: Scope, name: str) -> bool:
    with translated(lab=scope.lab):
        # the filter finds parts of names as well
        return name in [found["Name"] for found in client(scope).networks(names=[name])]


def _check(scope: Scope, found: Mapping[str, Any], mgmt: Mgmt, nodes: Sequence[Node]) -> None:
    """See that the network that is there serves what is wanted: it can't change while nodes are on it.

    :raises Conflict: it does not.
    """
    there = [subnets.parsed(item) for item in _pools(found)]
    wanted = [item for version in (4, 6) if (item := subnets.said(mgmt, version)) is not None]
    missing = [item for item in wanted if subnets.parsed(item) not in there]
    asked = [address for node in nodes for v in (4, 6) if (address := network.address(node, v)) is not None]
    outside = [str(address) for address in asked if not any(address in pool for pool in there)]
    if missing or outside:
        raise Conflict(
            f"the lab's management network {found['Name']} has {', '.join(map(str, there)) or 'no subnet'},"
            f" and not {', '.join((*missing, *outside))}",
            lab=scope.lab,
            remedy="Take the change back, or destroy the lab and deploy it.",
        )


def _pools(found: Mapping[str, Any]) -> list[str]:
    """The subnets of a network."""
    return [pool["Subnet"] for pool in found["IPAM"]["Config"] or () if pool.get("Subnet")]


def _made(scope: Scope, name: str, mgmt: Mgmt, nodes: Sequence[Node]) -> str:
    subnets.check_addresses(mgmt, nodes)
    v4, v6 = subnets.subnet(mgmt, nodes, 4), subnets.subnet(mgmt, nodes, 6)
    if v4 is not None:
        return _make(scope, name, mgmt, v4, v6)
    with translated(lab=scope.lab):
        taken = [pool for item in client(scope).networks() for pool in _pools(item)]
    for candidate in subnets.free(taken):
        try:
            return _make(scope, name, mgmt, candidate, v6)
        except Conflict as error:
            if "overlap" not in error.message:  # with a route of the host's, of which the engine knows
                raise
    raise Conflict(
        "no subnet is left for the lab's management network",
        lab=scope.lab,
        remedy="Destroy labs, remove networks (docker network prune), or name one in mgmt.ipv4-subnet.",
    )


def _make(scope: Scope, name: str, mgmt: Mgmt, v4: str, v6: str | None) -> str:
    from docker.types import IPAMConfig, IPAMPool

    pools = [
        IPAMPool(
            subnet=str(subnets.parsed(found)),
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

    return scope.host.connection(_key(scope), lambda: nullcontext(search()))


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
