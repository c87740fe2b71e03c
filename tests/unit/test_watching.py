"""Listening to the engines' own news: who is listened to, who hears, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve, field, mutable

from labprov.builder import TopologyBuilder
from labprov.engine import NodeState, Observed, ObservedNode, Scope
from labprov.errors import NotSupported, ProviderFault, Unavailable
from labprov.events import Event, EventKind, Watch
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.lab import Lab
from labprov.labs import watch_all
from labprov.model import Topology
from labprov.news import compare
from labprov.settings import Settings
from labprov.timeouts import Timeouts
from tests.memory import MemoryProvider
from tests.unit.conftest import make_plugins

DIED = Event(
    kind=EventKind.NODE_CHANGED, lab="ring", node="r1", message="died (exit 137)", state=NodeState.CRASHED
)
PAUSED = evolve(DIED, node="r2", message="paused", state=NodeState.PAUSED)


@mutable(eq=False)
class Observer:
    events: list[Event] = field(factory=list)

    @hookimpl
    def labprov_event(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    """Whatever a test does, no thread of a watch outlives it."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("labprov-watch")]


@pytest.fixture
def other() -> MemoryProvider:
    return MemoryProvider(name="other")


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def lab(settings: Settings, memory: MemoryProvider, other: MemoryProvider, heard: list[Event]) -> Lab:
    """A lab on two providers, deployed; *heard* is what its caller hears from then on."""
    lab = Lab(topology(), settings, plugins=make_plugins(memory, other), on_event=heard.append)
    lab.deploy().raise_failures()
    heard.clear()
    return lab


def topology() -> Topology:
    return TopologyBuilder("ring").add_node("r1").add_node("r2", provider="other").build()


def warnings(events: list[Event]) -> list[str]:
    return [event.message for event in events if event.kind is EventKind.WARNING]


def test_the_news_of_all_providers_are_one_stream(
    lab: Lab, memory: MemoryProvider, other: MemoryProvider, heard: list[Event]
) -> None:
    """Each event is told to observers and to the caller's listener, in the order in which it is given."""
    observer = Observer()
    lab.plugins.register(observer, "observer")
    with lab.watch() as news:
        memory.engine.tell(DIED)
        got = [next(news)]
        other.engine.tell(PAUSED)
        got.append(next(news))
    assert got == observer.events == heard == [DIED, PAUSED]


def test_what_happens_once_it_listens_is_heard(lab: Lab, memory: MemoryProvider) -> None:
    """Also before anybody iterates."""
    news = lab.watch()
    memory.engine.tell(DIED)
    assert next(news) == DIED
    news.close()


def test_closing_ends_everything(lab: Lab, memory: MemoryProvider, other: MemoryProvider) -> None:
    """All watches have ended when it returns; iterating is at its end then, and closing again is no error."""
    news = lab.watch()
    memory.engine.tell(DIED)
    news.close()
    assert memory.engine.listeners == other.engine.listeners == []
    assert list(news) == []
    news.close()


def test_closing_from_another_thread_ends_who_waits(lab: Lab) -> None:
    """A wait for the next event is over, as at the end of any iterator."""
    got: list[list[Event]] = []
    news = lab.watch()
    waiting = [threading.Thread(target=lambda: got.append(list(news))) for _ in range(2)]
    for thread in waiting:
        thread.start()
    news.close()
    for thread in waiting:
        thread.join()
    assert got == [[], []]


def test_only_the_providers_of_its_nodes_are_listened_to(
    settings: Settings, memory: MemoryProvider, other: MemoryProvider
) -> None:
    """A lab on one provider has no news of another."""
    lab = Lab(TopologyBuilder("ring").add_node("r1").build(), settings, plugins=make_plugins(memory, other))
    lab.deploy().raise_failures()
    with lab.watch():
        assert (len(memory.engine.listeners), len(other.engine.listeners)) == (1, 0)


@pytest.mark.parametrize("named", [True, False])
def test_before_the_first_deploy_all_are_listened_to(
    named: bool, settings: Settings, memory: MemoryProvider, other: MemoryProvider
) -> None:
    """A lab that is nowhere yet, or no lab at all: every provider, and what is deployed later is heard."""
    plugins = make_plugins(memory, other)
    lab = Lab(topology(), settings, plugins=plugins)
    with lab.watch() if named else watch_all(settings, plugins) as news:
        lab.deploy().raise_failures()
        other.engine.tell(PAUSED)
        assert next(news) == PAUSED


def test_one_that_tells_no_news_is_named_once(
    lab: Lab, memory: MemoryProvider, other: MemoryProvider, heard: list[Event]
) -> None:
    """And passed over."""
    other.tells_news = False
    with lab.watch() as news:
        assert len(warnings(heard)) == 1
        assert "other" in warnings(heard)[0]
        memory.engine.tell(DIED)
        assert next(news) == DIED
    assert len(warnings(heard)) == 1


def test_nobody_tells_news(lab: Lab, memory: MemoryProvider, other: MemoryProvider) -> None:
    """That is an error with a remedy."""
    memory.tells_news = other.tells_news = False
    with pytest.raises(NotSupported, match=r"ring: .*memory, other") as caught:
        lab.watch()
    assert caught.value.remedy


def test_no_provider_can_be_listened_to(settings: Settings, memory: MemoryProvider) -> None:
    """One whose engine is there and does not answer is named in a warning."""
    memory.info = evolve(memory.info, reason="it sleeps", remedy="Wake it.")
    heard: list[Event] = []
    with pytest.raises(NotSupported):
        watch_all(settings, make_plugins(memory), on_event=heard.append)
    assert warnings(heard) == ["the provider memory is not listened to: it sleeps"]


def test_an_engine_that_does_not_answer_ends_what_had_begun(
    lab: Lab, memory: MemoryProvider, other: MemoryProvider
) -> None:
    """Nothing is left listening."""
    with other.broken("watch"), pytest.raises(Unavailable, match="watch"):
        lab.watch()
    assert memory.engine.listeners == []


@pytest.mark.parametrize("news", [Unavailable("the daemon has gone away"), RuntimeError("oops"), None])
def test_an_engine_that_goes_away_is_an_error(
    news: Exception | None, lab: Lab, memory: MemoryProvider, other: MemoryProvider
) -> None:
    """What was told before is given first; then the error, when all others were ended; then nothing."""
    watching = lab.watch()
    memory.engine.tell(DIED)
    memory.engine.tell(news)
    assert next(watching) == DIED
    with pytest.raises(ProviderFault if isinstance(news, RuntimeError) else Unavailable):
        next(watching)
    assert other.engine.listeners == []
    assert list(watching) == []


class Deaf(MemoryProvider):
    """Its watch can't be closed before the test lets it."""

    gate = threading.Event()

    @hookimpl
    def labprov_watch(self, scope: Scope) -> Watch:
        return Watch(self._waiting(), lambda: None)

    def _waiting(self) -> Iterator[Event]:
        self.gate.wait()
        yield from ()


def test_a_watch_that_does_not_end_is_a_fault_of_its_provider(settings: Settings) -> None:
    """Who closes is not held up for ever."""
    provider = Deaf(name="memory")
    news = watch_all(evolve(settings, timeouts=Timeouts(watch=0.01)), make_plugins(provider))
    with pytest.raises(ProviderFault, match="memory"):
        news.close()
    provider.gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("labprov-watch"):
            thread.join()


class Wrong(MemoryProvider):
    """Gives an iterator, which nobody could end."""

    @hookimpl
    def labprov_watch(self, scope: Scope) -> Watch:
        return iter(())  # type: ignore[return-value]  # that is what is wrong


def test_a_bare_iterator_is_no_watch(settings: Settings) -> None:
    """It could not be ended, so it is refused at once."""
    with pytest.raises(ProviderFault, match="labprov_watch"):
        watch_all(settings, make_plugins(Wrong(name="memory")))


# -- news out of two looks --------------------------------------------------------------------------------


def node(state: NodeState, process: int | None = None, **changes: Any) -> ObservedNode:
    made = ObservedNode(lab="ring", node="r1", provider="p", runtime_name="n", state=state, workspace="w")
    return evolve(made, process=process, **changes)


RUNNING = node(NodeState.RUNNING, 7)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (None, RUNNING, "started"),
        (None, node(NodeState.DEFINED), None),
        (node(NodeState.DEFINED), RUNNING, "started"),
        (RUNNING, RUNNING, None),
        (RUNNING, node(NodeState.RUNNING, 8), "restarted"),
        (RUNNING, node(NodeState.PAUSED, 7), "paused"),
        (node(NodeState.PAUSED, 7), RUNNING, "goes on"),
        (node(NodeState.PAUSED, 7), node(NodeState.RUNNING, 8), "started"),
        (RUNNING, node(NodeState.CRASHED), "died"),
        (RUNNING, node(NodeState.STOPPED), "stopped"),
        (node(NodeState.STOPPED), None, "removed"),
        (None, node(NodeState.RUNNING, 7, workspace="other"), None),
        (None, node(NodeState.RUNNING, 7, lab="ring2"), None),
        (None, node(NodeState.FOREIGN, lab="", node="", workspace=""), None),
    ],
)
def test_news_out_of_two_looks(
    before: ObservedNode | None, after: ObservedNode | None, message: str | None, settings: Settings
) -> None:
    """What differs is told in words and with the new state; what is another's is nobody's news here."""
    looks = [Observed((one,) if one else ()) for one in (before, after)]
    scope = Scope(host=Host(), workspace_id="w", workspace=settings.workspace, lab="ring")
    state = after.state if after else NodeState.ABSENT
    told = [
        Event(kind=EventKind.NODE_CHANGED, lab="ring", node="r1", message=words, state=state)
        for words in (message,)
        if words
    ]
    assert compare(scope, *looks) == told
