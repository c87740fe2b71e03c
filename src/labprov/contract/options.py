"""What the command line says, and what of it is for the suite."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from labprov.contract.clauses import CONTRACT_VERSION

SUITE = "labprov.contract"
"""The suite's own node id, and what stands for it among pytest's arguments."""

VERSIONS = tuple(str(number) for number in range(1, int(CONTRACT_VERSION) + 1))
EXAMPLES = 25


def add_options(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's."""
    group = parser.getgroup("labprov", "the contract of labprov's providers")
    group.addoption(
        "--labprov-provider",
        action="append",
        dest="labprov_providers",
        default=[],
        metavar="NAME|MODULE:OBJECT",
        help="test this provider: an installed one, or any plugin object or class; can be repeated "
        "(default: all that are installed)",
    )
    group.addoption("--labprov-report", metavar="FILE", help="write the report to FILE, as JSON")
    group.addoption(
        "--labprov-examples",
        type=_positive,
        default=EXAMPLES,
        metavar="N",
        help=f"how many examples or repetitions a clause with many makes (default: {EXAMPLES})",
    )
    group.addoption(
        "--labprov-contract",
        type=_version,
        default=CONTRACT_VERSION,
        metavar="VERSION",
        help=f"hold the provider to that version of the contract (default: {CONTRACT_VERSION})",
    )
    group.addoption(
        "--labprov-seed",
        type=int,
        default=0,
        metavar="N",
        help="choose other examples; the same number chooses the same ones (default: 0)",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _version(text: str) -> str:
    if text not in VERSIONS:
        raise argparse.ArgumentTypeError(
            f"there is no version {text!r} of the contract; there are {', '.join(VERSIONS)}"
        )
    return text


def take_arguments(config: pytest.Config) -> list[str] | None:
    """Take what is for the suite out of pytest's arguments.

    :returns: what of the suite is asked for (``TestRecovery::test_…``, ``""`` for all of it); None: nothing.
        With no arguments at all that is the whole suite, and nothing else is collected.
    """
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []
        config.args_source = pytest.Config.ArgsSource.ARGS
        return [""]
    ours = [argument for argument in config.args if _is_ours(argument)]
    config.args = [argument for argument in config.args if argument not in ours]
    return [argument.partition("::")[2] for argument in ours] or None


def _is_ours(argument: str) -> bool:
    # Below the root folder pytest shows ids relative to the current one ("../labprov.contract::Test…").
    path = Path(argument.partition("::")[0])
    return path.name == SUITE and not path.exists()
