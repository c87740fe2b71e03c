"""Events as they happen: a moving display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from labprov.cli.output import clean
from labprov.events import Event, EventKind

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from labprov.cli.talk import Display

NODE_WORDS = {
    EventKind.NODE_CREATED: "created",
    EventKind.NODE_REPLACED: "replaced",
    EventKind.NODE_STARTED: "started",
    EventKind.NODE_STOPPED: "stopped",
    EventKind.NODE_REMOVED: "removed",
    EventKind.NODE_READY: "ready",
    EventKind.NODE_FAILED: "failed",
    EventKind.NODE_CHANGED: "changed",
    EventKind.COMMAND_DONE: "ran",
    EventKind.COMMAND_FAILED: "command failed",
}
FAILURES = frozenset({EventKind.NODE_FAILED, EventKind.COMMAND_FAILED})
"""What went wrong is told once, by the report."""
WHOLE = 100
"""Per cent."""
UPDATES = 4
"""How often in a second the display is drawn anew."""
ITEMS = frozenset(NODE_WORDS)
"""Events that are one item of the step under way."""


def sentence(event: Event) -> str | None:
    """*event* in one line, or None: it is not worth one."""
    if event.kind is EventKind.STEP_STARTED:
        return (
            f"{event.lab}: {event.message} ({event.count})"
            if event.count
            else f"{event.lab}: {event.message}"
        )
    if event.kind is EventKind.PROGRESS:
        subject = f"{event.lab}/{event.node}" if event.node else event.lab
        done = ": done" if event.count >= WHOLE else ""
        return f"{subject}: {event.message}{done}"
    if event.kind in NODE_WORDS:
        what = f"{event.lab}/{event.node}: {NODE_WORDS[event.kind]}"
        return f"{what}: {event.message}" if event.message and event.kind not in FAILURES else what
    return None


@contextmanager
def display(stream: TextIO, write_line: Callable[[str], None]) -> Iterator[Display]:
    """Give what shows events on *stream*.

    :param write_line: prints a line there, where nothing moves.
    """
    import os

    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with Bars(stream) as bars:
            yield bars
    else:
        yield Lines(write_line)


Subject = tuple[str, str | None, str]
"""What makes progress: a lab, perhaps a node, and what is done there."""


def _subject(event: Event) -> Subject:
    return event.lab, event.node, event.message


class Lines:
    """One line for each step and each node; of what makes progress, its beginning and its end."""

    def __init__(self, write_line: Callable[[str], None]) -> None:
        self.line = write_line
        self._under_way: set[Subject] = set()

    def event(self, event: Event) -> None:
        """Print it, if it is worth a line."""
        text = sentence(event)
        if text and (event.kind is not EventKind.PROGRESS or self._is_worth_a_line(event)):
            self.line(clean(text))

    def _is_worth_a_line(self, event: Event) -> bool:
        subject = _subject(event)
        begun = subject in self._under_way
        if event.count >= WHOLE:
            self._under_way.discard(subject)
            return True
        self._under_way.add(subject)
        return not begun


class Bars:
    """One bar for each step, with the node that was last heard of beside it.

    Below them is one for whatever makes progress just now; it goes when that is done, or when its step is.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress: Progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}", markup=False),
            console=Console(file=stream, highlight=False, markup=False, emoji=False),
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=UPDATES,
        )
        self._steps: dict[str, TaskID] = {}
        self._under_way: dict[Subject, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *unused: object) -> None:
        with self._lock:
            self._forget_what_is_under_way()
        self._progress.stop()

    def event(self, event: Event) -> None:
        """Move the bars; from any thread."""
        with self._lock:
            self._event(event)

    def _event(self, event: Event) -> None:
        if event.kind is EventKind.PROGRESS:
            self._go_on(event)
        elif event.kind is EventKind.STEP_STARTED:
            description = clean(event.message)
            self._steps[event.message] = self._progress.add_task(description, total=event.count or 1, last="")
        elif event.kind is EventKind.STEP_DONE:
            self._finish(event.message)
        elif event.kind in ITEMS and self._steps:
            self._advance(event)

    def line(self, text: str) -> None:
        """Print above the bars."""
        self._progress.console.print(text, soft_wrap=True)

    def _go_on(self, event: Event) -> None:
        subject = _subject(event)
        if event.count >= WHOLE:
            if subject in self._under_way:
                self._progress.remove_task(self._under_way.pop(subject))
            return
        if subject not in self._under_way:
            description = clean(event.message)
            self._under_way[subject] = self._progress.add_task(description, total=WHOLE, last="")
        task = self._under_way[subject]
        self._progress.update(task, completed=event.count, last=clean(event.detail))

    def _forget_what_is_under_way(self) -> None:
        while self._under_way:
            self._progress.remove_task(self._under_way.popitem()[1])

    def _finish(self, step: str) -> None:
        self._forget_what_is_under_way()
        task = self._steps.pop(step, None)
        if task is not None:
            total = next(item.total for item in self._progress.tasks if item.id == task)
            self._progress.update(task, completed=total, last="")

    def _advance(self, event: Event) -> None:
        task = list(self._steps.values())[-1]
        self._progress.update(task, advance=1, last=clean(sentence(event) or ""))
