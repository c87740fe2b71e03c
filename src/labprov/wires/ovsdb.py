"""Open vSwitch's database: read in one query, changed in one transaction. What rows mean is not decided here.

Reading goes through the ``ovs`` package's JSON-RPC, which shows the database as it is now and takes a
millisecond; writing through ovsdbapp, which waits until the switch has done what was written.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen

from labprov.errors import DeadlineExceeded, EngineFailure, LabprovError, Unavailable
from labprov.host import Host

FOLDER = "/var/run/openvswitch"
OPTION = "ovsdb"
"""The host's option that says where the database is, as ``unix:PATH``."""
ANSWER_WITHIN = 10.0
"""Seconds for one answer of the database."""
DONE_WITHIN = 60.0
"""Seconds until the switch has done what was written; a port that goes takes it 13 ms."""
REMEDY = (
    "Install and start Open vSwitch (Debian's and Ubuntu's package openvswitch-switch); where its database is"
    " elsewhere, set OVS_RUNDIR."
)
_COLUMNS = {
    "Open_vSwitch": ["ovs_version", "other_config", "datapath_types"],
    "Bridge": ["name", "ports", "external_ids", "flood_vlans", "datapath_type", "other_config"],
    "Port": ["_uuid", "name", "tag", "vlan_mode", "trunks", "external_ids"],
    "Interface": ["name", "ofport", "error"],
}


@frozen(kw_only=True)
class PortRow:
    """A port of a bridge.

    :param tag: None where it has none: it is a trunk then, and gets every frame.
    :param works: whether the switch has taken its device.
    """

    name: str
    bridge: str
    tag: int | None = None
    mode: str | None = None
    ids: Mapping[str, str] = field(factory=dict)
    works: bool = True


@frozen(kw_only=True)
class BridgeRow:
    """A bridge and its ports; ``flood`` are the tags for which it learns no addresses."""

    name: str
    ports: tuple[PortRow, ...] = ()
    ids: Mapping[str, str] = field(factory=dict)
    flood: frozenset[int] = frozenset()
    config: Mapping[str, str] = field(factory=dict)
    datapath: str = ""


@frozen(kw_only=True)
class Database:
    """Everything that concerns us, at one moment."""

    bridges: Mapping[str, BridgeRow] = field(factory=dict)
    version: str = ""
    config: Mapping[str, str] = field(factory=dict)

    @property
    def ports(self) -> Mapping[str, PortRow]:
        """All ports by their names, which are unique."""
        return {port.name: port for bridge in self.bridges.values() for port in bridge.ports}


def address(host: Host) -> str:
    """Where the database is, as ``unix:PATH``."""
    folder = os.environ.get("OVS_RUNDIR") or FOLDER
    return host.options.get(OPTION) or f"unix:{folder}/db.sock"


def silent(host: Host) -> LabprovError | None:
    """Why nobody can ask the database, or None: somebody listens there. Takes no time."""
    where = address(host)
    kind, _, path = where.partition(":")
    if kind != "unix":
        return Unavailable(
            f"the Open vSwitch database at {where} is not on this host",
            remedy="Links are made on the host that the database is on: give its socket (unix:PATH).",
        )
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_WITHIN)
        try:
            probe.connect(path)
        except PermissionError:
            reason = f"this user may not ask Open vSwitch at {where}"
            return Unavailable(reason, remedy="Run labprov as root.")
        except OSError as error:
            reason = f"Open vSwitch does not answer at {where}: {error.strerror or error}"
            return Unavailable(reason, remedy=REMEDY)
    return None


class _Reader:
    """One connection of the ``ovs`` package, with a deadline for each answer."""

    def __init__(self, where: str) -> None:
        try:
            import ovs.jsonrpc
            import ovs.poller
            import ovs.stream
        except ImportError as error:
            raise _missing(error) from error
        self._where = where
        self._poller = ovs.poller.Poller
        self._message = ovs.jsonrpc.Message
        opening = ovs.stream.Stream.open(where)
        number, stream = ovs.stream.Stream.open_block(opening, int(ANSWER_WITHIN * 1000))
        if number:
            raise self._lost(number)
        self._connection = ovs.jsonrpc.Connection(stream)

    def close(self) -> None:
        self._connection.close()

    def select(self, columns: Mapping[str, Sequence[str]]) -> dict[str, list[dict[str, Any]]]:
        """Read whole tables, all of them at one moment."""
        wanted = [
            {"op": "select", "table": table, "where": [], "columns": names}
            for table, names in columns.items()
        ]
        request = self._message.create_request("transact", ["Open_vSwitch", *wanted])
        number = self._connection.send(request)
        if number:
            raise self._lost(number)
        answer = self._answer(request.id)
        if answer.error is not None or any("error" in part for part in answer.result):
            raise EngineFailure(f"Open vSwitch refused a query: {answer.error or answer.result}")
        return {table: part["rows"] for table, part in zip(columns, answer.result, strict=True)}

    def _answer(self, wanted: Any) -> Any:
        until = time.monotonic() + ANSWER_WITHIN
        while True:
            number, message = self._connection.recv()
            if message is not None and message.id == wanted:
                return message
            if number not in (0, errno.EAGAIN):
                raise self._lost(number)
            if time.monotonic() > until:
                raise DeadlineExceeded(
                    f"Open vSwitch did not answer at {self._where} within {ANSWER_WITHIN:g} s",
                    remedy="See what its database (ovsdb-server) is at, or restart it.",
                )
            if number == errno.EAGAIN:
                self._connection.run()
                poller = self._poller()
                self._connection.wait(poller)
                self._connection.recv_wait(poller)
                poller.timer_wait(int((until - time.monotonic()) * 1000) + 1)
                poller.block()

    def _lost(self, number: int) -> Unavailable:
        reason = "it closed the connection" if number < 0 else os.strerror(number)
        return Unavailable(f"Open vSwitch does not answer at {self._where}: {reason}", remedy=REMEDY)


def read(host: Host) -> Database:
    """Read the database.

    :raises Unavailable: it can't be asked.
    """
    problem = silent(host)
    if problem is not None:
        raise problem
    reader = _Reader(address(host))
    try:
        tables = reader.select(_COLUMNS)
    finally:
        reader.close()
    (switch,) = tables["Open_vSwitch"] or [{}]
    broken = {row["name"] for row in tables["Interface"] if _scalar(row["error"]) is not None}
    working = {row["name"] for row in tables["Interface"] if (_scalar(row["ofport"]) or 0) > 0}
    ports = {row["_uuid"][1]: row for row in tables["Port"]}
    bridges = [_bridge(row, ports, working - broken) for row in tables["Bridge"]]
    return Database(
        bridges={bridge.name: bridge for bridge in bridges},
        version=_scalar(switch.get("ovs_version")) or "",
        config=_map(switch.get("other_config")),
    )


def _bridge(row: Mapping[str, Any], ports: Mapping[str, Any], working: Collection[str]) -> BridgeRow:
    found = [ports[number] for _, number in _set(row["ports"])]
    return BridgeRow(
        name=row["name"],
        ports=tuple(
            PortRow(
                name=port["name"],
                bridge=row["name"],
                tag=_scalar(port["tag"]),
                mode=_scalar(port["vlan_mode"]),
                ids=_map(port["external_ids"]),
                works=port["name"] in working or port["name"] == row["name"],
            )
            for port in found
        ),
        ids=_map(row["external_ids"]),
        flood=frozenset(_set(row["flood_vlans"])),
        config=_map(row["other_config"]),
        datapath=row["datapath_type"],
    )


# OVSDB's notation of values: RFC 7047, section 5.1.


def _set(value: Any) -> list[Any]:
    is_set = isinstance(value, list) and value[:1] == ["set"]
    return value[1] if is_set else [value]


def _scalar(value: Any) -> Any:
    return next(iter(_set(value)), None) if value is not None else None


def _map(value: Any) -> dict[str, str]:
    return dict(value[1]) if value else {}


def _missing(error: ImportError) -> Unavailable:
    return Unavailable(
        f"the libraries for Open vSwitch are not installed: {error}",
        remedy="Install them: pip install 'labprov[ovs]'.",
    )


Work = Callable[["Changes"], None]


class Changes:
    """What one transaction changes; works on ovsdbapp's rows, found once for the whole of it."""

    def __init__(self, tables: Any, insert: Callable[[str], Any], switch: Any) -> None:
        self._insert = insert
        self._switch = switch
        self._bridges = {row.name: row for row in tables["Bridge"].rows.values()}
        self._ports = {row.name: row for row in tables["Port"].rows.values()}
        self._on = {port.name: bridge for bridge in self._bridges.values() for port in bridge.ports}
        self._new: dict[str, tuple[list[Any], list[int]]] = {}
        """Ports and tags of the bridges made here: a row can be added to only once it is in the database."""

    def add_bridge(self, row: BridgeRow) -> None:
        """Make a bridge, unless it is there. Its own port hears nothing: a tag that no wire has, and down."""
        if row.name in self._bridges:
            return
        bridge = self._insert("Bridge")
        bridge.name, bridge.datapath_type = row.name, row.datapath
        bridge.external_ids, bridge.other_config = dict(row.ids), dict(row.config)
        self._bridges[row.name] = bridge
        self._new[row.name] = ([], [])
        self._switch.addvalue("bridges", bridge)
        own = PortRow(name=row.name, bridge=row.name, tag=4095, ids=row.ids)
        self._new_port(own).type = "internal"

    def remove_unused(self, name: str) -> None:
        """Remove a bridge that has no port left but its own; one that somebody has put a port on stays."""
        bridge = self._bridges.get(name)
        if bridge is None or any(port.name != name and port.name in self._on for port in bridge.ports):
            return
        bridge.verify("ports")  # where somebody puts one on it meanwhile, all of this is done anew
        self._switch.delvalue("bridges", bridge)
        del self._bridges[name]

    def put_port(self, row: PortRow) -> None:
        """Make the port as described, or change what is there."""
        there = self._ports.get(row.name)
        if there is not None and self._on[row.name].name != row.bridge:
            self.remove_port(row.name)
            there = None
        if there is None:
            self._new_port(row)
        else:
            _fill(there, row)

    def _new_port(self, row: PortRow) -> Any:
        interface, port = self._insert("Interface"), self._insert("Port")
        interface.name = port.name = row.name
        _fill(port, row)
        port.interfaces = [interface]
        bridge = self._bridges[row.bridge]
        if row.bridge in self._new:
            self._new[row.bridge][0].append(port)
            bridge.ports = self._new[row.bridge][0]
        else:
            bridge.verify("name")  # where somebody removes it meanwhile, all of this is done anew
            bridge.addvalue("ports", port)
        self._ports[row.name], self._on[row.name] = port, bridge
        return interface

    def remove_port(self, name: str) -> None:
        """Remove the port; a missing one is no error."""
        port = self._ports.pop(name, None)
        if port is not None:
            self._on.pop(name).delvalue("ports", port)

    def flood(self, bridge: str, *, add: Collection[int] = (), remove: Collection[int] = ()) -> None:
        """Change for which tags the bridge learns no addresses; one that is gone learns none."""
        if bridge not in self._bridges:
            return
        if bridge in self._new:
            self._new[bridge][1].extend(add)
            self._bridges[bridge].flood_vlans = self._new[bridge][1]
            return
        for tag in add:
            self._bridges[bridge].addvalue("flood_vlans", tag)
        for tag in remove:
            self._bridges[bridge].delvalue("flood_vlans", tag)


def _fill(port: Any, row: PortRow) -> None:
    port.tag = [] if row.tag is None else [row.tag]
    port.vlan_mode = [] if row.mode is None else [row.mode]
    port.external_ids = dict(row.ids)


class Writer:
    """A connection of ovsdbapp's."""

    def __init__(self, where: str) -> None:
        try:
            from ovsdbapp.backend.ovs_idl import command, connection
            from ovsdbapp.schema.open_vswitch import impl_idl
        except ImportError as error:
            raise _missing(error) from error

        class Api(impl_idl.OvsdbIdl):  # type: ignore[misc] # it has no types
            """A class of its own: the connection lives on the class, and there may be two databases."""

        class Apply(command.BaseCommand):  # type: ignore[misc] # it has no types
            """All of a transaction's changes."""

            def __init__(self, api: Any, work: Work) -> None:
                super().__init__(api)
                self.work = work

            def run_idl(self, txn: Any) -> None:
                tables = self.api.idl.tables
                self.work(Changes(tables, lambda table: txn.insert(tables[table]), self.api._ovs))

        # what it logs is raised as well, or read back afterwards; without a handler it would be printed
        logging.getLogger("ovsdbapp").addHandler(logging.NullHandler())
        self._apply = Apply
        idl = connection.OvsdbIdl.from_server(where, "Open_vSwitch")
        self._connection = connection.Connection(idl, timeout=DONE_WITHIN)
        self._api = Api(self._connection)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.stop(ANSWER_WITHIN)

    def write(self, work: Work) -> None:
        """Have *work* done in one transaction; returns when the switch has done it."""
        with self._api.transaction(check_error=True, log_errors=False) as transaction:
            transaction.add(self._apply(self._api, work))


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """What ovsdbapp says, which is a RuntimeError or a plain Exception most often, in labprov's words."""
    try:
        yield
    except LabprovError:
        raise
    except Exception as error:
        raise EngineFailure(
            f"Open vSwitch at {where} did not do it: {error}",
            remedy="See that ovsdb-server and ovs-vswitchd run, then do it again.",
        ) from error


def write(host: Host, work: Work) -> None:
    """Change the database in one transaction, and wait until the switch has done it.

    :param work: makes the changes; may be called more than once, where somebody else changed rows meanwhile.
    :raises Unavailable: it can't be asked.
    :raises EngineFailure: it refused, or the switch did not do it in time.
    """
    problem = silent(host)
    if problem is not None:
        raise problem
    where = address(host)
    with _translated(where):
        host.connection(f"ovsdb {where}", lambda: Writer(where)).write(work)
