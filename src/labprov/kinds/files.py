"""Files of the catalogue: read, checked, and complained of by line."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from labprov import yamltree
from labprov.errors import InvalidInput
from labprov.kinds.kind import Kind
from labprov.yamltree import Mapping, Sequence, Value, YamlError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from cattrs import Converter

_REMEDY = "Correct the file; the manual lists the keys of a kind."


def read_kind(path: Path | Traversable) -> Kind:
    """Read one file of the catalogue.

    :raises InvalidInput: it can't be read, is no YAML, has an unknown key or a value of the wrong form; the
        message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = yamltree.load(text)
    except OSError as error:
        raise InvalidInput(f"the kind's file {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the kind's file {path} is not UTF-8") from error
    except YamlError as error:
        raise InvalidInput(f"{path}:{error.line or 1}: {error.message}", remedy=_REMEDY) from error
    if not isinstance(tree, Mapping):
        raise InvalidInput(f"{path}:1: a kind is a mapping of keys", remedy=_REMEDY)
    return _structured(path, tree)


def _structured(path: Path | Traversable, tree: Mapping) -> Kind:
    from cattrs import BaseValidationError, transform_error

    try:
        return _converter().structure(yamltree.plain(tree), Kind)
    except BaseValidationError as error:
        problems = [_located(path, tree, said) for said in transform_error(error, format_exception=_said)]
        raise InvalidInput("; ".join(problems), remedy=_REMEDY) from error


def _said(error: BaseException, wanted: type | None) -> str:
    from cattrs import ForbiddenExtraKeysError

    if isinstance(error, ForbiddenExtraKeysError):
        return f"unknown key {', '.join(sorted(error.extra_fields))}"
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    if isinstance(error, TypeError | AttributeError):  # a plain value where a mapping or a list belongs
        return "the value is of the wrong form"
    return str(error)


def _located(path: Path | Traversable, tree: Mapping, said: str) -> str:
    message, _, where = said.partition(" @ $")
    unknown = re.match(r"unknown key ([^,]+)", message)
    steps: list[str] = re.findall(r"[^.\[\]']+", where)
    line = _line(tree, [*steps, unknown.group(1)] if unknown else steps)
    name = ".".join(steps)
    return f"{path}:{line}: {name + ': ' if name else ''}{message}"


def _line(tree: Value, steps: list[str]) -> int:
    """The line of the value that *steps* lead to, or of what is nearest to it on the way."""
    value: Value = tree
    line = tree.line
    for step in steps:
        if isinstance(value, Mapping) and step in value.items:
            line = value.lines[step]
            value = value.items[step]
        elif isinstance(value, Sequence) and step.isdigit() and int(step) < len(value.items):
            value = value.items[int(step)]
            line = value.line
        else:
            break
    return line


@cache
def _converter() -> Converter:
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)
    for wanted in (str, int, bool):
        converter.register_structure_hook(wanted, _strict)
    converter.register_structure_hook(StrEnum, _member)
    return converter


def _strict(value: Any, wanted: type) -> Any:
    """Take a plain value only if it is of just that type: a number is no name, and yes is no number."""
    if type(value) is not wanted:
        raise ValueError(f"{value!r} is not of the type {wanted.__name__}")
    return value


def _member(value: Any, wanted: type[StrEnum]) -> StrEnum:
    for member in wanted:
        if member.value == value:
            return member
    raise ValueError(f"{value!r} is none of: {', '.join(member.value for member in wanted)}")
