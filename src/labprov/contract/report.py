"""The contract's report: a row for each clause, and what is proved by them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attrs import field, mutable

from labprov.contract.clauses import Clause
from labprov.contract.outcomes import FAILED, KNOWN_GAP, NOT_CLAIMED, PASSED
from labprov.engine import Capability

IN_CORE = frozenset({Capability.PROCESSES, Capability.JSON_STORE})
"""Capabilities that core clauses look at, where they are claimed."""

WORST_FIRST = (FAILED, KNOWN_GAP, NOT_CLAIMED, PASSED)


@mutable
class Row:
    """How one clause came out for one provider; the worst of all its tests and phases."""

    outcome: str = PASSED
    reason: str = ""
    seconds: float = 0.0
    nodes: dict[str, set[str]] = field(factory=dict)
    """The items that came to an end, by test."""
    shares: dict[str, int] = field(factory=dict)
    """The number of items there are, by test."""

    def add(self, told: Mapping[str, Any], seconds: float) -> None:
        """Take in what one report tells."""
        if WORST_FIRST.index(told["outcome"]) < WORST_FIRST.index(self.outcome):
            self.outcome, self.reason = told["outcome"], told["reason"]
        self.seconds += seconds
        self.nodes.setdefault(told["test"], set()).add(told["node"])
        self.shares[told["test"]] = told["share"]

    @property
    def whole(self) -> bool:
        """Whether all items of each test came to an end."""
        return all(len(self.nodes[test]) == share for test, share in self.shares.items())


@mutable
class ProviderReport:
    """All rows of one provider.

    :param facts: what it says of itself, as it stands in the report.
    :param wanted: the clauses of the version of the contract it is held to.
    """

    facts: Mapping[str, Any]
    wanted: Sequence[Clause]
    rows: dict[str, Row] = field(factory=dict)

    @property
    def name(self) -> str:
        """The provider's name."""
        return str(self.facts["provider"])

    def ids(self, outcome: str) -> list[str]:
        """The clauses that came out so, in the contract's order as far as it has them."""
        order = [clause.id for clause in self.wanted if clause.id in self.rows]
        order += [id for id in self.rows if id not in order]
        return [id for id in order if self.rows[id].outcome == outcome]

    @property
    def missing(self) -> list[str]:
        """The clauses that were not run, or not to their end."""
        done = {id for id, row in self.rows.items() if row.whole}
        return [clause.id for clause in self.wanted if clause.id not in done]

    @property
    def complete(self) -> bool:
        """Whether every clause of the contract was run."""
        return bool(self.wanted) and not self.missing

    @property
    def conformant(self) -> bool:
        """Whether the provider keeps the contract, as far as it claims."""
        return self.complete and not self.ids(FAILED) and not self.ids(KNOWN_GAP)

    @property
    def proved(self) -> list[str]:
        """What was proved: the core, and each capability that clauses looked at; only if conformant."""
        if not self.conformant:
            return []
        needed = IN_CORE.union(*(clause.needs for clause in self.wanted))
        return ["core", *(claim for claim in self.facts["capabilities"] if claim in needed)]

    def verdict(self) -> str:
        """One line for people."""
        engine = " ".join(filter(None, (self.facts["engine"], self.facts["engine_version"])))
        who = f"{self.name} {self.facts['version']}".strip() + (f" ({engine})" if engine else "")
        if self.conformant:
            return f"{who}: conformant: {', '.join(self.proved)}"
        outcomes = [outcome for outcome in (FAILED, KNOWN_GAP) if self.ids(outcome)]
        faults = [f"{outcome} {', '.join(self.ids(outcome))}" for outcome in outcomes]
        if not self.complete:
            faults.append(f"incomplete, {len(self.missing)} of {len(self.wanted)} clauses were not run")
        return f"{who}: not conformant: {'; '.join(faults)}"

    def document(self) -> dict[str, Any]:
        """The provider's part of the report."""
        return {
            **self.facts,
            "available": True,
            "complete": self.complete,
            "conformant": self.conformant,
            "proved": self.proved,
            "verdict": self.verdict(),
            "clauses": [self._row(clause) for clause in self.wanted],
        }

    def _row(self, clause: Clause) -> dict[str, Any]:
        row = self.rows.get(clause.id, Row())
        return {
            "id": clause.id,
            "since": clause.since,
            "name": clause.name,
            "sentence": clause.sentence,
            "needs": sorted(clause.needs),
            "outcome": row.outcome if row.nodes else "not run",
            "reason": row.reason,
            "seconds": round(row.seconds, 3),
        }


@mutable
class ContractReport:
    """The whole report.

    :param settings: what the run was asked for: version of the contract, examples, seed.
    :param wanted: the clauses that make a run complete.
    :param unavailable: providers that nobody named and that can't be tested here: name and reason.
    """

    settings: Mapping[str, Any]
    wanted: Sequence[Clause]
    unavailable: Mapping[str, str]
    providers: dict[str, ProviderReport] = field(factory=dict)

    def add(self, told: Mapping[str, Any], seconds: float) -> None:
        """Take in what one test's report tells."""
        facts = told["provider"]
        provider = self.providers.setdefault(facts["provider"], ProviderReport(facts, self.wanted))
        provider.rows.setdefault(told["clause"], Row()).add(told, seconds)

    def document(self) -> dict[str, Any]:
        """The report as it is written."""
        return {
            "labprov": version("labprov"),
            **self.settings,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "pytest": version("pytest"),
            "platform": platform.platform(),
            "kernel": f"{platform.system()} {platform.release()}",
            "machine": platform.machine(),
            "root": os.geteuid() == 0,
            "providers": [
                *(self.providers[name].document() for name in sorted(self.providers)),
                *(_absent(name, reason) for name, reason in self.unavailable.items()),
            ],
        }

    def write(self, path: Path) -> None:
        """Write the report; a reader sees the whole of it or nothing."""
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n")
        part.replace(path)

    def lines(self) -> Iterable[str]:
        """The report for people: a table of clauses and providers, then a verdict on each provider."""
        shown = [self.providers[name] for name in sorted(self.providers)]
        if shown:
            yield from _table(shown)
            yield ""
        yield from (provider.verdict() for provider in shown)
        yield from (f"{name}: unavailable: {reason}" for name, reason in self.unavailable.items())


def _absent(name: str, reason: str) -> dict[str, Any]:
    return {
        "provider": name,
        "available": False,
        "reason": reason,
        "complete": False,
        "conformant": False,
        "proved": [],
        "verdict": f"{name}: unavailable: {reason}",
        "clauses": [],
    }


def _table(providers: Sequence[ProviderReport]) -> Iterable[str]:
    wanted = {clause.id: clause.name for provider in providers for clause in provider.wanted}
    ids = dict.fromkeys((*wanted, *(id for provider in providers for id in provider.rows)))
    run = [id for id in ids if any(id in provider.rows for provider in providers)]
    table = [("clause", *(provider.name for provider in providers), "")]
    table += [(id, *(_cell(provider, id) for provider in providers), wanted.get(id, "")) for id in run]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    for provider in providers:
        for id in (*provider.ids(FAILED), *provider.ids(KNOWN_GAP), *provider.ids(NOT_CLAIMED)):
            row = provider.rows[id]
            yield f"{provider.name} {id}: {row.outcome}: {row.reason}"


def _cell(provider: ProviderReport, id: str) -> str:
    return provider.rows[id].outcome if id in provider.rows else "not run"
