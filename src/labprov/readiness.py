"""Waiting until nodes are ready, within a deadline, and knowing why one isn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

from labprov.engine import NodeState, ObservedNode, Readiness, Scope
from labprov.errors import Cancelled, DeadlineExceeded, LabprovError, NodeNotRunning, NotSupported
from labprov.plugins import Plugins

PAUSE = 0.5
"""Seconds between two looks: engines don't tell when a guest's system is up."""

COMING = frozenset({NodeState.RUNNING, NodeState.STARTING, NodeState.PAUSED, NodeState.UNKNOWN})
"""States from which a node can still become ready."""


def wait_ready(
    names: Collection[str],
    *,
    look: Callable[[], Sequence[ObservedNode]],
    plugins: Plugins,
    scope: Scope,
    cancelled: threading.Event,
    ready: Callable[[str], None],
) -> tuple[list[LabprovError], list[str]]:
    """Wait for the nodes *names*, at most ``scope.timeouts.ready`` seconds.

    :param look: observes the lab's nodes; called once a round.
    :param ready: hears each node's name when it is ready.
    :returns: one error for each node that did not become ready, with the last reason seen (at once for one
        that does not run any more), and the names of nodes of which nobody can tell, which is not the same
        as ready.
    :raises Cancelled: *cancelled* was set meanwhile.
    """
    deadline = time.monotonic() + scope.timeouts.ready
    pending = dict.fromkeys(names, "")
    failures: list[LabprovError] = []
    untold: list[str] = []
    while pending:
        nodes = {node.node: node for node in look()}
        for name in tuple(pending):
            answer = _ask(nodes.get(name), name, plugins, scope)
            if isinstance(answer, NotSupported):
                untold.append(name)
            elif isinstance(answer, LabprovError):
                failures.append(answer)
            elif answer.ready:
                ready(name)
            else:
                pending[name] = answer.reason
                continue
            del pending[name]
        if not pending or time.monotonic() >= deadline:
            break
        if cancelled.wait(PAUSE):
            raise Cancelled("stopped while nodes were becoming ready; they go on", lab=scope.lab)
    failures += [_late(name, reason, scope) for name, reason in pending.items()]
    return failures, untold


def _ask(node: ObservedNode | None, name: str, plugins: Plugins, scope: Scope) -> Readiness | LabprovError:
    """Whether the node is ready; an error if it never will be, :class:`NotSupported` if nobody can tell."""
    if node is None or node.state not in COMING:
        state = node.state.value if node else "gone"
        return NodeNotRunning(
            f"it was started, and is {state}",
            lab=scope.lab,
            node=name,
            remedy="`labprov logs` shows its output.",
        )
    try:
        return plugins.provider(node.provider).ready(scope, node)
    except NotSupported as error:
        return error
    except LabprovError as error:
        return Readiness(False, error.message)


def _late(name: str, reason: str, scope: Scope) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"not ready after {scope.timeouts.ready:g} s: {reason or 'no reason is known'}",
        lab=scope.lab,
        node=name,
        remedy="Look at its output with `labprov logs`, or deploy with --no-wait.",
    )
