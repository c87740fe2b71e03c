"""``inspect``: what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labprov.cli.documents import node_document
from labprov.cli.options import Commands, add_format, add_selection
from labprov.errors import LabNotFound

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.cli.output import Out
    from labprov.report import InterfaceStatus, NodeStatus

NODE_COLUMNS = ("lab", "node", "kind", "provider", "state", "runtime_name", "management_address")
CSV_COLUMNS = (*NODE_COLUMNS, "interface", "mac", "vlan", "peer", "up")


def register(commands: Commands) -> None:
    """Add it."""
    parser = commands.add(
        "inspect",
        inspect,
        "Show nodes and their interfaces as they are.",
        examples="labprov inspect\nlabprov inspect --all -f json\nlabprov inspect --name ring -f csv",
    )
    add_selection(parser, all_labs="every lab of this workspace")
    add_format(parser, "json", "csv")


def inspect(context: Context) -> int:
    """Show one lab or all of them."""
    nodes = _statuses(context)
    form = context.args.format
    if form == "json":
        context.out.json([node_document(node) for node in nodes])
    elif form == "csv":
        context.out.csv(CSV_COLUMNS, [row for node in nodes for row in _csv_rows(node)])
    else:
        show_tables(context.out, nodes)
    return 0


def _statuses(context: Context) -> Sequence[NodeStatus]:
    if context.args.all:
        from labprov.labs import inspect_all

        return inspect_all(context.settings, context.plugins)
    from labprov.status import statuses

    try:
        lab = context.deployed()
    except LabNotFound:
        if context.args.name or context.args.topology == "-":
            raise
        topology = context.topology_file().topology
        return statuses(topology.name, (), topology)  # never deployed: every node is absent
    for warning in lab.warnings:
        context.talk.warn(warning)
    return lab.inspect()


def show_tables(out: Out, nodes: Sequence[NodeStatus]) -> None:
    """Show a table of nodes and, where there are any, one of interfaces."""
    if not nodes:
        out.line("there are no nodes")
        return
    several = len({node.lab for node in nodes}) > 1
    rows = [
        (node.lab, node.node, node.kind, node.provider, str(node.state), node.management_address or "")
        for node in nodes
    ]
    _show(out, ("LAB", "NODE", "KIND", "PROVIDER", "STATE", "ADDRESS"), rows, several)
    ends = [(node, interface) for node in nodes for interface in node.interfaces]
    if ends:
        out.line()
        rows_ = [(node.lab, f"{node.node}:{interface.name}", *_link(interface)) for node, interface in ends]
        _show(out, ("LAB", "INTERFACE", "PEER", "VLAN", "MAC", "UP"), rows_, several)


def _show(out: Out, headers: Sequence[str], rows: Sequence[Sequence[str]], with_lab: bool) -> None:
    first = 0 if with_lab else 1
    out.table(headers[first:], [row[first:] for row in rows])


def _link(interface: InterfaceStatus) -> tuple[str, str, str, str]:
    return (
        str(interface.peer) if interface.peer else "",
        "" if interface.vlan is None else str(interface.vlan),
        interface.mac or "",
        "yes" if interface.up else "no",
    )


def _csv_rows(node: NodeStatus) -> list[tuple[str, ...]]:
    """One row for each interface; a node without any has one row, its last five columns empty."""
    head = tuple(str(getattr(node, column) or "") for column in NODE_COLUMNS)
    if not node.interfaces:
        return [(*head, "", "", "", "", "")]
    rows = []
    for interface in node.interfaces:
        peer, vlan, mac, up = _link(interface)
        rows.append((*head, interface.name, mac, vlan, peer, up))
    return rows
