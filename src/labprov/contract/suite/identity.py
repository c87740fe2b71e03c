"""Identity and cleanup: what is whose is told by labels, and nobody else's things are touched."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from labprov import labs
from labprov.contract.bench import Bench
from labprov.contract.clauses import clause
from labprov.contract.suite.checks import check_whole, deployed, ok, picture, shared
from labprov.engine import Capability, NodeState
from labprov.errors import Conflict, EngineFailure, InvalidInput, LabprovError
from labprov.lab import Lab
from labprov.model import Node, Topology

BAD_NAMES = ("", "..", "../a", ".", "-a", "ä", "x" * 300, "a\0b", *(f"a{char}b" for char in "/ '\";\n<&$"))
LONGEST = 63


class TestIdentity:
    """I1 to I9."""

    @clause("I1")
    def test_destroy_touches_no_other_lab(self, bench: Bench) -> None:
        """Destroying ``lab1`` never touches ``lab10``, nor a lab with the same first 20 characters."""
        long = "the-same-beginning"
        going = [bench.topology(name, "r1:eth1 r2:eth1") for name in ("lab1", f"{long}-a")]
        staying = [bench.topology(name, "r1:eth1 r2:eth1") for name in ("lab10", f"{long}-b")]
        for topology in (*going, *staying):
            deployed(bench, topology)
        before = [picture(bench, topology.name) for topology in staying]
        for topology in going:
            ok(bench.lab(topology).destroy())
            assert bench.nodes(topology.name) == {}
        assert [picture(bench, topology.name) for topology in staying] == before
        for topology in staying:
            check_whole(bench, topology)

    @clause("I2")
    def test_runtime_names_are_distinct(self, bench: Bench) -> None:
        """Distinct pairs of lab and node have distinct runtime names, whatever moves across the border."""
        long = "n" * (LONGEST - 1)
        wanted = [
            bench.topology("a", **{"b-c": ["eth1"], f"{long}1": ["eth1"], f"{long}2": ["eth1"]}),
            bench.topology("a-b", c=["eth1"]),
            bench.topology("a.b", c=["eth1"]),
            bench.topology("a", **{"b.c": ["eth1"]}),
        ]
        nodes = (*wanted[0].nodes, *wanted[3].nodes)
        wanted = [evolve(wanted[0], nodes=nodes), *wanted[1:3]]
        for topology in wanted:
            deployed(bench, topology)
        pairs = {(item.name, node.name) for item in wanted for node in item.machines}
        seen = {
            (item.name, name): node.runtime_name
            for item in wanted
            for name, node in bench.nodes(item.name).items()
        }
        assert set(seen) == pairs
        assert len(set(seen.values())) == len(pairs)
        for topology in wanted:
            check_whole(bench, topology)

    @clause("I3")
    def test_foreign_thing_is_a_conflict(self, bench: Bench) -> None:
        """A foreign thing with our target name is a conflict: never adopted, started or removed."""
        topology = bench.topology("i3", "r1:eth1 r2:eth1")
        lab = deployed(bench, topology)
        name = bench.nodes(topology.name)["r1"].runtime_name
        ok(lab.destroy())
        scope = bench.scope(topology.name)
        bench.harness.make_foreign(scope, name)
        before = bench.files(), len(bench.writes)
        with pytest.raises(Conflict):
            bench.lab(topology).deploy()
        assert (bench.files(), len(bench.writes)) == before
        assert bench.nodes(topology.name) == {}
        ok(bench.lab(topology).destroy())
        bench.harness.remove_foreign(scope, name)
        deployed(bench, topology)

    @clause("I4")
    def test_empty_keep_list_is_refused(self, bench: Bench) -> None:
        """Orphan cleanup with an empty keep-list is refused."""
        topology = bench.topology("i4", r1=["eth1"])
        deployed(bench, topology)
        with pytest.raises(InvalidInput):
            labs.orphans(bench.settings, [], plugins=bench.new_plugins())
        check_whole(bench, topology)

    @clause("I5")
    def test_orphans_are_told_by_their_whole_id(self, bench: Bench) -> None:
        """A lab whose id is at the length limit is no orphan; ``lab1`` is one although ``lab10`` lives."""
        room = LONGEST - len(bench.name_of(""))
        topologies = [bench.topology(name, r1=["eth1"]) for name in ("lab1", "lab10", "x" * room)]
        for topology in topologies:
            deployed(bench, topology)
        orphan, *kept = [topology.name for topology in topologies]
        assert len(kept[1]) == LONGEST
        assert labs.orphans(bench.settings, kept, plugins=bench.new_plugins()) == (orphan,)
        assert set(labs.known_labs(bench.settings, bench.new_plugins())) == {orphan, *kept}

    @clause("I6")
    def test_cleanup_removes_everything(self, bench: Bench) -> None:
        """Cleanup removes all of a lab's things, goes on past one that can't be; a second run finishes."""
        stuck, free = bench.topology("i6-a", "r1:eth1 r2:eth1"), bench.topology("i6-b", "r1:eth1 r2:eth1")
        for topology in (stuck, free):
            deployed(bench, topology)

        def refuse(hook: str, arguments: dict[str, Any]) -> None:
            if hook == "labprov_remove_nodes" and arguments["scope"].lab == stuck.name:
                raise EngineFailure("not now", remedy="Try again.")

        with bench.before_each_call(refuse):
            reports = _clean(bench)
        assert [bool(report.failures) for report in reports] == [True, False]
        assert bench.leftovers(free.name) == set()
        assert labs.known_labs(bench.settings, bench.new_plugins()) == (stuck.name,)
        assert [report.failures for report in _clean(bench)] == [()]
        assert bench.leftovers(stuck.name) == set()
        assert _clean(bench) == ()
        for topology in (stuck, free):
            assert ok(bench.lab(topology).destroy()).changed is False

    @clause("I7", Capability.SHARED_BRIDGE)
    def test_cleanup_on_a_shared_bridge_deletes_nothing_alive(self, bench: Bench) -> None:
        """Cleanup with two labs on one shared bridge deletes nothing that lives."""
        settings = shared(bench)
        live, orphan = bench.topology("i7", "r1:eth1 r2:eth1"), bench.topology("i7-b", "r1:eth1 r2:eth1")
        deployed(bench, live, settings=settings)
        deployed(bench, orphan, settings=settings)
        before = picture(bench, live.name)
        for report in labs.cleanup(settings, [orphan.name], plugins=bench.new_plugins()):
            ok(report)
        assert bench.leftovers(orphan.name) == set()
        assert picture(bench, live.name) == before
        check_whole(bench, live)

    @clause("I8")
    def test_bad_names_are_refused(self, bench: Bench) -> None:
        """Ids that no path, XML or command line may hold are refused before anything is made."""
        bench.settings.workspace.mkdir()
        store, workspace = bench.new_plugins(), bench.settings.workspace
        document = store.load_allocations(workspace, bench.name_of("i8"))
        assert document is None
        around = set(workspace.parent.rglob("*"))
        for bad in BAD_NAMES:
            with pytest.raises(InvalidInput):
                bench.lab(Topology(name=bad, nodes=(Node(name="r1"),))).deploy()
            with pytest.raises(InvalidInput):
                bench.lab(Topology(name=bench.name_of("i8"), nodes=(Node(name=bad),))).deploy()
            with pytest.raises(InvalidInput):
                Lab.attach(bad, bench.settings, plugins=store).destroy()
            with pytest.raises(InvalidInput):
                labs.orphans(bench.settings, [bad], plugins=store)
            with pytest.raises(LabprovError):
                store.load_allocations(workspace, bad)
            with pytest.raises(LabprovError):
                store.remove_allocations(workspace, bad)
        assert bench.writes == []
        assert set(workspace.parent.rglob("*")) == around

    @clause("I9")
    def test_removed_node_takes_nothing_of_others(self, bench: Bench) -> None:
        """Node ``r1``'s removal leaves ``r10``'s disks, consoles and ports."""
        deployed(bench, bench.topology("i9", "r1:eth1 r2:eth1", "r10:eth1 r2:eth2"))
        rest = bench.topology("i9", "r10:eth1 r2:eth2")
        before = bench.nodes(rest.name)["r10"]
        report = ok(bench.lab(rest).deploy())
        assert report.removed == ("r1",)
        assert bench.nodes(rest.name)["r10"] == before
        assert before.state == NodeState.RUNNING
        assert isinstance(bench.lab(rest).logs("r10"), bytes)
        check_whole(bench, rest)


def _clean(bench: Bench) -> tuple[Any, ...]:
    """Clean up every lab."""
    plugins = bench.new_plugins()
    found = labs.orphans(bench.settings, [], every=True, plugins=plugins)
    return labs.cleanup(bench.settings, found, plugins=plugins)
