"""News of nodes: what the kernel tells at once, what is found by looking, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from labprov import netns
from labprov.engine import NodeState
from labprov.errors import Unavailable
from labprov.events import Event
from labprov.netns.suite import NetnsHarness
from tests.engines.netns.rig import Lab


@contextmanager
def listening(lab: Lab) -> Iterator[Iterator[Event]]:
    """The lab's news; at the end the watch is closed and has ended."""
    watch = netns.labprov_watch(lab.scope)
    try:
        yield watch.events
    finally:
        watch.close()
        for _ in watch.events:
            pass
        watch.close()


def told(event: Event) -> tuple[str | None, str, NodeState | None]:
    return event.node, event.message, event.state


def test_everything_that_happens_to_a_node_is_told(lab: Lab, harness: NetnsHarness) -> None:
    """Whoever does it: an accident, another person, labprov."""
    lab.up("a", "b")
    with listening(lab) as events:
        harness.kill_node(lab.scope, lab.node("a"))
        assert told(next(events)) == ("a", "died", NodeState.CRASHED)
        lab.start("a")
        assert told(next(events)) == ("a", "started", NodeState.RUNNING)
        harness.pause_node(lab.scope, lab.node("b"))
        assert told(next(events)) == ("b", "paused", NodeState.PAUSED)
        netns.labprov_stop_nodes(lab.scope, [lab.node("b")], 0)
        assert told(next(events)) == ("b", "stopped", NodeState.STOPPED)
        harness.remove_node(lab.scope, lab.node("b"))
        assert told(next(events)) == ("b", "removed", NodeState.ABSENT)


def test_a_node_that_labprov_removes_did_not_crash(lab: Lab) -> None:
    """Its process is killed, and that is no news of its own kind."""
    lab.up("a")
    with listening(lab) as events:
        netns.labprov_remove_nodes(lab.scope, [lab.node("a")])
        heard = [next(events)]
        while heard[-1].state is not NodeState.ABSENT:
            heard.append(next(events))
    assert NodeState.CRASHED not in {event.state for event in heard}


def test_closing_ends_who_waits(lab: Lab) -> None:
    """From another thread, while nothing happens; also where nobody has waited yet."""
    lab.up("a")
    watch = netns.labprov_watch(lab.scope)
    heard: list[Event] = []
    waiting = threading.Thread(target=lambda: heard.extend(watch.events))
    waiting.start()
    watch.close()
    waiting.join()
    assert heard == []
    with listening(lab):
        pass


def test_an_engine_that_goes_away_ends_it(lab: Lab, harness: NetnsHarness) -> None:
    """Where the kernel can't be asked any more, nobody is told that nothing happens."""
    lab.up("a")
    with listening(lab) as events:
        harness.break_engine(lab.scope)
        try:
            with pytest.raises(Unavailable):
                next(events)
        finally:
            harness.mend_engine(lab.scope)
