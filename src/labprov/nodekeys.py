"""Keys of a node that mean the same on every provider, read in one place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from labprov.errors import InvalidInput
from labprov.model import Node

_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""What the kernel and programs take: 64 bytes at most."""


def hostname(node: Node) -> str:
    """What the node calls itself: its name, where nothing else is said.

    :raises InvalidInput: it can't be called that.
    """
    found = node.hostname or node.name
    if not _HOSTNAME.fullmatch(found):
        raise InvalidInput(
            f"{found!r} is no host name",
            remedy="Use up to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit.",
        )
    return found


def words(line: str | None, key: str) -> list[str]:
    """A command line as a shell splits it; empty where there is none.

    :param key: what it is, in the file's words (``cmd``).
    :raises InvalidInput: it can't be split.
    """
    try:
        found = shlex.split(line or "")
    except ValueError as error:
        raise InvalidInput(
            f"the {key} can't be split into words: {error}", remedy=f"Close the quotes in the node's {key}."
        ) from error
    if any("\0" in word for word in found):
        raise InvalidInput(f"the {key} has a NUL in it", remedy=f"Correct the node's {key}.")
    return found


def check_variables(variables: Mapping[str, str]) -> None:
    """See that all of them can stand in an environment.

    :raises InvalidInput: one can't.
    """
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name + value:
            raise InvalidInput(f"{name!r} can't be set in an environment", remedy="Correct the node's env.")
