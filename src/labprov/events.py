"""What labprov tells its observers while it works."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


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
    """An engine's own news (died, restarted, out of memory), while somebody listens."""
    COMMAND_DONE = "command-done"
    COMMAND_FAILED = "command-failed"
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
    """For steps: how many items the step has, or had."""
