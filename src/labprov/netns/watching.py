"""News of nodes: the kernel tells at once when a process ends; the rest is found by looking."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator

from labprov.engine import Observed, Scope
from labprov.events import Event, Watch
from labprov.hookspecs import hookimpl
from labprov.netns.observing import labprov_observe
from labprov.news import compare

EVERY = 1.0
"""Seconds between two looks.

A pidfd tells of an end at once. Of a start, a pause or a removal the kernel tells only root, and him of every
process of the machine, so they are looked for.
"""


@hookimpl
def labprov_watch(scope: Scope) -> Watch:
    """Look once before it returns, so that everything later is a difference."""
    before = labprov_observe(scope, frozenset())
    ours, theirs = socket.socketpair()
    return Watch(_events(scope, before, theirs), ours.close)


def _events(scope: Scope, before: Observed, end: socket.socket) -> Iterator[Event]:
    """:param end: can be read from when the watch is closed: its other side is closed then."""
    with end:
        while _wait(before, end.fileno()):
            after = labprov_observe(scope, frozenset())
            yield from compare(scope, before, after)
            before = after


def _wait(seen: Observed, end: int) -> bool:
    """Whether it is time for another look; waits until it is, or until the watch is closed."""
    with contextlib.ExitStack() as stack:
        poll = select.poll()
        poll.register(end, select.POLLIN)
        for node in seen.nodes:
            if node.process is None:
                continue
            try:
                fd = os.pidfd_open(node.process)
            except ProcessLookupError:
                return True  # it has ended since
            stack.callback(os.close, fd)
            poll.register(fd, select.POLLIN)
        return end not in [fd for fd, _ in poll.poll(EVERY * 1000)]
