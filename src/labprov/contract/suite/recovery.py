"""Stale recovery: whatever happened, the next run puts back what was, and touches nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from labprov import labs
from labprov.contract.bench import WRITES, Bench, Killed
from labprov.contract.clauses import clause
from labprov.contract.suite.checks import (
    Picture,
    check_unavailable,
    check_whole,
    deployed,
    ok,
    picture,
    shared,
    traffic,
)
from labprov.engine import Capability, Observed
from labprov.errors import ProviderFault, Unavailable
from labprov.model import Topology
from labprov.plan import Plan
from labprov.workspace import Workspace


class TestRecovery:
    """R1 to R14."""

    @clause("R1")
    def test_recovery_preserves_existing_vlans(self, bench: Bench) -> None:
        """A redeploy after losing all process state: same tags, same MACs, traffic never stops."""
        topology = bench.topology("r1", "r1:eth1 r2:eth1", r2=["eth2"])
        deployed(bench, topology)
        before = picture(bench, topology.name)
        with traffic(bench, topology):
            deployed(bench, topology)
        assert picture(bench, topology.name) == before
        more = bench.topology("r1", "r1:eth1 r2:eth1", "r1:eth2 r3:eth1", r2=["eth2"])
        with traffic(bench, topology):
            deployed(bench, more)
        after = picture(bench, topology.name)
        assert before.tags.items() <= after.tags.items()
        assert before.macs.items() <= after.macs.items()
        assert before.processes.items() <= after.processes.items()

    @clause("R2")
    def test_recovery_cleans_stale_entries(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        """Of three nodes one is gone and no longer wanted: two keep their tags, its entry is dropped."""
        deployed(bench, bench.topology("r2", "r1:eth1 r2:eth1", "r2:eth2 r3:eth1"))
        rest = bench.topology("r2", "r1:eth1 r2:eth1", r2=["eth2"])
        before = bench.tags(rest.name)
        bench.harness.remove_node(bench.scope(rest.name), bench.nodes(rest.name)["r3"])
        with caplog.at_level(logging.INFO, logger="labprov"):
            report = ok(bench.lab(rest).deploy())
        kept = {end: before[end] for end in ("r1:eth1", "r2:eth1", "r2:eth2")}
        assert bench.tags(rest.name) == kept
        assert bench.captured(rest.name) == kept
        assert set(bench.json(rest.name)["allocations"]) == {"r1", "r2"}
        assert report.recovered == 3
        assert [str(end) for end in report.dropped] == ["r3:eth1"]
        assert any("3 allocations recovered" in message for message in caplog.messages)

    @clause("R3")
    def test_lost_node_alone_is_recreated(self, bench: Bench) -> None:
        """One node gone, still wanted: it alone is recreated; its peers keep running, links whole again."""
        topology = bench.topology("r3", "r1:eth1 r2:eth1", "r2:eth2 r3:eth1")
        deployed(bench, topology)
        before = picture(bench, topology.name)
        bench.harness.remove_node(bench.scope(topology.name), bench.nodes(topology.name)["r2"])
        report = ok(bench.lab(topology).deploy())
        assert (report.created, report.replaced, report.removed) == (("r2",), (), ())
        after = picture(bench, topology.name)
        assert (after.tags, after.macs, after.captured) == (before.tags, before.macs, before.captured)
        assert {name: after.processes[name] for name in ("r1", "r3")} == _without(before.processes, "r2")
        check_whole(bench, topology)

    @clause("R4")
    def test_nothing_survived_and_nothing_is_wanted(self, bench: Bench) -> None:
        """Nothing survived and nothing is desired: the document is gone, not stale."""
        topology = bench.topology("r4", "r1:eth1 r2:eth1")
        deployed(bench, topology)
        for node in bench.nodes(topology.name).values():
            bench.harness.remove_node(bench.scope(topology.name), node)
        Workspace(bench.settings.workspace).topology(topology.name).unlink()
        ok(bench.attach(topology.name).recover())
        assert bench.document(topology.name) is None

    @clause("R5", Capability.SHARED_BRIDGE)
    def test_tag_of_a_foreign_port_is_not_reused(self, bench: Bench) -> None:
        """A recovered tag that a foreign port carries now: the conflict is reported, the tag not reused."""
        settings = shared(bench)
        topology = bench.topology("r5", "r1:eth1 r2:eth1", r1=["eth2"])
        deployed(bench, topology, settings=settings)
        before = bench.tags(topology.name)
        taken = before["r1:eth1"]
        scope = bench.scope(topology.name)
        bench.harness.make_foreign_port(scope, str(settings.bridge), taken)
        try:
            report = ok(bench.attach(topology.name, settings).recover())
            assert any("r1:eth1" in text and str(taken) in text for text in report.warnings), (
                "nobody was told"
            )
            assert taken not in bench.captured(topology.name).values()
            assert bench.tags(topology.name)["r1:eth2"] == before["r1:eth2"]
            check_whole(bench, topology)
        finally:
            bench.harness.remove_foreign_port(scope, str(settings.bridge), taken)

    @clause("R6")
    def test_unanswered_query_changes_nothing(self, bench: Bench) -> None:
        """The query "what exists?" fails: nothing is changed, the error says which engine."""
        topology = bench.topology("r6", "r1:eth1 r2:eth1")
        deployed(bench, topology)
        smaller = bench.topology("r6", r1=["eth1"])
        scope = bench.scope(topology.name)
        before, files, writes = picture(bench, topology.name), bench.files(), len(bench.writes)
        verbs = [
            bench.lab(topology).deploy,
            bench.lab(smaller).deploy,
            bench.lab(topology).recover,
            bench.lab(topology).destroy,
            bench.lab(topology).inspect,
        ]

        def fail(hook: str, _: object) -> None:
            if hook == "labprov_observe":
                raise Unavailable("the query fails", provider=bench.name)

        with bench.before_each_call(fail):
            for verb in verbs:
                check_unavailable(bench, verb)
        bench.harness.break_engine(scope)
        try:
            for verb in verbs:
                check_unavailable(bench, verb)
            _check_query_raises(bench, topology)
        finally:
            bench.harness.mend_engine(scope)
        assert (bench.files(), len(bench.writes)) == (files, writes)
        assert picture(bench, topology.name) == before

    @clause("R7")
    def test_looking_writes_nothing(self, bench: Bench) -> None:
        """A probe, an inspect or a list writes nothing anywhere."""
        topology = bench.topology("r7", "r1:eth1 r2:eth1")
        looks: list[Callable[[], object]] = [
            lambda: bench.new_plugins().provider(bench.name).info(bench.host),
            lambda: bench.new_plugins().provider(bench.name).check(bench.host),
            lambda: bench.lab(topology).plan(),
            lambda: bench.lab(topology).inspect(),
            lambda: labs.known_labs(bench.settings, bench.new_plugins()),
            lambda: labs.inspect_all(bench.settings, bench.new_plugins()),
            lambda: labs.orphans(bench.settings, [topology.name], plugins=bench.new_plugins()),
            lambda: bench.captured(topology.name),
        ]
        for look in looks:
            look()
        assert not bench.settings.workspace.exists(), "a look made the workspace"
        lab = deployed(bench, topology)
        looks += [lambda: lab.logs("r1"), lambda: bench.attach(topology.name)]
        files, writes = _everything(bench), len(bench.writes)
        before, left = picture(bench, topology.name), bench.leftovers(topology.name)
        for look in looks:
            look()
        assert (_everything(bench), len(bench.writes)) == (files, writes)
        assert (picture(bench, topology.name), bench.leftovers(topology.name)) == (before, left)

    @clause("R8", Capability.EXTERNAL_RESTART)
    def test_restart_by_the_engine_keeps_links(self, bench: Bench) -> None:
        """A node restarted by the engine's own means has its links, tags and MACs back, without labprov."""
        topology = bench.topology("r8", "r1:eth1 r2:eth1", "r1:eth2 r2:eth2", r1=["eth3"])
        deployed(bench, topology)
        before = picture(bench, topology.name)
        bench.harness.restart_node(bench.scope(topology.name), bench.nodes(topology.name)["r1"])
        _check_same_but(bench, topology, before, "r1")

    @clause("R9", Capability.ENGINE_RESTART)
    def test_recover_after_an_engine_restart(self, bench: Bench) -> None:
        """Engine restarted, switch restarted, bridge deleted: one recover puts every link back as it was."""
        topology = bench.topology("r9", "r1:eth1 r2:eth1", "r2:eth2 r3:eth1", r1=["eth2"])
        deployed(bench, topology)
        before = picture(bench, topology.name)
        accidents = bench.harness.engine_accidents()
        assert accidents, "engine_restart is claimed, and no accident can be had"
        for name, happen in accidents.items():
            happen(bench.scope(topology.name))
            ok(bench.attach(topology.name).recover())
            after = picture(bench, topology.name)
            assert (after.tags, after.macs) == (before.tags, before.macs), name
            assert after.captured == before.captured, name
            check_whole(bench, topology)

    @clause("R10")
    def test_redeploy_changes_nothing(self, bench: Bench) -> None:
        """A no-op redeploy changes nothing: same process ids, zero engine writes."""
        topology = bench.topology("r10", "r1:eth1 r2:eth1", "r1:eth2 r3:eth1", r3=["eth2"])
        deployed(bench, topology)
        before, files, writes = picture(bench, topology.name), bench.files(), len(bench.writes)
        report = ok(bench.lab(topology).deploy())
        assert bench.writes[writes:] == []
        assert not report.changed
        assert picture(bench, topology.name) == before
        assert bench.files() == files

    @clause("R11")
    def test_failed_create_leaves_others_alone(self, bench: Bench) -> None:
        """A failed create of one node leaves the others, new and old, untouched and recorded."""
        deployed(bench, bench.topology("r11", r1=["eth1"]))
        name = bench.name_of("r11")
        before = picture(bench, name)
        topology = bench.topology("r11", "r2:eth1 r3:eth1", "r3:eth2 r4:eth1", r1=["eth1"])
        scope = bench.scope(name)
        taken: list[str] = []

        def take(hook: str, arguments: dict[str, Any]) -> None:
            if hook == "labprov_create_nodes" and not taken:
                taken.extend(spec.runtime_name for spec in arguments["nodes"] if spec.name == "r2")
                bench.harness.make_foreign(scope, taken[0])

        with bench.before_each_call(take):
            report = bench.lab(topology).deploy()
        assert [failure.node for failure in report.failures] == ["r2"]
        after = picture(bench, name)
        assert set(after.processes) == {"r1", "r3", "r4"}
        assert after.processes["r1"] == before.processes["r1"]
        assert before.macs.items() <= after.macs.items()
        assert set(after.tags) == {str(end) for end in topology.endpoints}
        assert after.captured.items() <= after.tags.items()
        bench.harness.remove_foreign(scope, taken[0])
        deployed(bench, topology)
        assert bench.tags(name) == after.tags
        assert after.processes.items() <= bench.processes(name).items()
        check_whole(bench, topology)

    @clause("R12")
    def test_exactly_the_difference_is_made(self, bench: Bench) -> None:
        """A topology that lost a node or a link: exactly that is removed; one that gained: exactly added."""
        full = bench.topology("r12", "r1:eth1 r2:eth1", "r1:eth2 r2:eth2", "r2:eth3 r3:eth1")
        less_link = bench.topology("r12", "r1:eth1 r2:eth1", "r2:eth3 r3:eth1")
        less_node = bench.topology("r12", "r1:eth1 r2:eth1")
        for earlier, later in (
            (full, less_link),
            (less_link, less_node),
            (less_node, less_link),
            (less_link, full),
        ):
            deployed(bench, earlier)
            before = picture(bench, full.name)
            report = ok(bench.lab(later).deploy())
            _check_difference(before, picture(bench, full.name), earlier, later)
            gone = tuple(sorted(set(earlier.by_name) - set(later.by_name)))
            added = tuple(sorted(set(later.by_name) - set(earlier.by_name)))
            assert (report.created, report.removed, report.replaced) == (added, gone, ())
            check_whole(bench, later)

    @clause("R13")
    def test_killed_at_any_step(self, bench: Bench, labprov_examples: int) -> None:
        """A kill at any step of deploy, recover or destroy: the next run completes, and nothing is left."""
        topology = bench.topology("r13", "r1:eth1 r2:eth1", r2=["eth2"])
        whole = _changes(bench, lambda: deployed(bench, topology))
        for step in _sample(whole, labprov_examples):
            ok(bench.lab(topology).destroy())
            _killed(bench, step, lambda: bench.lab(topology).deploy())
            deployed(bench, topology)
            check_whole(bench, topology)
            _lose(bench, topology)
            _killed(bench, step, lambda: bench.attach(topology.name).recover())
            ok(bench.attach(topology.name).recover())
            check_whole(bench, topology)
            _killed(bench, step, lambda: bench.lab(topology).destroy())
            ok(bench.lab(topology).destroy())
            assert bench.leftovers(topology.name) == set(), f"killed at change {step}"

    @clause("R14")
    def test_changed_node_alone_is_replaced(self, bench: Bench) -> None:
        """One node's definition changed: it alone is replaced, tags and MACs kept; the plan said so."""
        topology = bench.topology("r14", "r1:eth1 r2:eth1", "r1:eth2 r3:eth1")
        deployed(bench, topology)
        before, old = picture(bench, topology.name), bench.nodes(topology.name)["r1"]
        nodes = [bench.harness.changed(node) if node.name == "r1" else node for node in topology.nodes]
        changed = evolve(topology, nodes=tuple(nodes))
        plan: Plan = bench.lab(changed).plan()
        assert plan.replaced == ("r1",)
        assert any(line.startswith("replace r1") for line in plan.lines())
        report = ok(bench.lab(changed).deploy())
        assert (report.replaced, report.created, report.removed) == (("r1",), (), ())
        assert bench.nodes(topology.name)["r1"].definition != old.definition
        if bench.claims(Capability.PROCESSES):
            assert bench.processes(topology.name)["r1"] != old.process
        _check_same_but(bench, changed, before, "r1")


def _without(values: dict[str, int | None], name: str) -> dict[str, int | None]:
    return {key: value for key, value in values.items() if key != name}


def _check_same_but(bench: Bench, topology: Topology, before: Picture, node: str) -> None:
    """All is as it was, but for the process of one node."""
    after = picture(bench, topology.name)
    assert (after.tags, after.macs, after.captured) == (before.tags, before.macs, before.captured)
    assert _without(after.processes, node) == _without(before.processes, node)
    check_whole(bench, topology)


def _check_difference(before: Picture, after: Picture, earlier: Topology, later: Topology) -> None:
    """What both topologies have is as it was; what only one has came, or went."""
    assert set(after.macs) == {str(end) for end in later.endpoints}
    common = {str(end) for end in earlier.endpoints} & set(after.macs)
    assert {end: after.macs[end] for end in common} == {end: before.macs[end] for end in common}
    assert {end: after.captured.get(end) for end in common} == {
        end: before.captured.get(end) for end in common
    }
    nodes = set(earlier.by_name) & set(later.by_name)
    assert {name: after.processes[name] for name in nodes} == {name: before.processes[name] for name in nodes}


def _check_query_raises(bench: Bench, topology: Topology) -> None:
    """The provider itself says that it can't be asked; it does not answer "nothing"."""
    for lab in (topology.name, None):
        with pytest.raises((Unavailable, ProviderFault)) as caught:
            bench.new_plugins().provider(bench.name).observe(bench.scope(lab))
        assert isinstance(caught.value, Unavailable)
    if hasattr(bench.plugin, "labprov_capture_vlans"):
        with pytest.raises(Unavailable):
            bench.new_plugins().provider(bench.name).capture_vlans(bench.scope(topology.name), Observed())


def _everything(bench: Bench) -> dict[str, bytes | None]:
    """Every file and folder of the workspace, locks included."""
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for path in sorted(bench.settings.workspace.rglob("*"))
    }


CHANGES = WRITES | {"labprov_save_allocations", "labprov_remove_allocations"}
"""Between two of these nothing changes: a kill anywhere in between is the same kill."""


def _changes(bench: Bench, work: Callable[[], object]) -> int:
    """How many hooks that change anything are called by *work*."""
    before = len(bench.calls)
    work()
    return sum(1 for hook in bench.calls[before:] if hook in CHANGES)


def _sample(steps: int, wanted: int) -> list[int]:
    """As many of the steps as are wanted, spread over all of them, the last one included."""
    if wanted >= steps:
        return list(range(steps))
    return sorted({steps - 1 - round(place * steps / wanted) for place in range(wanted)} & set(range(steps)))


def _killed(bench: Bench, step: int, work: Callable[[], object]) -> None:
    """Do *work*, and die before its change number *step*, if it has so many."""
    left = step

    def die(hook: str, arguments: dict[str, Any]) -> None:
        nonlocal left
        if hook in CHANGES:
            if left == 0:
                raise Killed
            left -= 1

    try:
        with bench.before_each_call(die):
            work()
    except Killed:
        pass


def _lose(bench: Bench, topology: Topology) -> None:
    """Lose a node behind labprov's back, so that a recovery has something to do."""
    bench.harness.remove_node(bench.scope(topology.name), bench.nodes(topology.name)["r1"])
