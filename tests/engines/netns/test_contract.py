"""The embedded provider keeps the whole contract on this kernel, whoever uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.netns.plain_user import copies, pytest_as_nobody

UNCLAIMED = {"P17", "R5", "R9", "I7", "W3"}
"""Veth pairs share no bridge and meet no other provider's ports; a kernel can't be restarted under a test."""
SUITE = ["-p", "labprov.contract", "--labprov-provider=netns", "--labprov-report=report.json"]


def check(folder: Path, said: str) -> None:
    """The report says that every clause was run, and that each that is claimed is kept."""
    file = folder / "report.json"
    assert file.exists(), said
    (provider,) = json.loads(file.read_text())["providers"]
    outcomes = {row["id"]: row["outcome"] for row in provider["clauses"]}
    assert provider["conformant"], said
    assert {clause for clause, outcome in outcomes.items() if outcome != "passed"} == UNCLAIMED


def test_contract(tmp_path: Path) -> None:
    """Every clause that is claimed is kept."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITE]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    check(tmp_path, run.stdout + run.stderr)


@pytest.mark.root
def test_contract_as_another_user() -> None:
    """Every clause that is claimed is kept for an unprivileged user as well."""
    with copies() as base:
        run = pytest_as_nobody(base, *SUITE)
        check(base / "home", run.stdout + run.stderr)
