"""``events``: the engines' news, as they come."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from labprov.cli.documents import event_document
from labprov.cli.options import Commands, add_format, add_selection

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.events import Event
    from labprov.watching import Watching

LISTENING = "listening; Ctrl-C ends it"


def register(commands: Commands) -> None:
    """Add it."""
    parser = commands.add(
        "events",
        events,
        "Tell what happens to nodes, as it happens, whoever does it.",
        description="Goes on until Ctrl-C, which is no failure, or until an engine goes away.",
        examples="labprov events\nlabprov events --name ring\nlabprov events -t ring.clab.yml -f json",
    )
    add_selection(parser, default="every lab of this workspace")
    add_format(parser, "json")


def events(context: Context) -> int:
    """Print one line for each event until somebody has heard enough."""
    with _watching(context) as news:
        try:
            with _terminated_as_interrupted():
                context.talk.say(LISTENING)
                for event in news:
                    _show(context, event)
        except KeyboardInterrupt:
            return 0  # this is how it ends
    return 0


def _watching(context: Context) -> Watching:
    """Who listens to the lab that was named or described, deployed or not yet, or else to all."""
    if context.args.name:
        return context.attach(context.args.name).watch()
    if context.args.topology:
        return context.wanted().watch()
    from labprov.labs import watch_all

    return watch_all(context.settings, context.plugins, on_event=context.talk.event)


def _show(context: Context, event: Event) -> None:
    """Print it at once, however many more will come."""
    now = datetime.now().astimezone()
    if context.args.format == "json":
        context.out.json_line(event_document(event, now))
    else:
        subject = f"{event.lab}/{event.node}" if event.node else event.lab
        context.out.line(f"{now:%Y-%m-%d %H:%M:%S} {subject}: {event.message}")
    context.out.flush()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Have SIGTERM end what is done here as Ctrl-C does.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
