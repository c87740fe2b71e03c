"""What libraries log, as lines on stderr."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labprov.cli.output import clean_indented


class _Handler(logging.Handler):
    def __init__(self, show: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record)


@contextmanager
def listening(warn: Callable[[str], None], debug: Callable[[str], None] | None) -> Iterator[None]:
    """Pass on what is logged while the block runs.

    :param warn: gets the message of each warning, without its traceback.
    :param debug: where given, gets every record instead, tracebacks included, line by line.
    """
    formatter = logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s")

    def show(record: logging.LogRecord) -> None:
        if debug is None:
            ours = record.name.partition(".")[0] == "labprov"
            warn(record.getMessage() if ours else f"{record.name}: {record.getMessage()}")
            return
        for line in formatter.format(record).splitlines():
            debug(clean_indented(line))

    root = logging.getLogger()
    level, handler = root.level, _Handler(show)
    root.addHandler(handler)
    root.setLevel(logging.WARNING if debug is None else logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
