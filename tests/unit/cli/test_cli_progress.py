"""The display of what takes long: bars that come and go on a terminal, two lines elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import pytest

from labprov.cli.progress import display
from labprov.events import Event, EventKind

PULL = "pulling alpine:3"


def progress(count: int, detail: str = "", message: str = PULL, node: str | None = None) -> Event:
    """How far a pull is."""
    return Event(kind=EventKind.PROGRESS, lab="ring", node=node, message=message, count=count, detail=detail)


def step(kind: EventKind) -> Event:
    """The step in which images are pulled begins, or is done."""
    return Event(kind=kind, lab="ring", message="create", count=2)


class Terminal(io.StringIO):
    """Looks like one."""

    def isatty(self) -> bool:
        """It does."""
        return True


def in_a_pipe(events: Iterable[Event]) -> list[str]:
    """The lines that are printed where nothing moves."""
    written: list[str] = []
    with display(io.StringIO(), written.append) as shown:
        for event in events:
            shown.event(event)
    return written


def test_in_a_pipe_progress_is_its_beginning_and_its_end() -> None:
    """However often it is told of; each subject for itself."""
    events = [progress(count, node=None) for count in (0, 0, 1, 55, 99)]
    events += [
        progress(0, message="pulling frr"),
        progress(100, "45 MB"),
        progress(100, message="pulling frr"),
    ]
    assert in_a_pipe(events) == [
        "ring: pulling alpine:3",
        "ring: pulling frr",
        "ring: pulling alpine:3: done",
        "ring: pulling frr: done",
    ]


def test_what_is_done_may_begin_again() -> None:
    """Another pull of the same image is told like the first."""
    assert (
        in_a_pipe([progress(0, node="r1"), progress(100, node="r1")] * 2)
        == [
            "ring/r1: pulling alpine:3",
            "ring/r1: pulling alpine:3: done",
        ]
        * 2
    )


def on_a_terminal(events: Iterable[Event], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stands on a terminal after each event."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    stream, screens = Terminal(), []
    with display(stream, lambda _: None) as shown:
        for event in events:
            shown.event(event)
            stream.truncate(0)
            stream.seek(0)
            shown._progress.refresh()  # type: ignore[attr-defined]  # instead of waiting for it
            screens.append(re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()))
        stream.truncate(0)
        stream.seek(0)
    screens.append(re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()))
    return screens


def test_on_a_terminal_progress_has_a_bar_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """With how far it is, in per cent and in words; beside the bar of its step, which it does not move."""
    events = [step(EventKind.STEP_STARTED), progress(0), progress(27, "12.3 of 45 MB"), progress(100)]
    before, begun, half, done, _ = on_a_terminal(events, monkeypatch)
    assert "create" in before
    assert PULL in begun
    assert re.search(rf"{PULL} .*27/100 .*12.3 of 45 MB", half)
    assert PULL not in done
    assert all(re.search("create .*0/2", screen) for screen in (before, begun, half, done))


@pytest.mark.parametrize("end", [[step(EventKind.STEP_DONE)], []])
def test_what_never_ends_leaves_no_bar(end: list[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that failed is gone from the display with its step, or with the display."""
    screens = on_a_terminal([step(EventKind.STEP_STARTED), progress(27), *end], monkeypatch)
    assert PULL in screens[1]
    assert PULL not in screens[-1]


def test_texts_are_made_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine's words can't move the cursor."""
    evil = progress(1, "\x1b]0;title\x07", message="pulling \x1b[2J")
    assert in_a_pipe([evil]) == ["ring: pulling \\x1b[2J"]
    screen = on_a_terminal([evil], monkeypatch)[0]
    assert "\\x1b]0;title" in screen
    assert "\x07" not in screen
