"""The suite has teeth: every saboteur is named, by exactly the clauses that it offends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labprov.engine import Capability
from tests.contract import netns_saboteurs, saboteurs
from tests.contract.rig import Rows, failed, run_on
from tests.contract.saboteurs import EXPECTED, MIXED

MEMORY = Path("/dev/shm")
"""Where saving durably costs nothing."""
UNASKED = frozenset({Capability.IP})
"""What the reference provider does not claim: the saboteurs of those clauses need a real kernel."""
SAMPLE_OF = 1 if os.environ.get("LABPROV_SABOTEURS") == "all" else 5
"""Each run takes one saboteur of this many; ``nox --session nightly`` takes all of them."""
CHOSEN = sorted(EXPECTED)[::SAMPLE_OF]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder for workspaces, in memory where there is such a place."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def _paths(names: list[str]) -> list[str]:
    return [f"{saboteurs.__name__}:{name}" for name in names]


@pytest.fixture(scope="module")
def named(folder: Path) -> dict[str, set[str]]:
    """Give the clauses that name each saboteur, all of them run in one go."""
    alone = [name for name in CHOSEN if MIXED not in EXPECTED[name]]
    found = run_on(folder, _paths(alone), "-n", "4", "-k", "not test_mixed_lab")
    for name in sorted(set(CHOSEN) - set(alone)):
        found[name] = run_on(folder, _paths([name, "BESIDE"]), "-n", "2")[name]
    return {name: failed(rows) for name, rows in found.items()}


@pytest.fixture(scope="module")
def whole(folder: Path) -> Rows:
    """Give the report on what all saboteurs derive from."""
    return run_on(folder, _paths(["Whole"]))["Whole"]


@pytest.mark.parametrize("saboteur", CHOSEN)
def test_exactly_these_clauses_name_it(saboteur: str, named: dict[str, set[str]]) -> None:
    """What is broken is named, and nothing that is whole."""
    assert named[saboteur] == EXPECTED[saboteur], saboteurs.SABOTEURS[saboteur].__doc__


def test_every_clause_has_a_saboteur(whole: Rows) -> None:
    """A clause that no saboteur offends has not been shown to say anything."""
    offended = [*EXPECTED.values(), *netns_saboteurs.EXPECTED.values()]
    assert set(whole) - {id for ids in offended for id in ids} == set()


def test_the_provider_beneath_is_whole(whole: Rows) -> None:
    """What all saboteurs derive from offends no clause, and is asked all but what needs other company."""
    assert failed(whole) == set()
    not_asked = {id for id, row in whole.items() if row["outcome"] == "not claimed"}
    assert not_asked == {id for id, row in whole.items() if UNASKED & set(row["needs"])} | {MIXED}


def test_a_whole_pair_is_whole(folder: Path) -> None:
    """Two providers with one switch keep what is asked of mixed labs."""
    found = run_on(folder, _paths(["WholeBeside", "BESIDE"]), "-k", "TestLinks")
    assert {name: (failed(rows), rows[MIXED]["outcome"]) for name, rows in found.items()} == {
        "WholeBeside": (set(), "passed"),
        "reference": (set(), "passed"),
    }


def test_there_are_enough_saboteurs() -> None:
    """Thirty at least, and none is a mere copy of another."""
    assert len(EXPECTED) >= 30
    assert len({saboteur.__doc__ for saboteur in saboteurs.SABOTEURS.values()}) == len(EXPECTED)
