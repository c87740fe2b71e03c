"""``exec``, ``start``, ``stop``, ``restart`` and ``logs``: working with nodes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from labprov.cli.documents import result_document
from labprov.cli.failure import lines
from labprov.cli.operation import conclude, operate, summary
from labprov.cli.options import Commands, Parser, add_format, add_selection, label
from labprov.errors import InvalidInput, LabprovError, NodeNotFound

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.engine import Result
    from labprov.lab import Lab
    from labprov.report import Report


def register(commands: Commands) -> None:
    """Add all five."""
    parser = commands.add(
        "exec",
        exec_,
        "Run a command in nodes of a lab.",
        description="In every node unless --node or --label say which. Ends with 1 if it failed in any.",
        examples="labprov exec --node r1 -- ip -br address\n"
        "labprov exec --name ring --label role=spine -- vtysh -c 'show ip route'",
    )
    parser.usage = "labprov exec [options] [--node NODE]... [--label KEY=VALUE]... -- CMD..."
    add_selection(parser)
    parser.add_argument(
        "--node", metavar="NODE", action="append", default=[], help="in this node (repeatable)"
    )
    parser.add_argument(
        "--label",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        type=label,
        help="in the nodes that have this label (repeatable: all of them)",
    )
    add_format(parser, "json")
    parser.add_argument("command_line", metavar="CMD", nargs=argparse.REMAINDER, help="after '--'")
    _add_power(commands, "start", start, "Start nodes that don't run; their links are as before.")
    for name, run, help in (
        ("stop", stop, "Stop nodes; they, their disks and their links stay."),
        ("restart", restart, "Stop nodes and start them again."),
    ):
        parser = _add_power(commands, name, run, help)
        parser.add_argument("--graceful", action="store_true", help="ask them to end before they are killed")
    parser = commands.add(
        "logs",
        logs,
        "Print a node's output since it was last powered on.",
        examples="labprov logs r1\nlabprov logs --name ring r1 | tail",
    )
    add_selection(parser)
    parser.add_argument("node", metavar="NODE")


def _add_power(commands: Commands, name: str, run: Callable[[Context], int], help: str) -> Parser:
    parser = commands.add(
        name, run, help, examples=f"labprov {name} --node r1\nlabprov {name} --name ring --node r1 --node r2"
    )
    add_selection(parser)
    parser.add_argument(
        "--node", metavar="NODE", action="append", required=True, help="this node (repeatable)"
    )
    return parser


def start(context: Context) -> int:
    """Start the nodes given."""
    return _power(context, lambda lab: lab.start(context.args.node))


def stop(context: Context) -> int:
    """Stop the nodes given."""
    return _power(context, lambda lab: lab.stop(context.args.node, graceful=context.args.graceful))


def restart(context: Context) -> int:
    """Restart the nodes given."""
    return _power(context, lambda lab: lab.restart(context.args.node, graceful=context.args.graceful))


def _power(context: Context, action: Callable[[Lab], Report]) -> int:
    lab = context.deployed()
    report = operate(context, lab, lambda: action(lab))
    context.out.line(summary(report))
    return conclude(context, report)


def logs(context: Context) -> int:
    """Print a node's output, bytes unchanged."""
    context.out.raw(context.deployed().logs(context.args.node))
    return 0


def exec_(context: Context) -> int:
    """Run one command in each of the nodes, one after the other."""
    command = context.args.command_line
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        raise InvalidInput("there is no command to run", remedy="Give it after '--'.")
    lab = context.deployed()
    chosen = _chosen(context, lab)
    show = context.args.format != "json"
    outcomes = []
    for node in chosen:
        result, error = _run(lab, node, command)
        outcomes.append((node, result, error))
        if show and result:
            _print(context, result, node if len(chosen) > 1 else None)
        for line in lines(error) if error else ():
            context.talk.error(line)
    if not show:
        context.out.json([result_document(*outcome) for outcome in outcomes])
    return max(_code(result, error) for _, result, error in outcomes)


def _run(lab: Lab, node: str, command: list[str]) -> tuple[Result | None, LabprovError | None]:
    try:
        return lab.exec(node, command), None
    except LabprovError as error:
        return None, error


def _code(result: Result | None, error: LabprovError | None) -> int:
    if error:
        return error.exit_code
    return 1 if result and result.exit_code else 0


def _chosen(context: Context, lab: Lab) -> list[str]:
    """The nodes that ``--node`` and ``--label`` leave, in the order of the topology.

    :raises InvalidInput: none is left, or a name is no node's: nothing is run anywhere then.
    """
    wanted, labels = context.args.node, context.args.label
    if lab.topology is None:
        if labels:
            raise InvalidInput(
                "no topology is saved, so labels are unknown", lab=lab.name, remedy="Use --node."
            )
        there = [status.node for status in lab.inspect()]
    else:
        there = [node.name for node in lab.topology.machines]
    for name in wanted:
        if name not in there:
            raise NodeNotFound("no such node", lab=lab.name, node=name, remedy=f"Nodes: {', '.join(there)}.")
    chosen = [name for name in there if (not wanted or name in wanted) and _has(lab, name, labels)]
    if not chosen:
        raise InvalidInput("no node is left to run the command in", lab=lab.name)
    return chosen


def _has(lab: Lab, name: str, labels: list[tuple[str, str]]) -> bool:
    node = lab.topology.by_name[name] if lab.topology else None
    return all(node is not None and node.labels.get(key) == value for key, value in labels)


def _print(context: Context, result: Result, heading: str | None) -> None:
    if heading:
        context.out.line(f"{heading}:")
    context.out.raw(result.stdout)
    context.talk.raw(result.stderr)
