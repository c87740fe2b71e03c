"""The whole parser, made of the command groups."""

from __future__ import annotations

import argparse

from labprov.cli import checks, completion, deploying, events, links, nodes, removing, showing, validating
from labprov.cli.options import GLOBAL_DEFAULTS, Commands, Parser, add_globals

DESCRIPTION = "Bring network labs up on any provider, and keep them up."
EPILOG = """\
'labprov COMMAND -h' tells more of a command, with examples.

exit codes: 0 done, 1 something failed, 2 usage or invalid input, 3 engine unavailable, 4 conflict or busy
"""


def build_parser() -> Parser:
    """Make the parser with every command."""
    parser = Parser(prog="labprov", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "--version",
        action=checks.ShowVersion,
        nargs=0,
        help="print the version and end",
        default=argparse.SUPPRESS,
    )
    add_globals(parser)
    parser.set_defaults(**GLOBAL_DEFAULTS)
    commands = Commands(
        parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    )
    for group in (deploying, removing, showing, events, nodes, links, validating, checks, completion):
        group.register(commands)
    return parser
