"""The engine's own news of nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from labprov.engine import NodeState, Scope
from labprov.errors import LabprovError, Unavailable
from labprov.events import Event, EventKind, Watch
from labprov.hookspecs import hookimpl
from labprov_docker.address import NAME
from labprov_docker.client import client
from labprov_docker.containers import LABEL, NODE
from labprov_docker.observing import labprov_observe
from labprov_docker.translation import NOT_REACHED, translated

_HEALTH = "health_status"
_HEARD = ("start", "die", "oom", "pause", "unpause", "kill", "destroy", _HEALTH)
NOTICED_WITHIN = 10
"""Seconds until the engine's list has what it told."""
_ENDED = (NodeState.STOPPED, NodeState.CRASHED, NodeState.STARTING)


@hookimpl
def labprov_watch(scope: Scope) -> Watch:
    """Subscribe to the engine's events of nodes' containers.

    The engine answers before it listens for us; what happens in between is in what it remembers.
    """
    lab = "lab" if scope.lab is None else f"lab={scope.lab}"
    labels = [LABEL + label for label in (lab, f"workspace={scope.workspace_id}", f"role={NODE}")]
    begin = time.time_ns()
    with translated(lab=scope.lab):
        stream = client(scope).events(
            since=begin // 1_000_000_000,
            filters={"type": ["container"], "label": labels, "event": list(_HEARD)},
            decode=True,
        )
    watch = _Watching(scope, stream, begin)
    return Watch(watch.events(), watch.close)


class _Watching:
    """One subscription.

    :param stream: docker-py's, which can be closed while another thread waits for it.
    :param begin: nanoseconds since 1970; nothing earlier is told.
    """

    def __init__(self, scope: Scope, stream: Any, begin: int) -> None:
        self._scope = scope
        self._stream = stream
        self._begin = begin
        self._closed = False

    def close(self) -> None:
        """End it."""
        self._closed = True
        self._stream.close()

    def events(self) -> Iterator[Event]:
        """The news as they come; docker-py ends its stream as well when the engine goes away."""
        for said in self._stream:
            if said.get("timeNano", self._begin) >= self._begin:
                yield self._event(said)
        if not self._closed:
            raise Unavailable(
                "the Docker engine has ended, or closed the connection", provider=NAME, remedy=NOT_REACHED
            )

    def _event(self, said: Mapping[str, Any]) -> Event:
        attributes = said["Actor"]["Attributes"]
        lab, node = attributes[f"{LABEL}lab"], attributes[f"{LABEL}node"]
        action, _, detail = str(said["Action"]).partition(": ")
        message, state = {
            "start": ("started", NodeState.RUNNING),
            "die": (f"died (exit {attributes.get('exitCode', '?')})", None),
            "oom": ("out of memory", None),
            "pause": ("paused", NodeState.PAUSED),
            "unpause": ("goes on", NodeState.RUNNING),
            "kill": (f"got signal {attributes.get('signal', '?')}", None),
            "destroy": ("removed", NodeState.ABSENT),
            _HEALTH: (detail, None),
        }[action]
        if action == "die":
            state = self._after_death(said["Actor"]["ID"], lab, node)
        return Event(kind=EventKind.NODE_CHANGED, lab=lab, node=node, message=message, state=state)

    def _after_death(self, container: str, lab: str, node: str) -> NodeState | None:
        """Whether it has crashed or was stopped; None where that can't be told, or it runs again.

        The engine tells of a death before its list has it.
        """
        try:
            with translated(lab=lab, node=node):
                client(self._scope).wait(container, timeout=NOTICED_WITHIN)
            seen = labprov_observe(self._scope, frozenset()).nodes
        except LabprovError:
            return None
        states = (item.state for item in seen if (item.lab, item.node) == (lab, node))
        return next((state for state in states if state in _ENDED), None)
