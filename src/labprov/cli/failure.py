"""Errors as one line each, as JSON, and as an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labprov.cli.output import clean
from labprov.errors import LabprovError


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that *error* stands for: itself, or those of a group, however deep."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def exit_code(error: BaseException) -> int:
    """Give the exit code for *error*: of a group the highest, so that a conflict is never hidden."""
    return max(leaf.exit_code if isinstance(leaf, LabprovError) else 1 for leaf in leaves(error))


def lines(error: BaseException) -> list[str]:
    """Tell *error* in one line for each failure, fit for a terminal; what befell many is told once."""
    found: dict[str, list[str]] = {}
    for leaf in leaves(error):
        subject, what = _parts(leaf)
        found.setdefault(what, []).append(subject)
    return [clean(f"{', '.join(filter(None, subjects))}{what}") for what, subjects in found.items()]


def _parts(error: BaseException) -> tuple[str, str]:
    """What *error* is about, and all else that it says."""
    if not isinstance(error, LabprovError):
        return "", f"unexpected {type(error).__name__}: {error} (use --debug to see where)"
    said = str(error)
    is_first = bool(error.subject) and said.startswith(f"{error.subject}: ")
    return (error.subject, said.removeprefix(error.subject)) if is_first else ("", said)


def error_document(error: BaseException) -> dict[str, Any]:
    """*error* as a JSON value, with the keys that the manual lists."""
    known = isinstance(error, LabprovError)
    return {
        "type": type(error).__name__,
        "message": error.message if isinstance(error, LabprovError) else str(error),
        "exit_code": exit_code(error),
        **{key: getattr(error, key) if known else None for key in ("lab", "node", "interface", "remedy")},
    }
