"""Allocation persistence: tags are on disk before they are on a wire, and are never lost or given twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import evolve

from labprov import labs
from labprov.contract.bench import Bench
from labprov.contract.clauses import clause
from labprov.contract.suite.checks import check_unavailable, check_whole, deployed, ok, picture, shared
from labprov.engine import Capability
from labprov.errors import LabprovError, TagsExhausted
from labprov.model import Allocations, Topology
from labprov.settings import Settings

RENDEZVOUS = 0.2
"""Seconds that one deployer waits for another that a lock may rightly hold back."""


class TestPersistence:
    """P1 to P17."""

    @clause("P1")
    def test_deploy_creates_vlan_file(self, bench: Bench) -> None:
        """After deploy the document exists and holds every node's tags."""
        topology = bench.topology("p1", "r1:eth1 r2:eth1", "r2:eth2 r3:eth1", r3=["eth2"])
        deployed(bench, topology)
        tags = bench.tags(topology.name)
        assert set(tags) == {str(end) for end in topology.endpoints}
        assert all(tags[str(link.a)] == tags[str(link.b)] for link in topology.links)
        assert len(set(tags.values())) == 3
        if bench.claims(Capability.JSON_STORE):
            on_disk = json.loads(bench.vlan_file(topology.name).read_bytes())
            assert set(on_disk["allocations"]) == {"r1", "r2", "r3"}

    @clause("P2")
    def test_vlan_file_format_consistent(self, bench: Bench) -> None:
        """The same topology on any provider gives the same document, byte for byte."""
        topology = bench.topology("p2", "r2:eth10 r10:eth1", "r1:eth1 r2:eth2", r1=["ens3"])
        deployed(bench, topology)
        lists = {"r1": [102, 101], "r10": [100], "r2": [101, 100]}
        names = {"r1": ["ens3", "eth1"], "r10": ["eth1"], "r2": ["eth2", "eth10"]}
        value = {"allocations": lists, "next_vlan": 103, "interfaces": names}
        expected = json.dumps(value, indent=2) + "\n"
        assert bench.document(topology.name) == expected.encode()
        if bench.claims(Capability.JSON_STORE):
            assert bench.vlan_file(topology.name).read_bytes() == expected.encode()

    @clause("P3")
    def test_destroy_removes_vlan_file(self, bench: Bench) -> None:
        """Destroy removes the document."""
        topology = bench.topology("p3", "r1:eth1 r2:eth1")
        lab = deployed(bench, topology)
        ok(lab.destroy())
        assert bench.document(topology.name) is None
        assert not bench.vlan_file(topology.name).exists()

    @clause("P4")
    def test_orphan_cleanup_removes_vlan_files(self, bench: Bench) -> None:
        """Orphan cleanup removes the documents of the labs that nobody keeps, and no other."""
        kept, orphan = bench.topology("p4", r1=["eth1"]), bench.topology("p4-orphan", r1=["eth1"])
        deployed(bench, kept)
        deployed(bench, orphan)
        before = bench.document(kept.name)
        found = labs.orphans(bench.settings, [kept.name], plugins=bench.new_plugins())
        for report in labs.cleanup(bench.settings, found, plugins=bench.new_plugins()):
            ok(report)
        assert bench.document(orphan.name) is None
        assert not bench.vlan_file(orphan.name).exists()
        assert before is not None
        assert bench.document(kept.name) == before

    @clause("P5")
    def test_missing_document_is_no_error(self, bench: Bench) -> None:
        """A load without a document says so and makes nothing; removing a missing one is no error."""
        plugins = bench.new_plugins()
        name = bench.name_of("p5")
        for _ in range(2):
            before = _paths(bench)
            assert plugins.load_allocations(bench.settings.workspace, name) is None
            plugins.remove_allocations(bench.settings.workspace, name)
            assert _paths(bench) == before
            deployed(bench, bench.topology("p5-other", r1=["eth1"]))

    @clause("P6")
    def test_document_is_saved_before_plugging(self, bench: Bench) -> None:
        """The document is on disk before the first resource is plugged, and names what is then plugged."""
        topology = bench.topology("p6", "r1:eth1 r2:eth1", r2=["eth2"])
        at_first_plug: list[dict[str, int]] = []
        plugged: dict[str, int] = {}

        def listen(hook: str, arguments: dict[str, Any]) -> None:
            if hook == "labprov_plug":
                at_first_plug.append(_on_disk(bench, topology.name))
                plugged.update({str(port.end): port.tag for port in arguments["ports"]})

        with bench.before_each_call(listen):
            deployed(bench, topology)
        assert plugged
        assert at_first_plug[0] == plugged
        assert bench.captured(topology.name) == plugged

    @clause("P7")
    def test_captured_tags_are_the_persisted_ones(self, bench: Bench) -> None:
        """What the engine really carries equals what is persisted, for every interface."""
        topology = bench.topology("p7", "r1:eth1 r2:eth1", "r1:eth2 r2:eth2", r1=["eth3"], r2=["eth3"])
        lab = deployed(bench, topology)
        _check_carried(bench, topology.name)
        ok(lab.connect("r1:eth3", "r2:eth3"))
        ok(lab.disconnect("r1:eth1", "r2:eth1"))
        _check_carried(bench, topology.name)

    @clause("P8")
    def test_lost_document_is_rebuilt(self, bench: Bench) -> None:
        """File lost, lab running: the next deploy rebuilds it from the engine, with the same tags."""
        topology = bench.topology("p8", "r1:eth1 r2:eth1", r2=["eth2"])
        deployed(bench, topology, settings=evolve(bench.settings, vlan_range=(700, 800)))
        before = picture(bench, topology.name)
        bench.new_plugins().remove_allocations(bench.settings.workspace, topology.name)
        deployed(bench, topology)
        assert bench.tags(topology.name) == before.tags
        assert bench.captured(topology.name) == before.captured

    @clause("P9")
    def test_bad_document_is_rebuilt(self, bench: Bench) -> None:
        """A bad document is kept aside and rebuilt from the engines with a warning, or it is an error."""
        topology = bench.topology("p9", r1=["eth1"], r2=["eth1"])
        deployed(bench, topology)
        # an older document than the last, for a store that would rather have that one
        topology = bench.topology("p9", "r1:eth2 r2:eth2", r1=["eth1"], r2=["eth1"])
        deployed(bench, topology)
        if not bench.claims(Capability.JSON_STORE):
            _spoil_through_the_store(bench, topology)
            return
        before = picture(bench, topology.name)
        file = bench.vlan_file(topology.name)
        for content in _bad_documents(bench.json(topology.name)):
            file.write_bytes(content)
            report = ok(bench.lab(topology).deploy())
            aside = [path for path in file.parent.iterdir() if path != file and path.suffix != ".lock"]
            assert content in [path.read_bytes() for path in aside], "the bad document is gone"
            assert any(file.name in warning for warning in report.warnings), "nobody was warned"
            assert bench.tags(topology.name) == before.tags
            assert bench.captured(topology.name) == before.captured
        _check_unasked(bench, topology, file)

    @clause("P10")
    def test_kill_during_save_leaves_a_whole_document(self, bench: Bench) -> None:
        """A kill during save leaves the old or the new document, never part of one."""
        name, workspace = bench.name_of("p10"), bench.settings.workspace
        store = bench.new_plugins()
        old = Allocations({"r1": (100, 101)}, 102, {"r1": ("eth1", "eth2")})
        new = Allocations({"r1": tuple(range(100, 200))}, 200, {"r1": tuple(f"eth{n}" for n in range(100))})
        store.save_allocations(workspace, name, old)
        finished = False
        step = 0
        while not finished:
            finished = _killed_at(step, lambda: store.save_allocations(workspace, name, new))
            assert store.load_allocations(workspace, name) in (old, new), f"killed at step {step}"
            store.save_allocations(workspace, name, old)
            step += 1
        _killed_when_full(lambda: store.save_allocations(workspace, name, new))
        assert store.load_allocations(workspace, name) in (old, new)
        store.remove_allocations(workspace, name)

    @clause("P11")
    def test_removed_node_leaves_the_document(self, bench: Bench) -> None:
        """Removing one node updates the document at once."""
        deployed(bench, bench.topology("p11", "r1:eth1 r2:eth1", "r2:eth2 r3:eth1"))
        rest = bench.topology("p11", "r1:eth1 r2:eth1")
        before = bench.tags(rest.name)
        deployed(bench, rest)
        assert bench.tags(rest.name) == {end: before[end] for end in ("r1:eth1", "r2:eth1")}
        assert set(bench.json(rest.name)["allocations"]) == {"r1", "r2"}

    @clause("P12")
    def test_growing_node_keeps_its_tags(self, bench: Bench) -> None:
        """A node that grows from n to m interfaces keeps its first n tags."""
        small = bench.topology("p12", "r1:eth1 r2:eth1", r1=["eth2"])
        deployed(bench, small)
        before = picture(bench, small.name)
        large = bench.topology("p12", "r1:eth3 r3:eth1", "r1:eth1 r2:eth1", r1=["eth2", "eth4"])
        deployed(bench, large)
        first = bench.json(small.name)["allocations"]["r1"][:2]
        assert first == [before.tags["r1:eth1"], before.tags["r1:eth2"]]
        assert before.captured.items() <= bench.captured(small.name).items()
        assert before.macs.items() <= bench.macs(small.name).items()

    @clause("P13")
    def test_interface_in_the_middle_moves_no_other(self, bench: Bench) -> None:
        """An interface added in the middle moves no other interface's tag."""
        gap = bench.topology("p13", "r1:eth1 r2:eth1", "r1:eth3 r2:eth3")
        deployed(bench, gap)
        before = picture(bench, gap.name)
        full = bench.topology("p13", "r1:eth2 r2:eth2", "r1:eth1 r2:eth1", "r1:eth3 r2:eth3")
        deployed(bench, full)
        tags = bench.tags(gap.name)
        assert before.tags.items() <= tags.items()
        assert before.captured.items() <= bench.captured(gap.name).items()
        assert tags["r1:eth2"] not in before.tags.values()

    @clause("P14")
    def test_exhaustion_leaks_nothing(self, bench: Bench) -> None:
        """Too few tags: a typed error, nothing plugged, nothing leaked; after a release it succeeds."""
        narrow = evolve(bench.settings, vlan_range=(100, 107))
        eight = [f"eth{number}" for number in range(1, 9)]
        with pytest.raises(TagsExhausted):
            bench.lab(bench.topology("p14", r1=[*eight, "eth9"]), narrow).deploy()
        name = bench.name_of("p14")
        assert (bench.document(name), bench.nodes(name), bench.writes) == (None, {}, [])
        lab = deployed(bench, bench.topology("p14", r1=eight), settings=narrow)
        before = picture(bench, name)
        with pytest.raises(TagsExhausted):
            bench.lab(bench.topology("p14", r1=[*eight, "eth9"]), narrow).deploy()
        assert picture(bench, name) == before
        deployed(bench, bench.topology("p14", r1=eight[:-1]), settings=narrow)
        deployed(bench, bench.topology("p14", r1=[*eight[:-1], "eth9"]), settings=narrow)
        assert sorted(bench.captured(name).values()) == list(range(100, 108))
        assert bench.captured(name) == bench.tags(name)
        ok(lab.destroy())

    @clause("P15")
    def test_connects_leak_no_tag(self, bench: Bench, labprov_examples: int) -> None:
        """Any number of connects and disconnects leaks no tag."""
        narrow = evolve(bench.settings, vlan_range=(100, 103))
        topology = bench.topology("p15", r1=["eth1"], r2=["eth1"])
        lab = deployed(bench, topology, settings=narrow)
        for _ in range(max(labprov_examples, 5)):
            ok(lab.connect("r1:eth1", "r2:eth1"))
            joined = bench.captured(topology.name)
            assert len(set(joined.values())) == 1
            ok(lab.disconnect("r1:eth1", "r2:eth1"))
            parted = bench.captured(topology.name)
            assert len(set(parted.values())) == 2
        assert bench.tags(topology.name) == parted

    @clause("P16")
    def test_deployers_at_once_issue_no_tag_twice(self, bench: Bench) -> None:
        """Two deployers at once, of one lab or two: no tag is issued twice, no document is lost."""
        settings = shared(bench) if bench.claims(Capability.SHARED_BRIDGE) else bench.settings
        first = bench.topology("p16-a", "r1:eth1 r2:eth1", r1=["eth2"])
        second = bench.topology("p16-b", "r1:eth1 r2:eth1", r1=["eth2"])
        _at_once(bench, [first, second], settings)
        sets = [set(bench.captured(topology.name).values()) for topology in (first, second)]
        assert all(len(tags) == 2 for tags in sets)
        assert settings.bridge is None or not sets[0] & sets[1], "a tag was issued twice"
        check_whole(bench, first)
        check_whole(bench, second)
        # one lab, on no shared bridge, whose lock would hold the second deployer back by itself
        deployed(bench, bench.topology("p16-c", "r1:eth1 r2:eth1"))
        wider = [bench.topology("p16-c", "r1:eth1 r2:eth1", **{name: ["eth3"]}) for name in ("r1", "r2")]
        _at_once(bench, wider, bench.settings)
        tags = bench.tags(wider[0].name)
        assert bench.captured(wider[0].name) == tags, "one deployer does not know what the other has done"
        assert set(tags) in [{str(end) for end in topology.endpoints} for topology in wider]
        if isinstance(bench.plugin, ModuleType):
            more = {"r1": ["eth2", "eth3"]}
            first = bench.topology("p16-a", "r1:eth1 r2:eth1", **more)
            second = bench.topology("p16-b", "r1:eth1 r2:eth1", **more)
            _in_processes(bench, bench.plugin.__name__, [first, second, first], settings)
            check_whole(bench, first)
            check_whole(bench, second)

    @clause("P17", Capability.SHARED_BRIDGE)
    def test_tags_of_stopped_nodes_stay_theirs(self, bench: Bench) -> None:
        """A stopped or merely defined node's tags are never given to another lab on a shared bridge."""
        settings = shared(bench)
        first = bench.topology("p17-a", "r1:eth1 r2:eth1", r2=["eth2"], r3=["eth1"])
        lab = deployed(bench, first, settings=settings)
        ok(lab.stop())
        # r3 has its allocation, and nothing in the engine
        bench.harness.remove_node(bench.scope(first.name), bench.nodes(first.name)["r3"])
        reserved = set(bench.tags(first.name).values())
        second = bench.topology("p17-b", "r1:eth1 r2:eth1", r2=["eth2"])
        deployed(bench, second, settings=settings)
        assert len(reserved) == 3
        assert not reserved & set(bench.captured(second.name).values())
        ok(lab.deploy())
        assert set(bench.captured(first.name).values()) == reserved


def _on_disk(bench: Bench, lab: str) -> dict[str, int]:
    """The tags in the document itself, past the store where that is a file."""
    if not bench.claims(Capability.JSON_STORE):
        return bench.tags(lab)
    file = bench.vlan_file(lab)
    document = json.loads(file.read_bytes()) if file.exists() else {"allocations": {}, "interfaces": {}}
    return {
        f"{node}:{name}": tag
        for node, tags in document["allocations"].items()
        for name, tag in zip(document["interfaces"][node], tags, strict=True)
    }


def _check_carried(bench: Bench, lab: str) -> None:
    """The document says what the engine carries, whichever way that is asked."""
    nodes = bench.nodes(lab).values()
    observed = {f"{node.node}:{item.name}": item.tag for node in nodes for item in node.interfaces}
    assert len(observed) == 6
    assert bench.captured(lab) == bench.tags(lab)
    assert observed == bench.tags(lab)


def _paths(bench: Bench) -> set[Path]:
    """Every file and folder of the workspace."""
    top = bench.settings.workspace
    return {top, *top.rglob("*")} if top.exists() else set()


def _bad_documents(good: dict[str, Any]) -> list[bytes]:
    """Documents that can't be what labprov wrote, each for another reason."""
    tags = good["allocations"]
    first, second = tags["r1"], tags["r2"]
    bad: list[Any] = [
        [],
        {"allocations": {**tags, "r1": [str(tag) for tag in first]}, "next_vlan": 103},
        {**good, "allocations": {**tags, "r1": [4095, *first[1:]]}},
        {**good, "allocations": {**tags, "r1": [0, *first[1:]]}},
        {**good, "allocations": {**tags, "r1": [True, *first[1:]]}},
        {**good, "allocations": {**tags, "r1": [second[0], *first[1:]]}},
        {**good, "allocations": {**tags, "r1": first[:1]}},
    ]
    whole = json.dumps(good).encode()
    return [b"", whole[: len(whole) // 2], b"\xff\xfe", *(json.dumps(item).encode() for item in bad)]


def _check_unasked(bench: Bench, topology: Topology, file: Path) -> None:
    """An engine that can't be asked: an error, and the bad document stays where it is."""
    scope = bench.scope(topology.name)
    file.write_bytes(b"{")
    before = bench.files()
    bench.harness.break_engine(scope)
    try:
        check_unavailable(bench, bench.lab(topology).deploy)
        assert bench.files() == before
    finally:
        bench.harness.mend_engine(scope)
    ok(bench.lab(topology).deploy())


def _spoil_through_the_store(bench: Bench, topology: Topology) -> None:
    """A store without files can at least be given one tag twice."""
    before = bench.captured(topology.name)
    store = bench.new_plugins()
    good = store.load_allocations(bench.settings.workspace, topology.name)
    assert good is not None
    twice = evolve(good, allocations={node: (100,) * len(tags) for node, tags in good.allocations.items()})
    store.save_allocations(bench.settings.workspace, topology.name, twice)
    try:
        ok(bench.lab(topology).deploy())
    except LabprovError:
        store.save_allocations(bench.settings.workspace, topology.name, good)
    assert bench.captured(topology.name) == before


def _killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do *work* in a process that is killed at its *step*-th look at a file; whether it came to its end."""

    def run() -> None:
        left = step

        def count(event: str, _: object) -> None:
            nonlocal left
            if event.partition(".")[0] in ("open", "os", "shutil"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()

    return _forked(run)


def _killed_when_full(work: Callable[[], object]) -> None:
    """Do *work* in a process that is killed when a file of its has 64 bytes."""
    import resource

    def run() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        work()

    _forked(run)


def _forked(run: Callable[[], None]) -> bool:
    """Do it in a copy of this process; whether that ended by itself, and well."""
    with warnings.catch_warnings():
        # newer Pythons warn of threads; the copy starts none and takes no lock that a thread may hold
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _at_once(bench: Bench, topologies: list[Topology], settings: Settings) -> None:
    """Deploy all of them side by side; each waits for the others just before it saves, if they come."""
    barrier = threading.Barrier(len(topologies))

    def meet(hook: str, _: object) -> None:
        if hook == "labprov_save_allocations":
            # it breaks where the other is held back by a lock, as it should be
            with suppress(threading.BrokenBarrierError):
                barrier.wait(RENDEZVOUS)

    with bench.before_each_call(meet), ThreadPoolExecutor() as pool:
        deploys = [pool.submit(bench.lab(topology, settings).deploy) for topology in topologies]
    for deploy in deploys:
        ok(deploy.result())


def _in_processes(bench: Bench, plugin: str, topologies: list[Topology], settings: Settings) -> None:
    """Deploy all of them side by side, each in a process of its own."""
    program = (
        "import importlib, pickle, sys; from labprov.lab import Lab; from labprov.plugins import Plugins\n"
        "from labprov.allocation import JsonStore; from labprov.tags import Recovery\n"
        "plugins = Plugins({'labprov.store': JsonStore(), 'labprov.recovery': Recovery()})\n"
        "topology, settings, name, plugin = pickle.load(sys.stdin.buffer)\n"
        "plugins.register(importlib.import_module(plugin), name)\n"
        "Lab(topology, settings, plugins=plugins).deploy().raise_failures()\n"
    )
    import pickle

    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in topologies
    ]
    for process, topology in zip(processes, topologies, strict=True):
        assert process.stdin is not None
        process.stdin.write(pickle.dumps((topology, settings, bench.name, plugin)))
        process.stdin.close()
    for process in processes:
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        process.stderr.close()
        assert process.wait() == 0, said
