"""Standard output: text that no terminal can mistake, tables, JSON, CSV, and bytes as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO


class ReaderGone(Exception):
    """Whoever read our standard output has closed it, as ``head`` does: a condition, not a failure."""


class Unwritable(Exception):
    """Standard output can't be written, and why."""


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        raise Unwritable(error.strerror or str(error)) from error


def clean(text: str) -> str:
    """Make *text* one line in which everything that a terminal might obey is visible, and harmless.

    Line breaks become spaces; other characters that don't print (escape, bell, marks that change the
    direction of text, halves of surrogate pairs) become backslash escapes.
    """
    line = " ".join(part for part in text.splitlines() if part)
    return "".join(char if char.isprintable() else _escaped(char) for char in line)


def clean_indented(line: str) -> str:
    """Make *line* harmless and keep its indentation."""
    body = line.lstrip(" ")
    return " " * (len(line) - len(body)) + clean(body)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class Out:
    """Standard output.

    :raises ReaderGone: from every method, once the reading end is closed.
    :raises Unwritable: where it can't be written for another reason (a full disk).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:  # a locale without a character must not turn a result into a failure
            reconfigure(errors="backslashreplace")

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking."""
        return self._stream.isatty()

    def line(self, text: str = "") -> None:
        """Write one line, made harmless."""
        self._write(clean(text) + "\n")

    def pair(self, first: str, second: str) -> None:
        """Write two texts and a tab between them as one line, for programs."""
        self._write(f"{clean(first)}\t{clean(second)}\n")

    def json(self, document: Any) -> None:
        """Write *document*: two spaces, ASCII only, one newline at the end."""
        self._write(json.dumps(document, indent=2) + "\n")

    def json_line(self, document: Any) -> None:
        """Write *document* on one line, ASCII only."""
        self._write(json.dumps(document) + "\n")

    def raw(self, data: bytes) -> None:
        """Write bytes unchanged."""
        with _writing():
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()

    def csv(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a header and rows as RFC 4180 has them, but with plain newlines."""
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(headers)
        writer.writerows([clean(cell) for cell in row] for row in rows)
        self._write(text.getvalue())

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table: folded to the width of a terminal, and whole where nobody looks."""
        cells = [[clean(cell) for cell in row] for row in rows]
        self._write(_folded(headers, cells) if self.is_terminal else _aligned(headers, cells))

    def flush(self) -> None:
        """Hand over what is still held back."""
        with _writing():
            self._stream.flush()

    def _write(self, text: str) -> None:
        with _writing():
            self._stream.write(text)


def _aligned(headers: Sequence[str], rows: list[list[str]]) -> str:
    """Columns of the width of their longest cell: nothing is cut, and ``awk`` can read it."""
    table = [list(headers), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
    return "".join(f"{line}\n" for line in padded)


def _folded(headers: Sequence[str], rows: list[list[str]]) -> str:
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell or "-") for cell in row))
    width = shutil.get_terminal_size().columns
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get()
