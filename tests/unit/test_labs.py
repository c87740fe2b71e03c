"""All labs of a workspace, and cleaning up after those that nobody wants."""

from __future__ import annotations

import pytest

from labprov.builder import TopologyBuilder
from labprov.errors import InvalidInput, InvalidName, Unavailable
from labprov.labs import cleanup, inspect_all, known_labs, orphans
from labprov.model import Topology
from labprov.plugins import Plugins
from labprov.settings import Settings
from labprov.workspace import Workspace
from tests.memory import MemoryProvider
from tests.unit.conftest import LabMaker

LONG = "x" * 63


def small(name: str) -> Topology:
    return TopologyBuilder(name).add_node("r1").add_node("r10").add_link("r1:eth1", "r10:eth1").build()


@pytest.fixture
def labs(make_lab: LabMaker) -> list[str]:
    names = ["lab1", "lab10", LONG, LONG[:20]]
    for name in names:
        assert make_lab(small(name)).deploy().ok
    return names


def test_destroying_one_lab_never_touches_another(
    labs: list[str], make_lab: LabMaker, memory: MemoryProvider
) -> None:
    """``lab1`` is not ``lab10``, and ids with the same first 20 characters are two."""
    for name in ("lab1", LONG[:20]):
        make_lab(small(name)).destroy()
    left = {machine.labels["labprov.lab"] for machine in memory.engine.machines.values()}
    assert left == {"lab10", LONG}


def test_orphans_are_compared_in_full(labs: list[str], settings: Settings, plugins: Plugins) -> None:
    """``lab1`` is an orphan although ``lab10`` is kept; a live lab at the length limit is none."""
    assert set(known_labs(settings, plugins)) == set(labs)
    assert set(orphans(settings, ["lab10", LONG], plugins=plugins)) == {"lab1", LONG[:20]}
    assert orphans(settings, labs, plugins=plugins) == ()
    assert set(orphans(settings, [], every=True, plugins=plugins)) == set(labs)


def test_empty_keep_list_is_refused(labs: list[str], settings: Settings, plugins: Plugins) -> None:
    """Nobody removes everything by naming nothing."""
    with pytest.raises(InvalidInput, match="--all"):
        orphans(settings, [], plugins=plugins)
    with pytest.raises(InvalidName):
        orphans(settings, ["../lab1"], plugins=plugins)


def test_cleanup_removes_all_of_a_lab_and_goes_on(
    labs: list[str], settings: Settings, plugins: Plugins, memory: MemoryProvider
) -> None:
    """One that can't be removed is reported and the others go; a second run finishes, a third is idle."""
    with memory.broken("remove:r10"):
        reports = cleanup(settings, ["lab1", "lab10"], plugins=plugins)
    assert [len(report.failures) for report in reports] == [1, 1]
    reports = cleanup(settings, ["lab1", "lab10"], plugins=plugins)
    assert all(report.ok for report in reports)
    assert set(known_labs(settings, plugins)) == {LONG, LONG[:20]}
    assert Workspace(settings.workspace).labs() == {LONG, LONG[:20]}
    reports = cleanup(settings, orphans(settings, [], every=True, plugins=plugins), plugins=plugins)
    assert all(report.ok for report in reports)
    assert not memory.engine.machines
    assert known_labs(settings, plugins) == ()


def test_inspect_all_shows_every_lab(labs: list[str], settings: Settings, plugins: Plugins) -> None:
    """Each node of each lab, once."""
    seen = [(status.lab, status.node) for status in inspect_all(settings, plugins)]
    assert len(seen) == len(set(seen)) == 2 * len(labs)


def test_unknown_is_never_empty(
    labs: list[str], settings: Settings, plugins: Plugins, memory: MemoryProvider
) -> None:
    """An engine that does not answer has no orphans; the question fails."""
    with memory.broken("observe"), pytest.raises(Unavailable):
        orphans(settings, ["lab1"], plugins=plugins)


def test_no_workspace_no_labs(settings: Settings, plugins: Plugins) -> None:
    """Asking makes nothing."""
    assert known_labs(settings, plugins) == ()
    assert inspect_all(settings, plugins) == ()
    assert not settings.workspace.exists()
