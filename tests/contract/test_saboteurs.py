"""The suite has teeth: every saboteur is named, by exactly the clauses that it offends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labprov.engine import Capability
from tests.contract import saboteurs
from tests.contract.saboteurs import EXPECTED, MIXED

ROOT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")
"""Where saving durably costs nothing."""
UNASKED = frozenset({Capability.IP})
"""What the reference provider does not claim: the saboteurs of those clauses need a real engine."""


SAMPLE_OF = 1 if os.environ.get("LABPROV_SABOTEURS") == "all" else 5
"""Each run takes one saboteur of this many; ``nox --session nightly`` takes all of them."""
CHOSEN = sorted(EXPECTED)[::SAMPLE_OF]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder for workspaces, in memory where there is such a place."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


Rows = dict[str, dict[str, Any]]
"""What the report has of each clause, by its id."""


def run(folder: Path, providers: list[str], *options: str) -> dict[str, Rows]:
    """Run the suite on these objects of the saboteurs' module; the rows of each, by provider."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "pytest", "-p", "labprov.contract", "-p", "tests.contract.sabotage"]
    command += [f"--labprov-provider=tests.contract.saboteurs:{name}" for name in providers]
    command += ["--labprov-examples=3", f"--labprov-report={report}", f"--basetemp={folder / 'bench'}"]
    command += ["-p", "no:cacheprovider", "--tb=no", "-q", "-r", "N", *options]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    return {
        provider["provider"]: {row["id"]: row for row in provider["clauses"]}
        for provider in json.loads(report.read_bytes())["providers"]
    }


def failed(rows: Rows) -> set[str]:
    """The clauses that failed."""
    return {id for id, row in rows.items() if row["outcome"] == "failed"}


@pytest.fixture(scope="module")
def named(folder: Path) -> dict[str, set[str]]:
    """Give the clauses that name each saboteur, all of them run in one go."""
    alone = [name for name in CHOSEN if MIXED not in EXPECTED[name]]
    found = run(folder, alone, "-n", "4", "-k", "not test_mixed_lab")
    for name in sorted(set(CHOSEN) - set(alone)):
        found[name] = run(folder, [name, "BESIDE"], "-n", "2")[name]
    return {name: failed(rows) for name, rows in found.items()}


@pytest.fixture(scope="module")
def whole(folder: Path) -> Rows:
    """Give the report on what all saboteurs derive from."""
    return run(folder, ["Whole"])["Whole"]


@pytest.mark.parametrize("saboteur", CHOSEN)
def test_exactly_these_clauses_name_it(saboteur: str, named: dict[str, set[str]]) -> None:
    """What is broken is named, and nothing that is whole."""
    assert named[saboteur] == EXPECTED[saboteur], saboteurs.SABOTEURS[saboteur].__doc__


def test_every_clause_has_a_saboteur(whole: Rows) -> None:
    """A clause that no saboteur offends has not been shown to say anything."""
    clauses = {id for id, row in whole.items() if not UNASKED & set(row["needs"])}
    assert clauses - {id for offended in EXPECTED.values() for id in offended} == set()


def test_the_provider_beneath_is_whole(whole: Rows) -> None:
    """What all saboteurs derive from offends no clause, and is asked all but what needs other company."""
    assert failed(whole) == set()
    not_asked = {id for id, row in whole.items() if row["outcome"] == "not claimed"}
    assert not_asked == {id for id, row in whole.items() if UNASKED & set(row["needs"])} | {MIXED}


def test_a_whole_pair_is_whole(folder: Path) -> None:
    """Two providers with one switch keep what is asked of mixed labs."""
    found = run(folder, ["WholeBeside", "BESIDE"], "-k", "TestLinks")
    assert {name: (failed(rows), rows[MIXED]["outcome"]) for name, rows in found.items()} == {
        "WholeBeside": (set(), "passed"),
        "reference": (set(), "passed"),
    }


def test_there_are_enough_saboteurs() -> None:
    """Thirty at least, and none is a mere copy of another."""
    assert len(EXPECTED) >= 30
    assert len({saboteur.__doc__ for saboteur in saboteurs.SABOTEURS.values()}) == len(EXPECTED)
