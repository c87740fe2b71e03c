"""What labprov has on Open vSwitch: one port for each end of a wire, with the wire's tag.

Measured on Open vSwitch 3.1: an access port loses STP, LACP, LLDP and every tagged frame. With the mode
``dot1q-tunnel`` on the port, ``forward-bpdu`` on the bridge and the tag among the bridge's ``flood_vlans`` (a
wire learns no addresses) every kind of frame arrives as it was sent.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from pathlib import Path

from attrs import frozen

from labprov.engine import Alone, BridgeType, Far, ForeignPort, Joined, LabResource, Port, Problem, Scope
from labprov.errors import EngineFailure, ForeignResource, LabprovError
from labprov.events import Event, EventKind
from labprov.host import Host
from labprov.model import Endpoint
from labprov.wires import ovsdb
from labprov.wires.ovsdb import BridgeRow, Changes, Database, PortRow

MODE = "dot1q-tunnel"
MODULE = Path("/sys/module/openvswitch")
"""There where the kernel has Open vSwitch's datapath; else it works in user space."""
USERSPACE, KERNEL = "netdev", "system"
BRIDGE, SHARED_BRIDGE = "bridge", "shared-bridge"
"""Roles of bridges that labprov made: a lab's own, and one that somebody named for several labs."""
_FORWARD = {"forward-bpdu": "true"}
_LAB, _NODE, _INTERFACE, _WORKSPACE, _PROVIDER, _ROLE, _FAR = (
    f"labprov.{word}" for word in ("lab", "node", "interface", "workspace", "provider", "role", "far")
)
_PORT = "port"
_WIRE, _SEGMENT, _ALONE = "wire", "segment", "alone"


@frozen
class Switch:
    """What is on the switch beside the ports of nodes.

    :param resources: bridges that labprov made for one lab.
    :param foreign_ports: ports with a tag that are not this workspace's.
    """

    resources: tuple[LabResource, ...] = ()
    foreign_ports: tuple[ForeignPort, ...] = ()


def datapath() -> str:
    """The kernel's datapath where there is one, else the one in user space."""
    return KERNEL if MODULE.exists() else USERSPACE


def on_switch(far: Far, alone: BridgeType) -> bool:
    """Whether a port that leads there is a port of the switch."""
    if far == Alone():
        return alone is BridgeType.OVS
    return isinstance(far, Joined) and far.type is BridgeType.OVS


def _ids(scope: Scope, port: Port, provider: str) -> dict[str, str]:
    kind = _ALONE
    if isinstance(port.far, Joined):
        kind = _SEGMENT if port.far.learn else _WIRE
    end = port.end
    values = (scope.lab or "", end.node, end.interface, scope.workspace_id, provider, _PORT, kind)
    names = (_LAB, _NODE, _INTERFACE, _WORKSPACE, _PROVIDER, _ROLE, _FAR)
    return dict(zip(names, values, strict=True))


def owner(row: PortRow) -> tuple[str, Endpoint, str] | None:
    """Lab, end and workspace of a port of labprov's; None for any other."""
    ids = row.ids
    if not {_LAB, _NODE, _INTERFACE} <= ids.keys():
        return None
    return ids[_LAB], Endpoint(ids[_NODE], ids[_INTERFACE]), ids.get(_WORKSPACE, "")


def _mine(scope: Scope, row: PortRow | BridgeRow) -> bool:
    return (row.ids.get(_LAB), row.ids.get(_WORKSPACE)) == (scope.lab, scope.workspace_id)


def far(database: Database, row: PortRow | None, end: tuple[str, Endpoint, str]) -> Far | None:
    """What the port really leads to; None where it is not whole: it has to be plugged again."""
    if row is None or owner(row) != end or row.mode != MODE or not row.works or row.tag is None:
        return None
    bridge = database.bridges[row.bridge]
    kind = row.ids.get(_FAR)
    if kind == _SEGMENT:
        return Joined(row.bridge, BridgeType.OVS, learn=True)
    if row.tag not in bridge.flood and _ROLE in bridge.ids:
        return None
    return Alone() if kind == _ALONE else Joined(row.bridge, BridgeType.OVS)


def put(scope: Scope, ports: Sequence[tuple[Port, str]], provider: str) -> list[LabprovError | None]:
    """Have each port's device on its bridge, with its tag; all of them in one transaction.

    :param ports: each with the name of its device on the host.
    :param provider: whose nodes they belong to.
    :returns: None or an error for each.
    :raises LabprovError: the transaction failed; nothing of it was done.
    """
    if not ports:
        return []
    names = {name for _, name in ports}
    bridges = {port.far.bridge if isinstance(port.far, Joined) else scope.bridge for port, _ in ports}
    before = ovsdb.read(scope.host)
    for name in bridges:
        _check_bridge(scope, before, name)
    wanted = {(scope.lab or "", port.end, scope.workspace_id) for port, _ in ports}
    # and whatever port of the lab has lost its device: nothing can ever come through it again
    old = [row for row in before.ports.values() if owner(row) in wanted or _lost(scope, row)]

    def work(changes: Changes) -> None:
        for name in sorted(bridges):
            changes.add_bridge(_bridge(scope, name))
        for row in old:
            if row.name not in names:
                changes.remove_port(row.name)
        for port, name in ports:
            changes.put_port(_row(scope, port, name, provider))
        after = [_row(scope, port, name, provider) for port, name in ports]
        _flood(changes, before, old, after, {*bridges, *(row.bridge for row in old)})

    ovsdb.write(scope.host, work)
    return _checked(scope, ports)


def _row(scope: Scope, port: Port, name: str, provider: str) -> PortRow:
    bridge = port.far.bridge if isinstance(port.far, Joined) else scope.bridge
    return PortRow(name=name, bridge=bridge, tag=port.tag, mode=MODE, ids=_ids(scope, port, provider))


def _bridge(scope: Scope, name: str) -> BridgeRow:
    ids = {_WORKSPACE: scope.workspace_id, _ROLE: SHARED_BRIDGE if scope.shared else BRIDGE}
    if not scope.shared:
        ids[_LAB] = scope.lab or ""
    return BridgeRow(name=name, ids=ids, config=_FORWARD, datapath=datapath())


def _check_bridge(scope: Scope, database: Database, name: str) -> None:
    """See that the bridge is ours to change, or meant to be shared.

    :raises ForeignResource: it is somebody else's.
    """
    row = database.bridges.get(name)
    if row is None or (scope.shared and name == scope.bridge):
        if row is not None:
            _warn(scope, row)
        return
    if not _mine(scope, row):
        raise ForeignResource(
            f"Open vSwitch has a bridge {name} already, and it is not this lab's",
            lab=scope.lab,
            remedy=f"Remove it (ovs-vsctl del-br {name}), or deploy from the workspace it belongs to.",
        )


def _warn(scope: Scope, row: BridgeRow) -> None:
    """Say what a bridge that labprov did not make will lose, and who listens in."""
    trunks = [port.name for port in row.ports if port.tag is None and owner(port) is None]
    texts = []
    if trunks:
        texts.append(f"trunk ports of bridge {row.name} hear every link: {', '.join(sorted(trunks))}")
    if _ROLE not in row.ids and row.config.get("forward-bpdu") != "true":
        texts.append(f"bridge {row.name} drops STP, LACP, LLDP and the like (other_config:forward-bpdu)")
    for text in texts:
        scope.emit(Event(kind=EventKind.WARNING, lab=scope.lab or "", message=text))


def _flood(
    changes: Changes,
    before: Database,
    gone: Sequence[PortRow],
    put: Sequence[PortRow],
    bridges: Collection[str],
) -> None:
    """Keep the tags of wires, and only those, among the tags for which our bridges learn nothing."""
    changed = {row.name for row in (*gone, *put)}
    for name in sorted(bridges):
        bridge = before.bridges.get(name, BridgeRow(name=name, ids={_ROLE: BRIDGE}))
        if _ROLE not in bridge.ids:
            continue  # somebody else's: none of its settings is changed
        staying = [row for row in bridge.ports if row.name not in changed]
        now = [*staying, *(row for row in put if row.bridge == name)]
        wires = {row.tag for row in now if row.ids.get(_FAR) in (_WIRE, _ALONE) and row.tag is not None}
        changes.flood(name, add=wires - bridge.flood, remove=bridge.flood - wires)


def _checked(scope: Scope, ports: Sequence[tuple[Port, str]]) -> list[LabprovError | None]:
    """Look at what became of it: the switch only logs that it could not take a device."""
    now = ovsdb.read(scope.host).ports
    outcomes: list[LabprovError | None] = []
    for port, name in ports:
        row = now.get(name)
        done = row is not None and row.works and row.tag == port.tag
        outcomes.append(None if done else _refused(scope, port, name))
    return outcomes


def _refused(scope: Scope, port: Port, name: str) -> EngineFailure:
    return EngineFailure(
        f"Open vSwitch did not take the port {name}",
        lab=scope.lab,
        node=port.end.node,
        interface=port.end.interface,
        remedy=f"See `ovs-vsctl list Interface {name}` and the switch's log, then do it again.",
    )


def _lost(scope: Scope, row: PortRow) -> bool:
    """Whether it is a port of the lab whose device is gone.

    What the switch says of it won't do: it notices late that one is gone, and late that a new one is there.
    """
    return _is_port(scope, row) and not _is_device(row.name)


def _is_port(scope: Scope, row: PortRow) -> bool:
    """Whether it is a port of one of the lab's nodes."""
    return _mine(scope, row) and row.ids.get(_ROLE) == _PORT


def _is_device(name: str) -> bool:
    """Whether this process's network namespace, which is the switch's, has an interface of that name."""
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def remove(scope: Scope, ends: Collection[Endpoint] = (), nodes: Collection[str] = ()) -> None:
    """Remove the lab's ports of *ends* and *nodes* in one transaction; without a switch there are none."""
    if ovsdb.silent(scope.host) is not None:
        return
    before = ovsdb.read(scope.host)
    rows = [
        row
        for row in before.ports.values()
        if _is_port(scope, row) and (row.ids[_NODE] in nodes or _end(row) in ends)
    ]
    _take_away(scope, before, rows, ())


def remove_lab(scope: Scope, provider: str) -> frozenset[str]:
    """Remove the lab's bridge, and what ports are left of a provider whose nodes are all gone.

    A bridge that has ports of another provider's nodes stays; so does one that labprov did not make.

    :returns: the nodes that the ports were of.
    """
    if ovsdb.silent(scope.host) is not None:
        return frozenset()
    before = ovsdb.read(scope.host)
    ours = (row for row in before.ports.values() if _is_port(scope, row))
    rows = [row for row in ours if row.ids.get(_PROVIDER) == provider or _lost(scope, row)]
    _take_away(scope, before, rows, _emptied(scope, before, rows))
    return frozenset(row.ids[_NODE] for row in rows)


def _take_away(scope: Scope, before: Database, rows: Sequence[PortRow], bridges: Collection[str]) -> None:
    if not rows and not bridges:
        return

    def work(changes: Changes) -> None:
        for row in rows:
            changes.remove_port(row.name)
        _flood(changes, before, rows, (), {row.bridge for row in rows} - set(bridges))
        for name in bridges:
            changes.remove_unused(name)

    ovsdb.write(scope.host, work)


def _end(row: PortRow) -> Endpoint:
    return Endpoint(row.ids[_NODE], row.ids[_INTERFACE])


def _emptied(scope: Scope, database: Database, going: Sequence[PortRow]) -> list[str]:
    """The bridges that nobody uses any more: the lab's own, and a shared one that labprov made."""
    names = {row.name for row in going}
    found = []
    for bridge in database.bridges.values():
        own = bridge.ids.get(_ROLE) == BRIDGE and _mine(scope, bridge)
        shared = bridge.ids.get(_ROLE) == SHARED_BRIDGE and bridge.name == scope.bridge
        used = any(row.name not in names and row.name != bridge.name for row in bridge.ports)
        if (own or shared) and not used:
            found.append(bridge.name)
    return found


def look(database: Database, scope: Scope, provider: str) -> Switch:
    """The bridges of labs, and what others carry there."""
    resources = [
        LabResource(
            lab=bridge.ids[_LAB],
            provider=provider,
            role=BRIDGE,
            name=bridge.name,
            workspace=bridge.ids.get(_WORKSPACE, ""),
        )
        for bridge in database.bridges.values()
        if bridge.ids.get(_ROLE) == BRIDGE and scope.lab in (None, bridge.ids.get(_LAB))
    ]
    foreign = [
        ForeignPort(row.bridge, row.tag, row.name)
        for row in database.ports.values()
        if row.tag is not None
        and row.name not in database.bridges
        and row.ids.get(_WORKSPACE) != scope.workspace_id
    ]
    return Switch(tuple(resources), tuple(foreign))


def check(host: Host) -> Sequence[Problem]:
    """What of Open vSwitch will bite a lab's links. Read-only."""
    problem = ovsdb.silent(host)
    if problem is not None:
        return [Problem(what=problem.message, remedy=problem.remedy or "")]
    database = ovsdb.read(host)
    found = []
    if not database.version:
        found.append(
            Problem(
                what="Open vSwitch's database answers, and its switch (ovs-vswitchd) has never run",
                remedy="Start it: systemctl start openvswitch-switch.",
            )
        )
    if database.config.get("vlan-limit") == "0":
        found.append(
            Problem(
                what="Open vSwitch reads no tags inside of tags (other_config:vlan-limit=0)",
                remedy="ovs-vsctl set Open_vSwitch . other_config:vlan-limit=2 (ovn-controller writes it).",
                serious=False,
            )
        )
    return found
