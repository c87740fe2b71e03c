"""``destroy`` and ``cleanup``: taking labs away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from labprov.cli.failure import exit_code, lines
from labprov.cli.operation import conclude, operate, summary
from labprov.cli.options import Commands, add_provider, add_selection, add_yes
from labprov.errors import Cancelled, LabprovError

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.lab import Lab
    from labprov.report import Report


def register(commands: Commands) -> None:
    """Add both."""
    parser = commands.add(
        "destroy",
        destroy,
        "Remove a lab with everything that is its own.",
        description="Only --all asks first.",
        examples="labprov destroy\nlabprov destroy --name ring\nlabprov destroy --all -y",
    )
    add_selection(parser, all_labs="every lab of this workspace")
    add_provider(parser, "only what this provider holds of the lab")
    add_yes(parser)
    parser = commands.add(
        "cleanup",
        cleanup,
        "Remove the labs that nobody wants any more, whatever became of their files.",
        description="Lists them first, asks, then removes them, and goes on past one that can't be removed.",
        examples="labprov cleanup --keep ring star --dry-run\nlabprov cleanup --all -y",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--keep", metavar="LAB", nargs="+", action="extend", help="labs that stay; all others go"
    )
    which.add_argument("--all", action="store_true", help="keep none")
    parser.add_argument("--dry-run", action="store_true", help="only list them")
    add_yes(parser)


def destroy(context: Context) -> int:
    """Destroy one lab or all of them."""
    args = context.args
    if args.all:
        return _destroy_all(context)
    if args.provider:
        context.plugins.provider(args.provider)  # a misspelt one would silently hold nothing
    lab = context.attach(args.name) if args.name else context.wanted()
    report = operate(context, lab, lambda: lab.destroy(provider=args.provider))
    context.out.line(summary(report))
    return conclude(context, report)


def _destroy_all(context: Context) -> int:
    from labprov.labs import known_labs

    context.require_consent("destroy --all")
    labs = known_labs(context.settings, context.plugins)
    if not labs:
        context.out.line("there are no labs")
        return 0
    if not context.args.yes:
        for name in labs:
            context.talk.note(f"  {name}")
    if not context.agreed(f"Destroy {'this lab' if len(labs) == 1 else f'these {len(labs)} labs'}?"):
        context.talk.note("nothing was destroyed")
        return 1
    return each(context, labs, lambda lab: lab.destroy(provider=context.args.provider))


def each(
    context: Context,
    labs: Iterable[str],
    action: Callable[[Lab], Report],
    tell: Callable[[str], None] | None = None,
) -> int:
    """Run *action* on each of *labs*, going on past one that fails.

    :param tell: gets a sentence for each lab; None: it is a result, for stdout.
    :returns: the highest exit code.
    :raises Cancelled: the person asked to stop; the labs after that one are left alone.
    """
    code = 0
    for name in labs:
        try:
            lab = context.attach(name)
            report = operate(context, lab, partial(action, lab))
        except Cancelled:
            raise
        except (LabprovError, ExceptionGroup) as error:
            for line in lines(error):
                context.talk.error(line)
            context.talk.trace(error)
            code = max(code, exit_code(error))
            continue
        (tell or context.out.line)(summary(report))
        code = max(code, conclude(context, report))
    return code


def cleanup(context: Context) -> int:
    """List, ask, remove."""
    from labprov import labs

    args = context.args
    if not args.dry_run:
        context.require_consent("cleanup")
    keep = tuple(args.keep or ())
    found = labs.orphans(context.settings, keep, every=args.all, plugins=context.plugins)
    for name in found:
        context.out.line(name)
    if not found:
        context.talk.say("there is nothing to clean up")
    if args.dry_run or not found:
        return 0
    if not context.agreed(f"Remove {'this lab' if len(found) == 1 else f'these {len(found)} labs'}?"):
        context.talk.note("nothing was removed")
        return 1
    return each(context, found, lambda lab: lab.destroy(), tell=context.talk.say)
