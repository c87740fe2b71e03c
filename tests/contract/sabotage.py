"""A plugin of pytest that puts a saboteur's parts in the place of core's while a clause runs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from operator import attrgetter

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run the clause with the saboteur's core."""
    bench = getattr(item, "funcargs", {}).get("bench")
    with pytest.MonkeyPatch.context() as patch:
        for where, part in getattr(getattr(bench, "plugin", None), "core", {}).items():
            module, _, path = where.partition(":")
            owner, _, name = path.rpartition(".")
            found = importlib.import_module(module)
            patch.setattr(attrgetter(owner)(found) if owner else found, name, part)
        yield
