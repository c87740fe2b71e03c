"""News out of two looks, for providers whose engines tell none by themselves."""

from __future__ import annotations

from labprov.engine import NodeState, Observed, ObservedNode, Scope
from labprov.events import Event, EventKind

_WORDS = {
    NodeState.STARTING: "is starting",
    NodeState.RUNNING: "started",
    NodeState.PAUSED: "paused",
    NodeState.STOPPED: "stopped",
    NodeState.CRASHED: "died",
}
"""What it means that a node is found in another state than before; the others are no news."""


def compare(scope: Scope, before: Observed, after: Observed) -> list[Event]:
    """What has happened to the scope's nodes between two answers of ``labprov_observe``.

    What came and went between the two is not seen, except that a node has another process than before. That a
    node was made is not told; that it runs then is.
    """
    old, new = _mine(scope, before), _mine(scope, after)
    found = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        message = _message(was, now)
        if message is not None:
            state = now.state if now else NodeState.ABSENT
            lab, node = key
            found.append(Event(kind=EventKind.NODE_CHANGED, lab=lab, node=node, message=message, state=state))
    return found


def _mine(scope: Scope, observed: Observed) -> dict[tuple[str, str], ObservedNode]:
    return {
        (node.lab, node.node): node
        for node in observed.nodes
        if node.lab and node.workspace == scope.workspace_id and scope.lab in (None, node.lab)
    }


def _message(was: ObservedNode | None, now: ObservedNode | None) -> str | None:
    if now is None:
        return "removed"
    if was is None or was.state is not now.state:
        resumed = was is not None and (was.state, was.process) == (NodeState.PAUSED, now.process)
        return "goes on" if resumed and now.state is NodeState.RUNNING else _WORDS.get(now.state)
    return "restarted" if now.process is not None and was.process != now.process else None
