"""Waiting until nodes are ready, within a deadline, and knowing why one isn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from labprov.engine import NodeState, ObservedNode, Readiness, Scope
from labprov.errors import Cancelled, DeadlineExceeded, LabprovError, NodeNotRunning, NotSupported
from labprov.plugins import Plugins

PAUSE = 0.5
"""Seconds between two looks: engines don't tell when a guest's system is up."""


def wait_ready(
    nodes: Sequence[ObservedNode],
    *,
    plugins: Plugins,
    scope: Scope,
    cancelled: threading.Event,
    ready: Callable[[str], None],
) -> tuple[list[LabprovError], list[str]]:
    """Wait for all of *nodes*, at most ``scope.timeouts.ready`` seconds.

    :param ready: hears each node's name when it is ready.
    :returns: one error for each node that did not become ready, with the last reason seen, and the names of
        nodes of which nobody can tell (which is not the same as ready).
    :raises Cancelled: *cancelled* was set meanwhile.
    """
    deadline = time.monotonic() + scope.timeouts.ready
    pending = {node.node: node for node in nodes}
    reasons: dict[str, str] = {}
    failures: list[LabprovError] = []
    untold: list[str] = []
    while pending:
        for name, node in tuple(pending.items()):
            try:
                answer = plugins.provider(node.provider).ready(scope, node)
            except NotSupported:
                untold.append(name)
                del pending[name]
                continue
            except LabprovError as error:
                answer = Readiness(False, error.message)
            reasons[name] = answer.reason
            if answer.ready:
                ready(name)
                del pending[name]
        if not pending or time.monotonic() >= deadline:
            break
        if cancelled.wait(PAUSE):
            raise Cancelled("stopped while nodes were becoming ready; they go on", lab=scope.lab)
    failures += [_late(node, reasons.get(name, ""), scope) for name, node in pending.items()]
    return failures, untold


def _late(node: ObservedNode, reason: str, scope: Scope) -> LabprovError:
    if node.state not in (NodeState.RUNNING, NodeState.STARTING):
        return NodeNotRunning(f"it does not run ({node.state})", lab=node.lab, node=node.node)
    return DeadlineExceeded(
        f"not ready after {scope.timeouts.ready:g} s: {reason or 'no reason is known'}",
        lab=node.lab,
        node=node.node,
        remedy="Look at its output with `labprov logs`, or deploy with --no-wait.",
    )
