"""The hooks of pytest that the suite takes part in; each says what it does and leaves it to a module."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from labprov.contract import outcomes
from labprov.contract.collect import Suite, Uncut, choose, suite_clauses
from labprov.contract.options import SUITE, add_options, take_arguments
from labprov.contract.report import ContractReport
from labprov.contract.targets import Target, find_targets, known_gaps, target_of

_ASKED = pytest.StashKey[bool]()


class Run:
    """What this run of pytest is to do about the contract.

    :param selected: what of the suite it runs; None: nothing, it only lends fixtures.
    """

    def __init__(self, config: pytest.Config, selected: list[str] | None) -> None:
        self.config = config
        self.selected = selected
        self.version: str = config.getoption("labprov_contract")
        self._by_class: dict[object, Target] = {}

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The providers that are tested where a class does not say which."""
        targets = find_targets(self.config.getoption("labprov_providers"), self.folder)
        ids = {clause.id for clause in suite_clauses(self.version)}
        for target in targets:
            for unknown in sorted(known_gaps(target.plugin).keys() - ids):
                raise pytest.UsageError(f"the known gap {unknown!r} of {target.name} is no clause")
        return targets

    def targets_for(self, cls: type | None) -> Sequence[Target]:
        """The providers that the tests of *cls* are run with."""
        wanted: object = getattr(cls, "labprov_provider", None)
        if wanted is None:
            return [target for target in self.targets if target.named or not target.unavailable]
        if isinstance(wanted, str):
            return find_targets([wanted], self.folder)
        if wanted not in self._by_class:
            self._by_class[wanted] = target_of(wanted, getattr(cls, "__name__", ""))
        return [self._by_class[wanted]]

    @property
    def folder(self) -> Path:
        """Where pytest was started."""
        return self.config.invocation_params.dir

    @cached_property
    def report(self) -> ContractReport:
        """What this run found out."""
        settings = {
            "contract": self.version,
            "examples": self.config.getoption("labprov_examples"),
            "seed": self.config.getoption("labprov_seed"),
        }
        targets = self.targets if self.selected is not None else ()
        absent = {t.name: t.unavailable for t in targets if t.unavailable and not t.named}
        return ContractReport(settings, suite_clauses(self.version), absent)

    @property
    def report_file(self) -> Path | None:
        """Where the report is wanted; not on a worker of xdist, which sees a part of it only."""
        wanted: str | None = self.config.getoption("labprov_report")
        if wanted is None or hasattr(self.config, "workerinput"):
            return None
        return self.folder / wanted


_RUN = pytest.StashKey[Run]()


class Told:
    """Gathers the rows of the report; with xdist the controller hears those of all workers."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one phase of one test."""
        told = outcomes.of_report(report)
        if told is not None:
            self._run.report.add(told, report.duration)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        if self._run.report_file is not None:
            self._run.report.write(self._run.report_file)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the report."""
        if self._run.report.providers:
            terminalreporter.section(f"labprov: version {self._run.version} of the contract")
            for line in self._run.report.lines():
                terminalreporter.write_line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Note that the suite is to be run: this is called for ``-p``, and not for a plugin of a conftest."""
    early_config.stash[_ASKED] = True


def pytest_configure(config: pytest.Config) -> None:
    """Take the suite's part of the arguments."""
    config.addinivalue_line("markers", "labprov_clause(id): the test is that clause of the contract")
    asked = config.stash.get(_ASKED, False)
    run = config.stash[_RUN] = Run(config, take_arguments(config) if asked else None)
    config.pluginmanager.register(Told(run), "labprov-told")
    if run.selected is not None:
        config.pluginmanager.register(Uncut(), "labprov-uncut")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Find the providers before anything is collected, and let no report of an earlier run stand."""
    run = session.config.stash[_RUN]
    if run.report_file is not None:
        _make_room(run.report_file)
    if run.selected is not None:
        assert run.targets


def _make_room(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"no report can be written to {file}: {error.strerror}") from error


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is tested."""
    run = config.stash[_RUN]
    if run.selected is None:
        return None
    names = ", ".join(target.name for target in run.targets_for(None))
    return f"{SUITE}: version {run.version} of the contract; providers: {names}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Put the suite beside whatever else is collected."""
    report = yield
    run = collector.config.stash[_RUN]
    if isinstance(collector, pytest.Session) and run.selected is not None and report.passed:
        report.result = [*(report.result or ()), Suite.below(collector)]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a bench once for each provider, whose name is first in its id."""
    if "labprov_target" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash[_RUN]
    try:
        targets = run.targets_for(metafunc.cls)
    except pytest.UsageError as error:
        raise pytest.Collector.CollectError("\n".join(map(str, error.args))) from error
    names = [target.name for target in targets]
    metafunc.parametrize("labprov_target", targets, ids=names, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what was asked for of the suite."""
    run = config.stash[_RUN]
    newer = choose(items, run.selected or (), run.version)
    if newer:
        config.hook.pytest_deselected(items=newer)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Before a clause runs, look whether its provider claims what it needs."""
    outcomes.check_claims(pyfuncitem)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a clause; after every other plugin, so that none can excuse it."""
    report = yield
    outcomes.judge(item, call, report)
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, object] | None:
    """Count what is not claimed and what is a known gap apart from what was skipped."""
    told = outcomes.of_report(report)
    if told is None or told["outcome"] not in outcomes.LETTERS:
        return None
    if report.when == "teardown":
        return "", "", ""
    outcome = told["outcome"]
    return outcome, outcomes.LETTERS[outcome], (outcome.upper(), {"yellow": True})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keep each provider on one worker of xdist."""
    run = config.stash[_RUN]
    if run.selected is None:
        return None
    from labprov.contract.scheduling import scheduler  # here, as xdist may be missing

    return scheduler(config, log, [target.name for target in run.targets])
