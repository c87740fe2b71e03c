"""The manual is honest: it has what the parser has, and nothing else."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from labprov.cli.parser import build_parser

MANUAL = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    """The manual's text by heading."""
    parts = re.split(r"^## (.*)$", MANUAL, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def global_options(parser: argparse.ArgumentParser) -> set[str]:
    """The options that every command has, and ``--version``."""
    return {option for action in parser._actions for option in action.option_strings}


def options(parser: argparse.ArgumentParser) -> set[str]:
    """A command's own options."""
    return global_options(parser) - global_options(build_parser())


def written(section: str) -> set[str]:
    """The options in the first column of the section's table."""
    rows = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`(--?[a-z][a-z-]*)", row)}


def test_commands() -> None:
    """The manual has a section for each command, in the order of the help, and for no other."""
    found = [heading.removeprefix("labprov ") for heading in sections() if heading.startswith("labprov ")]
    assert sorted(found) == sorted(name for name, _ in commands(build_parser()))


def test_global_options() -> None:
    """The manual has every global option, and no other."""
    assert written(sections()["Global options"]) == global_options(build_parser())


@pytest.mark.parametrize("command", [name for name, _ in commands(build_parser())])
def test_options(command: str) -> None:
    """A command's section has every option of the command, and no other."""
    parser = dict(commands(build_parser()))[command]
    assert written(sections()[f"labprov {command}"]) == options(parser)


@pytest.mark.parametrize("command", [name for name, _ in commands(build_parser())])
def test_choices(command: str) -> None:
    """A command's section has every word that an option or argument may have, and every argument."""
    parser = dict(commands(build_parser()))[command]
    section = sections()[f"labprov {command}"]
    for action in parser._actions:
        for choice in action.choices or ():
            assert f"`{choice}`" in section
        if not action.option_strings and action.metavar:
            assert f"{action.metavar}" in section


def test_exit_codes() -> None:
    """The manual has the exit codes of every error there is."""
    from labprov import errors

    table = set(re.findall(r"^\| ([0-9]+) \|", sections()["Exit codes"], flags=re.MULTILINE))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {str(kind.exit_code) for kind in kinds if issubclass(kind, errors.LabprovError)}
    assert codes < table
