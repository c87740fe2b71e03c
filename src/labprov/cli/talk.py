"""Standard error: progress, warnings, errors and questions, which are never results."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TextIO

from labprov.cli.output import clean, clean_indented

if TYPE_CHECKING:
    from labprov.events import Event


class Display(Protocol):
    """Something that shows events while an operation runs."""

    def event(self, event: Event) -> None:
        """Show *event*."""

    def line(self, text: str) -> None:
        """Print one line, without damage to what is being shown."""


class Talk:
    """Standard error. That nobody can hear it is never a failure, so it raises nothing.

    :param quiet: no progress and no remarks; warnings and errors stay.
    :param debug: tracebacks, and what libraries log.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False, debug: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._debug = debug
        self._display: Display | None = None
        self._warned: set[str] = set()
        self._lock = threading.RLock()

    @property
    def quiet(self) -> bool:
        """Whether only warnings and errors are wanted."""
        return self._quiet

    def say(self, text: str) -> None:
        """Make a remark."""
        if not self._quiet:
            self._line(clean_indented(text))

    def note(self, text: str) -> None:
        """Print what belongs to an error or to a question, quiet or not."""
        self._line(clean_indented(text))

    def warn(self, text: str) -> None:
        """Warn, once for each text however often it comes."""
        if text not in self._warned:
            self._warned.add(text)
            self._line(f"labprov: warning: {clean(text)}")

    def error(self, text: str) -> None:
        """Say what failed."""
        self._line(f"labprov: error: {clean(text)}")

    def trace(self, error: BaseException) -> None:
        """Print where *error* came from, if ``--debug`` asks for it."""
        if self._debug:
            import traceback

            for line in "".join(traceback.format_exception(error)).splitlines():
                self._line(clean_indented(line))

    def raw(self, data: bytes) -> None:
        """Pass bytes on unchanged."""
        with suppress(OSError):
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()

    def event(self, event: Event) -> None:
        """Show what happened; for :class:`labprov.Lab`'s ``on_event``, from any thread."""
        from labprov.events import EventKind

        if event.kind is EventKind.WARNING:
            self.warn(event.message)
        elif self._display and not self._quiet:
            self._display.event(event)

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Show events as a moving display on a terminal, as lines elsewhere, while the block runs."""
        if self._quiet:
            yield
            return
        from labprov.cli.progress import display

        with display(self._stream, self._write_line) as shown:
            self._display = shown
            try:
                yield
            finally:
                self._display = None

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Turn what libraries log into warnings of one line; all of it, with tracebacks, for ``--debug``."""
        from labprov.cli.logs import listening

        with listening(self.warn, self._write_line if self._debug else None):
            yield

    def confirm(self, question: str) -> bool:
        """Ask, and take only ``y`` or ``yes`` for a yes; an end of input is a no."""
        with suppress(OSError):
            self._stream.write(f"{clean(question)} [y/N] ")
            self._stream.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _line(self, text: str) -> None:
        (self._display.line if self._display else self._write_line)(text)

    def _write_line(self, text: str) -> None:
        with self._lock, suppress(OSError):
            self._stream.write(text + "\n")
            self._stream.flush()
