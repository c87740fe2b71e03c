"""``connect``, ``disconnect`` and ``link``: changing links while the lab runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labprov.cli.operation import conclude, operate, summary
from labprov.cli.options import Commands, add_selection

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.lab import Lab
    from labprov.report import Report

END = "NODE:IF"


def register(commands: Commands) -> None:
    """Add all three."""
    for name, run, help in (
        ("connect", connect, "Join two interfaces by a link, until the next deploy of a file."),
        ("disconnect", disconnect, "Take the link between two interfaces away; both interfaces stay."),
    ):
        parser = commands.add(name, run, help, examples=f"labprov {name} --name ring r1:eth3 r2:eth3")
        add_selection(parser)
        parser.add_argument("a", metavar=END, help="one end, as in r1:eth1")
        parser.add_argument("b", metavar=END, help="the other end")
    parser = commands.add(
        "link",
        set_link,
        "Pull a link's cable, or put it back.",
        examples="labprov link down r1:eth1\nlabprov link up --name ring r1:eth1",
    )
    add_selection(parser)
    parser.add_argument("state", choices=("up", "down"), help="whether both ends shall have a carrier")
    parser.add_argument("end", metavar=END, help="either end of the link, as in r1:eth1")


def connect(context: Context) -> int:
    """Join two interfaces."""
    return _change(context, lambda lab: lab.connect(context.args.a, context.args.b))


def disconnect(context: Context) -> int:
    """Part two interfaces."""
    return _change(context, lambda lab: lab.disconnect(context.args.a, context.args.b))


def set_link(context: Context) -> int:
    """Set the carrier at both ends of a link."""
    lab = context.deployed()
    report = operate(context, lab, lambda: lab.set_link(context.args.end, context.args.state == "up"))
    if report.ok:
        context.out.line(f"{report.lab}: {report.operation}: {' '.join(map(str, report.plugged))}")
    return conclude(context, report)


def _change(context: Context, action: Callable[[Lab], Report]) -> int:
    lab = context.deployed()
    report = operate(context, lab, lambda: action(lab))
    context.out.line(summary(report))
    return conclude(context, report)
