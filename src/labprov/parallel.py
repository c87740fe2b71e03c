"""Several pieces of work at the same time: as many as do an engine good, and each to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from labprov.errors import LabprovError

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 8
"""How many pieces of work go on at the same time; more make no engine faster."""


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do *work* for each of *items*, :data:`AT_ONCE` at a time.

    :returns: what *work* gave for each.
    :raises Exception: what the first of them raised, when all have ended.
    """
    items = list(items)
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(work, item) for item in items]
    return [future.result() for future in futures]


def side_by_side(items: Sequence[T], work: Callable[[T], R]) -> list[R | LabprovError]:
    """As :func:`in_parallel`, and what failed is an outcome as any other.

    :returns: for each item what *work* gave, or the labprov error that it raised.
    """

    def one(item: T) -> R | LabprovError:
        try:
            return work(item)
        except LabprovError as error:
            return error

    return in_parallel(one, items)
