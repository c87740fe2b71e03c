"""What labprov tells its observers while it works, and what engines tell while somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from labprov.engine import NodeState


class EventKind(StrEnum):
    """What happened. ``*_STARTED`` and ``*_DONE`` come in pairs for each step of a plan."""

    OPERATION_STARTED = "operation-started"
    OPERATION_DONE = "operation-done"
    STEP_STARTED = "step-started"
    STEP_DONE = "step-done"
    NODE_CREATED = "node-created"
    NODE_REPLACED = "node-replaced"
    NODE_STARTED = "node-started"
    NODE_STOPPED = "node-stopped"
    NODE_REMOVED = "node-removed"
    NODE_READY = "node-ready"
    NODE_FAILED = "node-failed"
    NODE_CHANGED = "node-changed"
    """An engine's own news (died, restarted, out of memory), while somebody listens.

    Whoever did it: what labprov itself does to a node is news of the engine's, too.
    """
    COMMAND_DONE = "command-done"
    COMMAND_FAILED = "command-failed"
    PROGRESS = "progress"
    """Something that takes long goes on, such as the pull of an image.

    ``message`` says what ("pulling alpine:3") and is the same from beginning to end; ``count`` is how much of
    it is done, in per cent: the first such event has 0, the last one 100, and where it fails there is no last
    one. ``detail`` is what may be said beside it. Providers send no more than a few in a second.
    """
    WARNING = "warning"


@frozen(kw_only=True)
class Event:
    """One thing that happened, in the order in which it happened."""

    kind: EventKind
    lab: str
    node: str | None = None
    interface: str | None = None
    message: str = ""
    count: int = 0
    """For steps: how many items the step has, or had. For progress: per cent."""
    detail: str = ""
    """For progress: how far it is, for people ("12.3 of 45 MB")."""
    state: NodeState | None = None
    """For an engine's news: what the node is doing since; None where that is not known."""


@frozen
class Watch:
    """An engine's news while somebody listens, as :func:`labprov.hookspecs.labprov_watch` gives it.

    :param events: blocks until the next event. It is iterated to its end, in one thread, which need not be
        the one that made it; so a generator can do its cleaning up in a ``finally``.
    :param close: ends the watch: *events* then ends soon, also where it is blocked just now or has not begun
        yet. Called from another thread than the one in *events*, perhaps more than once, perhaps after the
        end; it waits for nothing. A generator's own ``close`` can't do this.
    """

    events: Iterator[Event]
    close: Callable[[], None]
