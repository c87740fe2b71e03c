"""The report: rows, and what is proved by them; and that two runs don't meet."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from labprov.contract.clauses import Clause
from labprov.contract.locks import sole_use
from labprov.contract.report import ContractReport
from labprov.engine import Capability
from tests.contract.rig import P1, P3, REFERENCE, Folder

CORE = Clause(id="P1", since="1", needs=frozenset(), name="test_a", sentence="A holds.")
FRAMES = Clause(id="W1", since="1", needs=frozenset({Capability.FRAMES}), name="test_b", sentence="B holds.")


def report(outcomes: dict[str, str], claims: tuple[str, ...] = ("console", "frames")) -> ContractReport:
    """Give a report in which these clauses came out so."""
    made = ContractReport({"contract": "1"}, (CORE, FRAMES), {})
    for clause, outcome in outcomes.items():
        made.add(told(clause, outcome, claims=claims), 1.0)
    return made


def told(clause: str, outcome: str, *, node: str = "t[x]", share: int = 1, **more: Any) -> dict[str, Any]:
    """Give what one test's report tells."""
    facts = {"provider": "acme", "version": "2", "engine": "anvil", "engine_version": "3"}
    facts["capabilities"] = more.get("claims", ())
    told = {"clause": clause, "outcome": outcome, "reason": "why", "provider": facts}
    return {**told, "test": "t", "node": node, "share": share}


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ({"P1": "passed", "W1": "passed"}, "conformant: core, frames"),
        ({"P1": "passed"}, "not conformant: incomplete, 1 of 2 clauses were not run"),
        ({"P1": "failed", "W1": "passed"}, "not conformant: failed P1"),
        ({"P1": "passed", "W1": "known gap"}, "not conformant: known gap W1"),
        ({"P1": "failed"}, "not conformant: failed P1; incomplete, 1 of 2 clauses were not run"),
    ],
)
def test_verdict(outcomes: dict[str, str], verdict: str) -> None:
    """Conformant is who was asked every clause and broke none; it names what was proved, and no more."""
    made = report(outcomes)
    assert made.providers["acme"].verdict() == f"acme 2 (anvil 3): {verdict}"
    assert made.document()["providers"][0]["conformant"] is verdict.startswith("conformant")


def test_not_claimed_is_no_fault_and_no_proof() -> None:
    """Without the claim a provider conforms, and the capability is not among what was proved."""
    made = report({"P1": "passed", "W1": "not claimed"}, ("processes",)).document()["providers"][0]
    assert (made["complete"], made["conformant"], made["proved"]) == (True, True, ["core", "processes"])


def test_worst_of_a_clauses_tests_counts() -> None:
    """A clause with many tests, or one that failed in its clean-up, has the worst outcome of them."""
    made = report({"P1": "passed", "W1": "passed"})
    made.add(told("P1", "failed", node="t[y]"), 2.0)
    made.add(told("P1", "passed", node="t[z]"), 2.0)
    row = made.document()["providers"][0]["clauses"][0]
    assert (row["id"], row["outcome"], row["reason"], row["seconds"]) == ("P1", "failed", "why", 5.0)


def test_part_of_a_clause_is_not_the_clause() -> None:
    """A clause that has parameters of its own is complete when all of them were run."""
    made = report({"W1": "passed"})
    made.add(told("P1", "passed", node="t[1]", share=2), 1.0)
    assert not made.providers["acme"].complete
    made.add(told("P1", "passed", node="t[2]", share=2), 1.0)
    assert made.providers["acme"].complete


def test_whole_report_of_the_reference_provider(folder: Folder) -> None:
    """Every clause is run, on one worker or in this process, and everything worth knowing is told."""
    alone = folder.suite(f"--labprov-provider={REFERENCE}")
    found = alone.provider("reference")
    assert (alone.code, found["complete"], found["conformant"]) == (0, True, True), alone.out
    assert f"reference 1 (memory 1): conformant: {', '.join(found['proved'])}" in alone.out
    assert found["proved"][0] == "core"
    assert {"frames", "carrier"} <= set(found["proved"])
    assert alone.report is not None
    assert {"labprov", "contract", "seed", "examples", "python", "pytest", "platform", "kernel"} <= set(
        alone.report
    )
    assert all(row["sentence"] and row["name"].startswith("test_") for row in found["clauses"])
    spread = folder.suite(f"--labprov-provider={REFERENCE}", "-n2")
    assert spread.code == 0, spread.out
    assert spread.outcomes("reference") == alone.outcomes("reference")
    assert spread.provider("reference")["conformant"] is True


def test_tests_that_are_only_set_up_prove_nothing(mine: Folder) -> None:
    """`--setup-only` lets pytest pass tests that it has not run; the report does not."""
    done = mine.suite("--labprov-provider=mine:Mine", P1, "--setup-only")
    assert done.code == 0
    assert done.report is not None
    assert done.report["providers"] == []


def test_old_report_does_not_stand(mine: Folder) -> None:
    """A run that comes to nothing leaves no report of an earlier one."""
    assert mine.suite("--labprov-provider=mine:Mine", P1).report is not None
    assert mine.suite("--labprov-provider=mine:Nope", P1).report is None


def test_report_that_cant_be_written(mine: Folder) -> None:
    """That is said before anything is run."""
    mine.file("file", "")
    done = mine.suite("--labprov-provider=mine:Mine", P1, "--labprov-report=file/report.json")
    assert done.code == 4
    assert "no report can be written to" in done.out
    assert "passed" not in done.out


def test_table_shows_providers_side_by_side(mine: Folder) -> None:
    """One line for each clause that was run, one column for each provider."""
    done = mine.suite("--labprov-provider=mine:Mine", "--labprov-provider=mine:Deaf", P1, P3)
    lines = [line.split() for line in done.out.splitlines()]
    assert ["clause", "deaf", "mine"] in lines, done.out
    assert ["P1", "passed", "passed", "test_deploy_creates_vlan_file"] in lines
    assert ["P3", "passed", "passed", "test_destroy_removes_vlan_file"] in lines


def test_two_runs_at_once_take_turns(mine: Folder) -> None:
    """While somebody has an engine for himself another run waits; nobody waits for an engine in memory."""
    mine.file("shared.py", "from mine import Mine\nclass Shared(Mine): private_engine = False\n")
    mine.file("private.py", "from mine import Mine\nclass Private(Mine): private_engine = True\n")
    with sole_use("mine"):
        assert mine.suite("--labprov-provider=private:Private", P1).code == 0
        command = [*mine.command, "-p", "labprov.contract", "--labprov-provider=shared:Shared", P1]
        run = subprocess.Popen(command, cwd=mine.path, env=mine.environment, stdout=subprocess.DEVNULL)
        while not waits_for_a_lock(run.pid) and run.poll() is None:
            time.sleep(0.05)  # the kernel tells nobody that a process has come to wait
        assert run.poll() is None
    assert run.wait() == 0


def waits_for_a_lock(process: int) -> bool:
    """Whether the kernel says that the process is blocked by somebody's lock."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(words[1] == "->" and words[5] == str(process) for words in lines)
