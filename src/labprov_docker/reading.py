"""The form of a node's keys: a file's are of the right form already, the API's may be anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labprov.errors import InvalidInput
from labprov.model import Node


def _wrong(key: str, wanted: str) -> InvalidInput:
    return InvalidInput(f"{key} is not {wanted}", remedy=f"Correct the node's {key}.")


def text(node: Node, key: str) -> str:
    """The text of *key*, ``""`` where the node has none.

    :raises InvalidInput: it is no text.
    """
    found = node.settings.get(key)
    if found is None:
        return ""
    if not isinstance(found, str) or "\0" in found:
        raise _wrong(key, "text")
    return found.strip()


def texts(node: Node, key: str) -> tuple[str, ...]:
    """The list of *key*, empty where the node has none.

    :raises InvalidInput: it is no list of texts.
    """
    return _texts(node.settings.get(key), key)


def _texts(found: Any, key: str) -> tuple[str, ...]:
    if found is None:
        return ()
    if not isinstance(found, list | tuple) or not all(isinstance(item, str) for item in found):
        raise _wrong(key, "a list of texts")
    return tuple(found)


def mapping(node: Node, key: str) -> dict[str, str]:
    """The mapping of *key* from text to text, empty where the node has none.

    :raises InvalidInput: it is none.
    """
    found = _mapping(node.settings.get(key), key)
    return {str(name): str(value) for name, value in found.items()}


def _mapping(found: Any, key: str) -> Mapping[Any, Any]:
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise _wrong(key, "a mapping")
    return found


def lists(node: Node, key: str, names: tuple[str, ...]) -> dict[str, list[str]]:
    """The lists that stand under *names* in the mapping of *key*; those that are not there are empty.

    :raises InvalidInput: it is no mapping, or one of them no list of texts.
    """
    found = _mapping(node.settings.get(key), key)
    return {name: list(_texts(found.get(name), f"{key}.{name}")) for name in names}


def numbers(node: Node, key: str, names: tuple[str, ...]) -> dict[str, int]:
    """The whole numbers that stand under *names* in the mapping of *key*; those that are not there are 0.

    :raises InvalidInput: it is no mapping, or one of them no number from 0.
    """
    found = {name: _mapping(node.settings.get(key), key).get(name) or 0 for name in names}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _wrong(f"{key}.{name}", "a whole number")
    return found


def flag(node: Node, key: str) -> bool | None:
    """Whether *key* says true or false; None where the node has none.

    :raises InvalidInput: it says neither.
    """
    found = node.settings.get(key)
    if found is not None and not isinstance(found, bool):
        raise _wrong(key, "true or false")
    return found
