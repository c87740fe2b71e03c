"""Runs pytest as a provider's author would: in a folder of its own, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).parents[2]
REFERENCE = "labprov.contract.reference:ReferenceProvider"
P1 = "labprov.contract::TestPersistence::test_deploy_creates_vlan_file"
P3 = "labprov.contract::TestPersistence::test_destroy_removes_vlan_file"
CARRIER = "labprov.contract::TestLinks::test_carrier"
P7 = "labprov.contract::TestPersistence::test_captured_tags_are_the_persisted_ones"

MINE = """
    from attrs import evolve
    from labprov.contract.reference import ReferenceProvider
    from labprov.engine import Capability
    from labprov.errors import EngineFailure
    from labprov.hookspecs import hookimpl

    class Mine(ReferenceProvider):
        def __init__(self, name="mine"):
            super().__init__(name=name)

    class Deaf(Mine):
        known_gaps = {}

        def __init__(self):
            super().__init__("deaf")

        @hookimpl
        def labprov_capture_vlans(self, scope):
            return {}
"""
"""A module with two providers: one that is whole, and one that breaks P7."""


@frozen
class Done:
    """How a run of pytest ended."""

    code: int
    out: str
    report: dict[str, Any] | None

    @property
    def ids(self) -> list[str]:
        """The node ids that a ``--collect-only -q`` gave."""
        return [line for line in self.out.splitlines() if "::" in line]

    def provider(self, name: str) -> dict[str, Any]:
        """One provider's part of the report."""
        assert self.report is not None, self.out
        (found,) = (part for part in self.report["providers"] if part["provider"] == name)
        assert isinstance(found, dict)
        return found

    def outcomes(self, name: str) -> dict[str, str]:
        """How the clauses that were run came out for that provider."""
        rows = self.provider(name)["clauses"]
        return {row["id"]: row["outcome"] for row in rows if row["outcome"] != "not run"}


@frozen
class Folder:
    """A folder in which somebody calls pytest."""

    path: Path

    def file(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def suite(self, *arguments: str, cwd: Path | None = None) -> Done:
        """Call ``pytest -p labprov.contract`` with a report."""
        return self.pytest("-p", "labprov.contract", *arguments, cwd=cwd)

    def pytest(self, *arguments: str, cwd: Path | None = None) -> Done:
        """Call pytest with a report."""
        report = self.path / "out" / "report.json"
        done = subprocess.run(
            [*self.command, f"--labprov-report={report}", *arguments],
            cwd=cwd or self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        found = json.loads(report.read_text()) if report.exists() else None
        return Done(done.returncode, done.stdout + done.stderr, found)

    @property
    def command(self) -> list[str]:
        """Pytest, without the current folder among those where modules are looked for."""
        cache = f"cache_dir={self.path / 'cache'}"
        return [sys.executable, "-P", "-m", "pytest", "-o", cache, f"--basetemp={self.path / 'tmp'}"]

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the pytest that runs this test; modules come from this folder's ``site`` first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        paths = filter(None, (str(self.path / "site"), os.environ.get("PYTHONPATH")))
        return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}

    def install(self, name: str, value: str) -> None:
        """Install a distribution that has one provider, as pip would leave it."""
        info = f"site/labprov_{name}-1.0.dist-info"
        self.file(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: labprov-{name}\nVersion: 1.0\n")
        self.file(f"{info}/entry_points.txt", f"[labprov]\n{name} = {value}\n")


Rows = dict[str, dict[str, Any]]
"""What the report has of each clause, by its id."""


def run_on(folder: Path, providers: list[str], *options: str) -> dict[str, Rows]:
    """Run the suite on these providers (``module:object``); the rows of each, by provider."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "pytest", "-p", "labprov.contract", "-p", "tests.contract.sabotage"]
    command += [f"--labprov-provider={name}" for name in providers]
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
