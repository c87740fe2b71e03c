"""The options that more than one command has."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from labprov.cli.output import clean

GLOBAL_DEFAULTS: Mapping[str, Any] = {
    "workspace": None,
    "prefix": None,
    "vlan_range": None,
    "bridge": None,
    "lock_timeout": None,
    "debug": False,
    "quiet": False,
}
"""What the global options are where nobody gave them."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and that takes no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and say what was wrong, and where help is."""
        self.exit(2, f"labprov: error: {clean(message)} (see '{self.prog} -h')\n")


class Commands:
    """The commands of one level, and what all of them share.

    :param subparsers: where argparse adds them.
    """

    def __init__(self, subparsers: argparse._SubParsersAction[Parser]) -> None:
        self._subparsers = subparsers

    def add(
        self,
        name: str,
        run: Callable[[Any], int] | None,
        help: str,
        *,
        examples: str = "",
        description: str = "",
    ) -> Parser:
        """Add a command with the global options.

        :param run: gets the :class:`~labprov.cli.context.Context`, gives the exit code; None where
            the command only has commands of its own.
        :param help: one line for the list of commands.
        :param examples: whole command lines, one a line, shown at the end of ``-h``.
        :param description: what ``-h`` says beyond *help*.
        """
        parser = self._subparsers.add_parser(
            name,
            help=help,
            description=f"{help}\n\n{description}" if description else help,
            epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
        )
        add_globals(parser)
        if run:
            parser.set_defaults(run=run)
        return parser


def add_globals(parser: argparse.ArgumentParser) -> None:
    """Add the options that stand before the command or after it."""
    group = parser.add_argument_group("global options")

    def add(*names: str, **settings: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **settings)

    add(
        "--workspace",
        metavar="DIR",
        help="folder of all documents (default: $LABPROV_WORKSPACE, else /var/lib/labprov for root, "
        "else the user's state folder)",
    )
    add("--prefix", help="what names in the engines begin with (default: labprov)")
    add("--vlan-range", metavar="LO-HI", type=vlan_range, help="tags that may be issued (default: 100-4094)")
    add("--bridge", help="Open vSwitch bridge to share with others (default: one of the lab's own)")
    add(
        "--lock-timeout",
        metavar="SECONDS",
        type=seconds,
        help="how long to wait for another process that works on the lab (default: 60)",
    )
    add("--debug", action="store_true", help="show tracebacks, and what libraries log")
    add("-q", "--quiet", action="store_true", help="no progress and no remarks; warnings and errors stay")


ONLY_FILE = "the only *.clab.yml in the current folder"


def add_selection(parser: argparse.ArgumentParser, *, all_labs: str = "", default: str = ONLY_FILE) -> None:
    """Add ``-t``, ``--name`` and, where *all_labs* says what it does, ``--all``: one of them at most.

    :param default: what is taken where none of them is given.
    """
    group = parser.add_mutually_exclusive_group()
    add_topology(group, default)
    group.add_argument("--name", metavar="LAB", help="the lab of that name, whether or not its file is there")
    if all_labs:
        group.add_argument("--all", action="store_true", help=all_labs)


def add_topology(parser: argparse._ActionsContainer, default: str = ONLY_FILE) -> None:
    """Add ``-t``."""
    parser.add_argument(
        "-t",
        "--topology",
        metavar="FILE",
        help=f"topology file, '-' for standard input (default: {default})",
    )


def add_format(parser: argparse.ArgumentParser, *formats: str) -> None:
    """Add ``-f`` with ``table``, the default, and *formats*."""
    choices = ("table", *formats)
    parser.add_argument(
        "-f",
        "--format",
        choices=choices,
        default="table",
        help="form of the result (default: table)",
    )


def add_yes(parser: argparse.ArgumentParser) -> None:
    """Add ``-y``."""
    parser.add_argument("-y", "--yes", action="store_true", help="don't ask")


def add_provider(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--provider``."""
    parser.add_argument("--provider", metavar="PROVIDER", help=help)


def vlan_range(text: str) -> tuple[int, int]:
    """Read ``LO-HI``; what the two may be is for :class:`labprov.Settings` to judge."""
    low, dash, high = text.partition("-")
    if not (dash and low.isdecimal() and high.isdecimal() and text.isascii()):
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers as in 100-4094")
    return (int(low), int(high))


def seconds(text: str) -> float:
    """Read a number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return value


def names(text: str) -> tuple[str, ...]:
    """Read ``a,b,c``; at least one, none of them empty."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names as in a,b")
    return found


def label(text: str) -> tuple[str, str]:
    """Read ``key=value``."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not a label as in key=value")
    return (key, value)
