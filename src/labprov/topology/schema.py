"""The form of values: each reader takes a value of the YAML tree and gives plain Python, or complains.

What is text for containerlab keeps the text that was written, whatever YAML takes it for: ``yes`` stays
``yes``, ``0x10`` stays ``0x10``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labprov import yamltree
from labprov.errors import InvalidTopology
from labprov.topology.source import Source, nearest
from labprov.yamltree import Mapping as YamlMapping
from labprov.yamltree import Scalar, Sequence, Value

Reader = Callable[[Source, Value, str], Any]
"""Takes the source, the value and its name for messages."""


def _is(value: Value) -> str:
    if isinstance(value, Sequence):
        return "a list"
    if isinstance(value, YamlMapping):
        return "a mapping"
    return "empty" if value.is_null else repr(value.text)


def _wrong(source: Source, value: Value, what: str, wanted: str) -> InvalidTopology:
    return source.error(f"{what} must be {wanted}, and is {_is(value)}", value.line)


def is_null(value: Value) -> bool:
    """Whether nothing is there."""
    return isinstance(value, Scalar) and value.is_null


def text(source: Source, value: Value, what: str) -> str:
    """Text; a number or a truth value as it was written, nothing as ``""``."""
    if not isinstance(value, Scalar):
        raise _wrong(source, value, what, "text")
    return "" if value.is_null else value.text


def flag(source: Source, value: Value, what: str) -> bool | None:
    """``true`` or ``false``, in any of YAML's ways; None for nothing."""
    if is_null(value):
        return None
    found = yamltree.boolean(value.text) if isinstance(value, Scalar) else None
    if found is None:
        raise _wrong(source, value, what, "true or false")
    return found


def whole(source: Source, value: Value, what: str) -> int:
    """A number from 0; nothing is 0."""
    if is_null(value):
        return 0
    number = yamltree.integer(value.text) if isinstance(value, Scalar) and value.tag == "int" else None
    if number is None or number < 0:
        raise _wrong(source, value, what, "a whole number")
    return number


def number(source: Source, value: Value, what: str) -> int | float:
    """A number; nothing is 0."""
    if is_null(value):
        return 0
    found = yamltree.plain(value)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise _wrong(source, value, what, "a number")
    return found


def anything(source: Source, value: Value, what: str) -> Any:
    """Whatever it is, as a JSON value."""
    return yamltree.plain(value)


def listed(item: Reader) -> Reader:
    """A list of what *item* reads; nothing is an empty one."""

    def read(source: Source, value: Value, what: str) -> list[Any]:
        if is_null(value):
            return []
        if not isinstance(value, Sequence):
            raise _wrong(source, value, what, "a list")
        return [item(source, part, f"an item of {what}") for part in value.items]

    return read


def mapped(item: Reader) -> Reader:
    """A mapping of free keys to what *item* reads; nothing is an empty one."""

    def read(source: Source, value: Value, what: str) -> dict[str, Any]:
        parts = mapping(source, value, what)
        return {key: item(source, part, f"{what}.{key}") for key, part in parts.items.items()}

    return read


def struct(keys: Mapping[str, Reader]) -> Reader:
    """A mapping of just these keys; nothing is None."""

    def read(source: Source, value: Value, what: str) -> dict[str, Any] | None:
        return None if is_null(value) else fields(source, value, what, keys)

    return read


def fields(source: Source, value: Value, what: str, keys: Mapping[str, Reader]) -> dict[str, Any]:
    """Read a mapping of just *keys*.

    :raises InvalidTopology: for another key, with the nearest name.
    """
    parts = mapping(source, value, what)
    for key in parts.items:
        if key not in keys:
            raise source.error(
                f"{what} has the unknown key {key!r}", parts.lines[key], remedy=nearest(key, keys)
            )
    return {key: keys[key](source, part, f"{what}.{key}") for key, part in parts.items.items()}


def mapping(source: Source, value: Value, what: str) -> YamlMapping:
    """The value itself, which must be a mapping; nothing is an empty one."""
    if is_null(value):
        return YamlMapping(value.line, {})
    if not isinstance(value, YamlMapping):
        raise _wrong(source, value, what, "a mapping")
    return value


texts = listed(text)
pairs = mapped(text)
