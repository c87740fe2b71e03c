"""How pytest comes to the suite's clauses, with no path among its arguments."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from labprov.contract.clauses import CLAUSES, Clause
from labprov.contract.options import SUITE
from labprov.contract.targets import Target

SHARE = pytest.StashKey[int]()
"""Among how many items (parameters of its own) the test of an item's clause is divided."""


def suite_module() -> ModuleType:
    """The module that holds all classes of clauses; imported late, so that its assertions are rewritten."""
    return importlib.import_module("labprov.contract.suite")


def _classes(module: ModuleType) -> dict[str, type]:
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and name.startswith("Test")
    }


def suite_clauses(version: str) -> tuple[Clause, ...]:
    """The suite's clauses up to that version of the contract, in the contract's order."""
    ids: dict[str, None] = {}
    for value in _classes(suite_module()).values():
        for test in vars(value).values():
            ids.update((mark.args[0], None) for mark in getattr(test, "pytestmark", ()) if _is_clause(mark))
    return tuple(CLAUSES[id] for id in sorted(ids, key=_place) if holds(CLAUSES[id], version))


def _place(id: str) -> tuple[int, int]:
    """Where a clause stands in the contract."""
    return "PRIWLKXD".index(id[0]), int(id[1:])


def _is_clause(mark: pytest.Mark) -> bool:
    return mark.name == "labprov_clause"


def holds(clause: Clause, version: str) -> bool:
    """Whether the clause is part of that version of the contract."""
    return int(clause.since) <= int(version)


def clause_of(item: pytest.Item) -> Clause | None:
    """The clause that the test is, if it is one."""
    mark = item.get_closest_marker("labprov_clause")
    return CLAUSES[mark.args[0]] if mark else None


def target_of(item: pytest.Item) -> Target | None:
    """The provider that the test is about, if it is about one."""
    callspec = getattr(item, "callspec", None)
    target: Target | None = callspec.params.get("labprov_target") if callspec else None
    return target


class SuiteClass(pytest.Class):
    """A class of clauses; what the user's pytest settings call tests does not matter here."""

    def funcnamefilter(self, name: str) -> bool:
        """Whether a method of that name is a clause."""
        return name.startswith("test_")


class Suite(pytest.Module):
    """The suite, as one module below the session: nothing of site-packages is picked up beside it."""

    @classmethod
    def below(cls, session: pytest.Session) -> Suite:
        """Make the suite's node."""
        path = Path(__file__).parent / "suite" / "__init__.py"
        suite: Suite = cls.from_parent(session, path=path, name=SUITE, nodeid=SUITE)
        return suite

    def _getobj(self) -> ModuleType:
        return suite_module()

    def collect(self) -> Iterator[pytest.Collector]:
        """Give the classes of clauses."""
        for name, value in _classes(self.obj).items():
            yield SuiteClass.from_parent(self, name=name, obj=value)


class Uncut:
    """Has the suite collected always: ``--lf`` would leave out a module whose id is no path."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        """Collect the suite before ``--lf`` has its say."""
        if not isinstance(collector, Suite):
            return None
        call = pytest.CallInfo[list[pytest.Item | pytest.Collector]].from_call(
            lambda: list(collector.collect()), "collect", reraise=(KeyboardInterrupt, SystemExit)
        )
        if call.excinfo is None:
            return pytest.CollectReport(collector.nodeid, "passed", None, call.result)
        return pytest.CollectReport(collector.nodeid, "failed", str(call.excinfo.getrepr(style="short")), [])


def choose(items: list[pytest.Item], selected: Iterable[str], version: str) -> list[pytest.Item]:
    """Leave in *items* what is to be run of the suite, and no clause that is newer than *version*.

    :param selected: what of the suite was asked for, as :func:`labprov.contract.options.take_arguments`
        gives it.
    :returns: the items that are too new.
    :raises pytest.UsageError: something that was asked for is not there.
    """
    _count(items)
    kept = {item for text in selected for item in _found(items, text)}
    items[:] = [item for item in items if item.getparent(Suite) is None or item in kept]
    newer = [item for item in items if (clause := clause_of(item)) and not holds(clause, version)]
    items[:] = [item for item in items if item not in newer]
    return newer


def _found(items: list[pytest.Item], text: str) -> list[pytest.Item]:
    ours = [item for item in items if item.getparent(Suite) is not None]
    if not text:
        return ours
    wanted = f"{SUITE}::{text}"
    found = [i for i in ours if i.nodeid == wanted or i.nodeid.startswith((f"{wanted}::", f"{wanted}["))]
    if not found:
        items.clear()  # or xdist would wait for them to be run
        raise pytest.UsageError(f"not found: {wanted}")
    return found


def _count(items: Sequence[pytest.Item]) -> None:
    shares = Counter((base_of(item), target_of(item)) for item in items)
    for item in items:
        item.stash[SHARE] = shares[base_of(item), target_of(item)]


def base_of(item: pytest.Item) -> str:
    """The item's id without its parameters."""
    return item.nodeid.partition("[")[0]
