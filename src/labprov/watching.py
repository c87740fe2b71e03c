"""Listening to the engines' own news: every provider in a thread of its own, all of it in one stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from labprov.engine import Scope
from labprov.errors import LabprovError, NotSupported, ProviderFault, Unavailable
from labprov.events import Event, EventKind, Watch
from labprov.host import Host
from labprov.plugins import Plugins


class Watching(Iterator[Event]):
    """The news of several providers, as one stream, until :meth:`close`.

    Iterating blocks until the next event, which observers are told of first, in the thread that iterates. Use
    it in a ``with``, or close it: until then its threads and connections stay.

    :param host: through which providers reach their engines; closed at the end.
    :param emit: hears every event.
    :param timeout: seconds that a provider's watch may take to end.
    """

    def __init__(self, host: Host, emit: Callable[[Event], None], timeout: float) -> None:
        self._host = host
        self._emit = emit
        self._timeout = timeout
        self._news: SimpleQueue[Event | LabprovError | None] = SimpleQueue()
        self._closed = threading.Event()
        self._closing = threading.Lock()
        self._heard: dict[str, tuple[Watch, threading.Thread]] = {}

    def add(self, name: str, watch: Watch) -> None:
        """Listen to one more provider, in a thread of its own."""
        thread = threading.Thread(
            target=self._listen, args=(name, watch), name=f"labprov-watch-{name}", daemon=True
        )
        self._heard[name] = watch, thread
        thread.start()

    @property
    def providers(self) -> tuple[str, ...]:
        """Who is listened to."""
        return tuple(self._heard)

    def _listen(self, name: str, watch: Watch) -> None:
        """Hand over what one provider tells; an end that nobody asked for is an error."""
        try:
            for event in watch.events:
                if not isinstance(event, Event):
                    raise ProviderFault(f"{name}: its watch gave a {type(event).__name__}")
                self._news.put(event)
            error: LabprovError = Unavailable(
                f"the engine of the provider {name} tells no more news",
                provider=name,
                remedy="See whether it still runs, and listen again.",
            )
        except LabprovError as raised:
            error = raised
        except Exception as raised:
            error = ProviderFault(f"{name}: its watch raised {type(raised).__name__}: {raised}")
            error.__cause__ = raised
        if not self._closed.is_set():
            self._news.put(error)

    def __next__(self) -> Event:
        """Wait for the next event.

        :raises StopIteration: it was closed, here or in another thread.
        :raises Unavailable: an engine went away; the other watches were ended.
        :raises LabprovError: what else a provider's watch came to; the others were ended.
        """
        news = None if self._closed.is_set() else self._news.get()
        if self._closed.is_set() or news is None:
            self._news.put(None)  # for whoever else waits
            raise StopIteration
        if isinstance(news, LabprovError):
            try:
                self.close()
            except ProviderFault as fault:
                raise news from fault
            raise news
        self._emit(news)
        return news

    def close(self) -> None:
        """End all watches, their threads and connections. May be called from any thread, and again.

        :raises ProviderFault: a provider's watch can't be ended; the others were.
        """
        self._closed.set()
        self._news.put(None)
        faults: list[str] = []
        with self._closing:
            heard, self._heard = self._heard, {}
            for name, (watch, _) in heard.items():
                try:
                    watch.close()
                except Exception as error:
                    faults.append(f"{name}: closing its watch raised {type(error).__name__}: {error}")
            for name, (_, thread) in heard.items():
                thread.join(self._timeout)
                if thread.is_alive():
                    faults.append(f"{name}: its watch was closed, and did not end")
            self._host.close()
        if faults:
            raise ProviderFault("; ".join(faults))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def watch(scope: Scope, plugins: Plugins, providers: Collection[str] = ()) -> Watching:
    """Listen to the engines' news of ``scope.lab``, or of all labs of the workspace.

    What happens after this has returned is heard. ``scope.emit`` hears every event, and a warning for each
    provider that tells no news.

    :param scope: its host is the watch's own from now on, and closed at its end.
    :param providers: whom to listen to; none named: all that are available.
    :raises NotSupported: none of them tells news.
    :raises Unavailable: an engine does not answer.
    """

    def warn(message: str) -> None:
        scope.emit(Event(kind=EventKind.WARNING, lab=scope.lab or "", message=message))

    watching = Watching(scope.host, scope.emit, scope.timeouts.watch)
    try:
        names = sorted(providers) or _available(plugins, scope.host, warn)
        for name in names:
            try:
                watching.add(name, plugins.provider(name).watch(scope))
            except NotSupported:
                warn(f"the provider {name} tells no news: what happens to its nodes is not heard")
        if not watching.providers:
            raise NotSupported(
                f"no provider tells news here (asked: {', '.join(names) or 'none is available'})",
                lab=scope.lab,
                remedy="`labprov inspect` shows the nodes as they are now.",
            )
    except BaseException:
        watching.close()
        raise
    return watching


def _available(plugins: Plugins, host: Host, warn: Callable[[str], None]) -> list[str]:
    """The providers that can be listened to; one whose engine is there and does not answer is named."""
    found = []
    for name in plugins.providers:
        info = plugins.provider(name).info(host)
        if info.available:
            found.append(name)
        elif info.present:
            warn(f"the provider {name} is not listened to: {info.reason}")
    return found
