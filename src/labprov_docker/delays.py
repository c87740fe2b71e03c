"""How long a node is kept waiting at its start."""

from __future__ import annotations

from labprov.errors import InvalidInput
from labprov.model import Node

KEY = "startup-delay"


def startup_delay(node: Node) -> int:
    """Seconds between the start of a lab's first nodes and this one's; 0 where nothing is said.

    :raises InvalidInput: it is no whole number from 0.
    """
    found = node.settings.get(KEY) or 0
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise InvalidInput(
            f"{KEY} {found!r} is no whole number of seconds", remedy=f"Correct the node's {KEY}."
        )
    return found
