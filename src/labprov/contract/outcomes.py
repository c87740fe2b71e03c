"""What a clause's test ends in: passed, failed, not claimed, or a known gap. There is nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from labprov.contract.bench import Bench
from labprov.contract.claims import refused
from labprov.contract.clauses import Clause
from labprov.contract.collect import SHARE, base_of, clause_of, target_of
from labprov.contract.targets import Target, known_gaps
from labprov.engine import ProviderInfo

PASSED = "passed"
FAILED = "failed"
NOT_CLAIMED = "not claimed"
KNOWN_GAP = "known gap"

_PREFIX = f"{__name__}.NotClaimed: "
"""What pytest puts before the message of a skip that is of our class."""

LETTERS = {NOT_CLAIMED: "n", KNOWN_GAP: "g"}

_GAP = pytest.StashKey[bool]()
"""The test failed as its provider's author had said; so what it left need not be in order."""


class NotClaimed(pytest.skip.Exception):  # type: ignore[name-defined,misc] # an attribute of a function
    """The clause needs what the provider does not claim."""


def check_claims(item: pytest.Item) -> None:
    """Let a clause be run only if its provider claims what it needs.

    :raises NotClaimed: it does not, and refuses it as it should.
    """
    clause = clause_of(item)
    bench = _bench(item)
    if clause is None or bench is None:
        return
    missing = sorted(need for need in clause.needs if not bench.claims(need))
    for complaint in filter(None, (refused(bench, need) for need in missing)):
        pytest.fail(complaint, pytrace=False)
    if missing:
        raise NotClaimed(f"{bench.name} does not claim {', '.join(missing)}")


def judge(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """Make of pytest's report the clause's, and attach to it what the contract's report tells of it.

    A clause can't be skipped, nor be expected to fail, by whatever means.
    """
    clause = clause_of(item)
    if clause is None:
        return
    excuse = call.excinfo is not None and _excuses(clause, call.excinfo)
    outcome = NOT_CLAIMED if excuse else FAILED if report.failed else PASSED
    if hasattr(report, "wasxfail"):
        del report.wasxfail
        outcome = _fail(report, f"{clause.id} can't be expected to fail; a provider has known_gaps for that")
    elif report.skipped and not excuse:
        outcome = _fail(report, f"{clause.id} can't be skipped: {_reason(report)}")
    why = known_gaps(_plugin(item)).get(clause.id)
    if why is not None:
        outcome = _gap(item, clause, report, outcome, why)
    if report.when == "call" or outcome != PASSED:
        _attach(item, clause, report, outcome)


def _excuses(clause: Clause, raised: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether a clause that is no core was given up by the suite itself, not by a provider that knows how."""
    origin = str(raised.traceback[-1].frame.f_globals.get("__name__", ""))
    ours = origin == __name__ or origin.startswith("labprov.contract.suite.")
    return isinstance(raised.value, NotClaimed) and bool(clause.needs) and ours


def _fail(report: pytest.TestReport, message: str) -> str:
    report.outcome = "failed"
    report.longrepr = message
    return FAILED


def _gap(item: pytest.Item, clause: Clause, report: pytest.TestReport, outcome: str, why: str) -> str:
    """A gap is strict: it has to be one, in the test itself."""
    if report.when == "call" and outcome == PASSED:
        return _fail(report, f"{clause.id} is a known gap ({why}), but it passes: take it out of known_gaps")
    if outcome != FAILED or not (report.when == "call" or item.stash.get(_GAP, False)):
        return outcome
    item.stash[_GAP] = True
    path, line, _ = item.location
    report.outcome = "skipped"
    report.longrepr = (path, line or 0, f"{KNOWN_GAP}: {why}")
    return KNOWN_GAP


def _attach(item: pytest.Item, clause: Clause, report: pytest.TestReport, outcome: str) -> None:
    info = _info(item)
    # Plain values only: with xdist the report travels from a worker to the controller.
    labprov = {
        "clause": clause.id,
        "outcome": outcome,
        "reason": "" if outcome == PASSED else _reason(report),
        "test": base_of(item),
        "node": item.nodeid,
        "share": item.stash.get(SHARE, 1),
        "provider": {
            "provider": _name(item),
            "version": str(info.version),
            "engine": str(info.engine),
            "engine_version": str(info.engine_version),
            "capabilities": sorted(map(str, info.capabilities)),
        },
    }
    report.labprov = labprov  # type: ignore[attr-defined] # reports take any attribute, and hand it on
    # The JUnit file takes them from the last phase's report, and that has the item's.
    item.user_properties.extend([("labprov_clause", clause.id), ("labprov_outcome", outcome)])


def of_report(report: object) -> dict[str, Any] | None:
    """Give what :func:`judge` has attached, on the controller as well; None for any other report."""
    found: dict[str, Any] | None = getattr(report, "labprov", None)
    return found


def _reason(report: pytest.TestReport) -> str:
    """The report's message in one line."""
    if isinstance(report.longrepr, tuple):
        text = report.longrepr[2].removeprefix(_PREFIX).removeprefix(f"{KNOWN_GAP}: ")
    else:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash else str(report.longrepr)
    return next(iter(text.strip().splitlines()), "")


def _bench(item: pytest.Item) -> Bench | None:
    found = getattr(item, "funcargs", {}).get("bench")
    return found if isinstance(found, Bench) else None


def _plugin(item: pytest.Item) -> object:
    source: Bench | Target | None = target_of(item) or _bench(item)
    return source.plugin if source else None


def _name(item: pytest.Item) -> str:
    source: Bench | Target | None = target_of(item) or _bench(item)
    return source.name if source else "unknown"


def _info(item: pytest.Item) -> ProviderInfo:
    source: Bench | Target | None = target_of(item) or _bench(item)
    return source.info if source else ProviderInfo(name="unknown", version="")
