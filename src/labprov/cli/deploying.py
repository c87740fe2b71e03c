"""``deploy`` and ``recover``: bringing labs up, and putting them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labprov.cli.documents import node_document, report_document
from labprov.cli.operation import conclude, operate, summary
from labprov.cli.options import Commands, add_format, add_provider, add_selection, add_topology, names
from labprov.cli.removing import each
from labprov.cli.showing import show_tables

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.lab import Lab
    from labprov.report import Report


def register(commands: Commands) -> None:
    """Add both."""
    parser = commands.add(
        "deploy",
        deploy,
        "Bring a lab up as its topology file wants it.",
        description="A node whose definition changed is replaced; one that is as wanted is left alone.",
        examples="labprov deploy\nlabprov deploy -t ring.clab.yml --dry-run\n"
        "labprov deploy -t - --provider netns -f json < ring.clab.yml",
    )
    add_topology(parser)
    add_provider(parser, "provider of the nodes that name none (default: the first available of their kind)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--reconfigure", action="store_true", help="replace every node")
    how.add_argument("--keep", action="store_true", help="refuse rather than replace a node")
    parser.add_argument("--node-filter", metavar="A,B", type=names, default=(), help="only these nodes")
    parser.add_argument("--no-wait", action="store_true", help="don't wait until the nodes are ready")
    add_format(parser, "json")
    parser = commands.add(
        "recover",
        recover,
        "Put deployed labs back as they were saved, after a reboot or a crash.",
        examples="labprov recover --name ring\nlabprov recover --all",
    )
    add_selection(parser, all_labs="every lab of this workspace")


def deploy(context: Context) -> int:
    """Deploy, or say what deploying would do."""
    args = context.args
    lab = context.wanted()
    if args.dry_run:
        return _show_plan(context, lab)
    report = operate(
        context,
        lab,
        lambda: lab.deploy(
            keep=args.keep, reconfigure=args.reconfigure, only=args.node_filter, wait=not args.no_wait
        ),
    )
    code = conclude(context, report)
    _show_lab(context, lab, report)
    return code


def _show_plan(context: Context, lab: Lab) -> int:
    args = context.args
    plan = lab.plan(keep=args.keep, reconfigure=args.reconfigure, only=args.node_filter)
    for warning in (*lab.warnings, *plan.warnings):
        context.talk.warn(warning)
    if args.format == "json":
        steps = {"changed": not plan.empty, "steps": plan.lines()}
        context.out.json({"dry_run": True, **plan.json(), **steps})
        return 0
    for line in plan.lines() or [f"{lab.name}: deploy: nothing to do"]:
        context.out.line(line)
    return 0


def _show_lab(context: Context, lab: Lab, report: Report) -> None:
    nodes = lab.inspect()
    if context.args.format == "json":
        nodes_ = [node_document(node) for node in nodes]
        context.out.json({"dry_run": False, **report_document(report), "nodes": nodes_})
        return
    context.out.line(summary(report))
    show_tables(context.out, nodes)


def recover(context: Context) -> int:
    """Recover one lab or all of them."""
    from labprov.labs import known_labs

    if not context.args.all:
        lab = context.deployed()
        report = operate(context, lab, lab.recover)
        context.out.line(summary(report))
        return conclude(context, report)
    return each(context, known_labs(context.settings, context.plugins), lambda lab: lab.recover())
