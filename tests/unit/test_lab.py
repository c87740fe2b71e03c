"""The verbs of a lab, end to end: facade, reconcile, executor, workspace, on an engine in memory."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest
from attrs import evolve

from labprov.builder import TopologyBuilder
from labprov.engine import NodeState
from labprov.errors import (
    Busy,
    Cancelled,
    DocumentCorrupt,
    InvalidInput,
    InvalidTopology,
    LabNotFound,
    NodeNotFound,
    NodeNotRunning,
    OtherWorkspace,
    Unavailable,
)
from labprov.events import Event, EventKind
from labprov.lab import Lab
from labprov.model import Endpoint, Topology
from labprov.plugins import Plugins
from labprov.settings import Settings
from labprov.workspace import Workspace
from tests.memory import MemoryProvider
from tests.unit.conftest import LabMaker, make_plugins


def three(**attributes: object) -> Topology:
    """Three nodes in a ring."""
    builder = TopologyBuilder("lab")
    for name in ("r1", "r2", "r3"):
        builder.add_node(name, **attributes)
    return (
        builder.add_link("r1:eth1", "r2:eth1")
        .add_link("r2:eth2", "r3:eth1")
        .add_link("r3:eth2", "r1:eth2")
        .build()
    )


def document(settings: Settings, lab: str = "lab") -> dict[str, object]:
    content: dict[str, object] = json.loads(Workspace(settings.workspace).vlans(lab).read_bytes())
    return content


def files(settings: Settings) -> set[str]:
    """Every file of the workspace that belongs to a lab."""
    return {
        str(path.relative_to(settings.workspace))
        for path in settings.workspace.rglob("*")
        if path.is_file() and path.name not in ("workspace-id", "workspace.lock")
    }


def processes(memory: MemoryProvider) -> dict[str, int | None]:
    return {name: machine.process for name, machine in memory.engine.machines.items()}


def test_deploy_writes_ahead(make_lab: LabMaker, memory: MemoryProvider, settings: Settings) -> None:
    """Topology and document are on disk before the first thing is made, and name what is then plugged."""
    memory.engine.interrupt = "create"
    with pytest.raises(KeyboardInterrupt):
        make_lab(three()).deploy()
    assert files(settings) >= {"vlans/lab.json", "topologies/lab.json"}
    written = document(settings)
    make_lab(three()).deploy()
    assert document(settings) == written


def test_no_op_redeploy_writes_nothing(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """The same file again: same processes, no engine write, no file touched."""
    make_lab(three(exec=["echo"])).deploy()
    before = processes(memory), list(memory.engine.writes)
    stamps = {name: (settings.workspace / name).stat().st_mtime_ns for name in files(settings)}
    report = make_lab(three(exec=["echo"])).deploy()
    assert not report.changed
    assert report.recovered == 6
    assert (processes(memory), memory.engine.writes) == before
    assert {
        name: (settings.workspace / name).stat().st_mtime_ns for name in files(settings) if "lock" not in name
    } == {name: stamp for name, stamp in stamps.items() if "lock" not in name}


STEPS = ["prepare", "create", "plug", "start", "exec"]


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_deploy_is_finished_by_the_next(
    step: str, make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """Killed in the midst of any step: the next deploy completes, every command runs once per interface."""
    memory.engine.interrupt = step
    with pytest.raises(KeyboardInterrupt):
        make_lab(three(exec=["echo"])).deploy()
    assert make_lab(three(exec=["echo"])).deploy().ok
    assert {machine.state for machine in memory.engine.machines.values()} == {NodeState.RUNNING}
    assert [machine.commands for machine in memory.engine.machines.values()] == [[("echo",)]] * 3
    assert make_lab(three(exec=["echo"])).plan().empty
    make_lab(three()).destroy()
    assert not memory.engine.machines
    assert not files(settings)


@pytest.mark.parametrize("step", ["remove", "remove_lab"])
def test_a_killed_destroy_is_finished_by_the_next(
    step: str, make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """Killed in the midst of destroy: the next one leaves nothing."""
    make_lab(three()).deploy()
    memory.engine.interrupt = step
    with pytest.raises(KeyboardInterrupt):
        make_lab(three()).destroy()
    assert make_lab(three()).destroy().ok
    assert not memory.engine.machines
    assert not memory.engine.resources
    assert not files(settings)


def test_recovery_counts_in_report_and_log(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """One node gone and no longer wanted: two keep their tags, its entry is dropped, both are counted."""
    caplog.set_level(logging.INFO)
    make_lab(three()).deploy()
    before = document(settings)["allocations"]
    memory.vanish("labprov-lab-r3")
    smaller = three().only(["r1", "r2"])
    report = make_lab(smaller).deploy()
    assert report.recovered == 2
    assert {end.node for end in report.dropped} >= {"r3"}
    assert isinstance(before, dict)
    assert document(settings)["allocations"] == {"r1": before["r1"][:1], "r2": before["r2"][:1]}
    assert "deploy of lab: 2 allocations recovered" in caplog.text


def test_recover_needs_no_file(make_lab: LabMaker, memory: MemoryProvider, settings: Settings) -> None:
    """Everything vanished, the saved topology stayed: recover puts all back, same tags, same MACs."""
    lab = make_lab(three())
    lab.deploy()
    before = document(settings), [status.interfaces for status in lab.inspect()]
    for name in list(memory.engine.machines):
        memory.vanish(name)
    assert {status.state for status in lab.inspect()} == {NodeState.ABSENT}
    attached = Lab.attach("lab", settings, plugins=lab.plugins)
    assert attached.recover().created == ("r1", "r2", "r3")
    assert (document(settings), [status.interfaces for status in lab.inspect()]) == before


def test_lost_document_is_rebuilt(make_lab: LabMaker, settings: Settings) -> None:
    """File lost, lab running: the next deploy writes the same document from what the engine carries."""
    make_lab(three()).deploy()
    before = document(settings)
    Workspace(settings.workspace).vlans("lab").unlink()
    report = make_lab(three()).deploy()
    assert document(settings) == before
    assert not report.changed


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"allocations": {"r1": "x"}, "next_vlan": 1}',
        b'{"allocations": {"r1": [5000]}, "next_vlan": 1}',
        b'{"allocations": {"r1": [100, 101], "r2": [102, 101], "r3": [101, 104]}, "next_vlan": 105}',
    ],
    ids=["broken", "types", "range", "duplicate"],
)
def test_bad_document_is_moved_aside_and_rebuilt(
    content: bytes, make_lab: LabMaker, settings: Settings
) -> None:
    """A bad document is kept aside, rebuilt from the engine with one warning, and never overwritten."""
    make_lab(three()).deploy()
    path = Workspace(settings.workspace).vlans("lab")
    good = path.read_bytes()
    path.write_bytes(content)
    lab = make_lab(three())
    assert lab.inspect()
    assert path.read_bytes() == content, "inspect must not write"
    report = lab.deploy()
    assert path.read_bytes() == good
    assert [warning for warning in report.warnings if "moved" in warning]
    aside = [item for item in path.parent.iterdir() if "corrupt" in item.name]
    assert [item.read_bytes() for item in aside] == [content]


def test_bad_document_stays_when_the_engine_cant_be_asked(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """Nothing is moved while nobody can say what lives."""
    make_lab(three()).deploy()
    path = Workspace(settings.workspace).vlans("lab")
    path.write_bytes(b"{")
    with memory.broken("observe"), pytest.raises(Unavailable):
        make_lab(three()).deploy()
    assert path.read_bytes() == b"{"
    assert len(list(path.parent.iterdir())) == 1


def test_bad_saved_topology(make_lab: LabMaker, memory: MemoryProvider, settings: Settings) -> None:
    """Recover does not guess; a deploy of the file goes on; destroy works by what the engine says."""
    lab = make_lab(three())
    lab.deploy()
    path = Workspace(settings.workspace).topology("lab")
    path.write_bytes(b"{}")
    with pytest.raises(DocumentCorrupt, match="Deploy the lab's file again"):
        lab.recover()
    assert lab.deploy().ok
    path.write_bytes(b"{}")
    assert lab.destroy().ok
    assert not memory.engine.machines


def test_engine_that_does_not_answer_stops_everything(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """Unknown is never empty: no verb changes anything while the query fails."""
    lab = make_lab(three())
    lab.deploy()
    before = processes(memory), document(settings), files(settings)
    with memory.broken("observe"):
        for verb in (lab.deploy, lab.recover, lab.destroy, lab.inspect, lab.start, lab.stop):
            with pytest.raises(Unavailable, match="does not answer"):
                verb()
    assert (processes(memory), document(settings), files(settings)) == before


def test_one_node_that_cant_be_made_leaves_the_others(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """The failure is in the report, naming the node; the rest runs, and the next deploy finishes."""
    with memory.broken("create:r2"):
        report = make_lab(three()).deploy()
    assert [error.node for error in report.failures] == ["r2"]
    assert report.started == ("r1", "r3")
    assert set(document(settings)["allocations"]) == {"r1", "r2", "r3"}  # type: ignore[call-overload]
    running = processes(memory)
    report = make_lab(three()).deploy()
    assert report.ok
    assert report.created == ("r2",)
    assert {name: process for name, process in processes(memory).items() if name in running} == running


def test_failing_command_is_reported_and_undoes_nothing(make_lab: LabMaker) -> None:
    """An ``exec`` line that fails is in the report; the other lines and nodes go on."""
    topology = TopologyBuilder("lab").add_node("r1", exec=["false", "echo on", "echo 'open"]).build()
    report = make_lab(topology).deploy()
    assert not report.ok
    assert not report.failures
    assert [(outcome.command, outcome.failed) for outcome in report.commands] == [
        ("false", True),
        ("echo on", False),
        ("echo 'open", True),
    ]
    assert make_lab(topology).inspect()[0].state == NodeState.RUNNING
    assert make_lab(topology).deploy().commands == ()


def test_dry_run_writes_nothing(make_lab: LabMaker, memory: MemoryProvider, tmp_path: Path) -> None:
    """A plan, of a new lab or of a change, touches no file and no engine."""
    plan = make_lab(three()).plan()
    assert "create r1" in plan.lines()
    assert list(tmp_path.iterdir()) == []
    assert memory.engine.writes == []


def test_only_some_nodes(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """A node filter makes those nodes and their links; what is there already stays."""
    lab = make_lab(three())
    assert lab.deploy(only=["r1", "r2"]).created == ("r1", "r2")
    before = processes(memory)
    assert lab.deploy(only=["r3"]).created == ("r3",)
    assert before.items() <= processes(memory).items()
    assert lab.plan().empty
    with pytest.raises(InvalidTopology, match="no such node: nope"):
        lab.deploy(only=["nope"])


def test_start_stop_restart(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Each is idempotent; links and tags stay; other nodes are not touched."""
    lab = make_lab(three())
    lab.deploy()
    before = [status.interfaces for status in lab.inspect()]
    process = memory.machine("lab", "r2").process
    assert lab.stop(["r1"]).stopped == ("r1",)
    assert lab.stop(["r1"]).stopped == ()
    assert lab["r1"].state == NodeState.STOPPED
    with pytest.raises(NodeNotRunning):
        lab["r1"].exec(["echo"])
    assert lab.start(["r1"]).started == ("r1",)
    assert lab.start(["r1"]).started == ()
    old = memory.machine("lab", "r1").process
    report = lab.restart(["r1"])
    assert (report.stopped, report.started) == (("r1",), ("r1",))
    assert memory.machine("lab", "r1").process != old
    assert memory.machine("lab", "r2").process == process
    assert [status.interfaces for status in lab.inspect()] == before
    for verb in (lab.start, lab.stop, lab.restart):
        with pytest.raises(NodeNotFound, match="Nodes are"):
            verb(["nope"])


def test_connect_and_disconnect(make_lab: LabMaker, memory: MemoryProvider, settings: Settings) -> None:
    """Links change on a running lab and in the saved topology; nothing is started; the file decides again."""
    lab = make_lab(three())
    lab.deploy()
    lab.stop(["r3"])
    before = processes(memory)
    lab.disconnect("r1:eth1", "r2:eth1")
    lab.connect("r1:eth1", "r2:eth9")
    peers = {str(item.peer) for status in lab.inspect() for item in status.interfaces}
    assert {"r1:eth1", "r2:eth9", "None"} <= peers
    assert processes(memory) == before
    with pytest.raises(InvalidTopology, match="used twice"):
        lab.connect("r1:eth1", "r3:eth5")
    with pytest.raises(InvalidTopology, match="no link joins"):
        lab.disconnect("r1:eth1", "r3:eth5")
    with pytest.raises(InvalidInput, match="NODE:INTERFACE"):
        lab.connect("r1", "r2:eth1")
    make_lab(three()).deploy()
    assert lab["r2"].interfaces[0].peer == Endpoint("r1", "eth1")
    assert len(lab["r2"].interfaces) == 2


def test_failing_second_end_restores_the_first(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """When one end can't be connected the other is as it was, and so is the saved topology."""
    lab = make_lab(evolve(three(), links=three().links[:1]))
    lab.deploy()
    before = [status.interfaces for status in lab.inspect()]
    with memory.broken("plug:r3"):
        report = lab.connect("r1:eth5", "r3:eth5")
    assert [error.node for error in report.failures] == ["r3"]
    assert [status.interfaces for status in lab.inspect()] == before


def test_link_down_and_up(make_lab: LabMaker) -> None:
    """Both ends see it, nothing else changes."""
    lab = make_lab(three())
    lab.deploy()
    lab.set_link("r1:eth1", False)
    down = {str(Endpoint(s.node, item.name)) for s in lab.inspect() for item in s.interfaces if not item.up}
    assert down == {"r1:eth1", "r2:eth1"}
    lab.set_link("r2:eth1", True)
    assert all(item.up for status in lab.inspect() for item in status.interfaces)
    with pytest.raises(NodeNotFound):
        lab.set_link("r1:eth77", False)


def test_destroy_is_complete_and_idempotent(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """Nothing is left, in the engine or on disk; a second destroy finds nothing to do."""
    lab = make_lab(three())
    assert lab.destroy().removed == ()
    lab.deploy()
    assert set(lab.destroy().removed) == {"r1", "r2", "r3"}
    assert not memory.engine.machines
    assert not files(settings)
    assert lab.destroy().removed == ()
    assert not files(settings)


def test_destroy_without_any_document(make_lab: LabMaker, memory: MemoryProvider, settings: Settings) -> None:
    """Labels alone are enough to destroy a lab."""
    lab = make_lab(three())
    lab.deploy()
    for name in files(settings):
        (settings.workspace / name).unlink()
    attached = Lab.attach("lab", settings, plugins=lab.plugins)
    assert attached.topology is None
    assert len(attached.destroy().removed) == 3
    assert not memory.engine.machines


def test_destroy_goes_on_past_one_that_cant_be_removed(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """It is reported, the documents stay, and the next destroy finishes."""
    lab = make_lab(three())
    lab.deploy()
    with memory.broken("remove:r2"):
        report = lab.destroy()
    assert [error.node for error in report.failures] == ["r2"]
    assert list(memory.engine.machines) == ["labprov-lab-r2"]
    assert "topologies/lab.json" in files(settings)
    assert lab.destroy().ok
    assert not files(settings)


def test_attach_to_an_unknown_lab(settings: Settings, plugins: Plugins) -> None:
    """Neither workspace nor engine knows it: an error, and nothing is made."""
    with pytest.raises(LabNotFound):
        Lab.attach("nope", settings, plugins=plugins)
    assert not settings.workspace.exists()


def test_lab_of_another_workspace(make_lab: LabMaker, memory: MemoryProvider, tmp_path: Path) -> None:
    """A conflict for deploy; recover, destroy and inspect don't see it."""
    make_lab(three()).deploy()
    before = processes(memory)
    other = make_lab(three(), workspace=tmp_path / "other")
    with pytest.raises(OtherWorkspace):
        other.deploy()
    assert other.destroy().removed == ()
    assert {status.state for status in other.inspect()} <= {NodeState.ABSENT}
    assert processes(memory) == before


def test_another_process_holds_the_lock(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """Who comes second hears by whom the lab is held; nothing is done."""
    lab = make_lab(three())
    Workspace(settings.workspace).prepare()
    with Workspace(settings.workspace).lock("lab", timeout=0, purpose="deploy elsewhere"):
        with pytest.raises(Busy, match="deploy elsewhere"):
            lab.deploy()
        assert lab.inspect() is not None, "looking needs no lock"
    assert memory.engine.writes == []


def test_two_deployers_at_once(make_lab: LabMaker, memory: MemoryProvider, settings: Settings) -> None:
    """Two threads, one lab: both succeed, one after the other; no tag is issued twice."""
    patient = evolve(settings.timeouts, lock=30.0)
    errors: list[BaseException] = []

    def deploy() -> None:
        try:
            assert make_lab(three(), timeouts=patient).deploy().ok
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=deploy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sum(1 for write in memory.engine.writes if write.startswith("create")) == 3


def test_cancel_finishes_the_step_and_saves(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Asked to stop in a step, the operation ends after it; the next deploy finishes."""
    lab = make_lab(three())

    def stop_after_create(event: Event) -> None:
        if event.kind == EventKind.NODE_CREATED:
            lab.cancel()

    lab._on_event = stop_after_create
    with pytest.raises(Cancelled, match="plug"):
        lab.deploy()
    assert len(memory.engine.machines) == 3
    assert {machine.state for machine in memory.engine.machines.values()} == {NodeState.DEFINED}
    assert make_lab(three()).deploy().started == ("r1", "r2", "r3")


def test_events_come_in_order(make_lab: LabMaker) -> None:
    """Operation, steps in the order of the design, nodes in their steps, ready at the end."""
    heard: list[Event] = []
    lab = make_lab(three(exec=["echo"]))
    lab._on_event = heard.append
    lab.deploy()
    steps = [event.message for event in heard if event.kind == EventKind.STEP_STARTED]
    assert steps == ["create", "plug", "start", "commands"]
    kinds = [event.kind for event in heard]
    assert kinds[0] == EventKind.OPERATION_STARTED
    assert kinds[-1] == EventKind.OPERATION_DONE
    assert kinds.index(EventKind.NODE_CREATED) < kinds.index(EventKind.NODE_STARTED)
    assert kinds.index(EventKind.NODE_STARTED) < kinds.index(EventKind.NODE_READY)


def test_context_manager_deploys_and_destroys(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Inside all nodes are ready; afterwards nothing is left, an exception inside notwithstanding."""
    with make_lab(three()) as lab:
        assert lab["r1"].exec(["echo", "hello"]).text == "hello\n"
        assert lab["r1"].logs() == b"r1 started\n"
    assert not memory.engine.machines
    with pytest.raises(ZeroDivisionError), make_lab(three()):
        raise ZeroDivisionError
    assert not memory.engine.machines


def test_context_manager_leaves_nothing_when_the_deploy_fails(
    make_lab: LabMaker, memory: MemoryProvider
) -> None:
    """A lab that could not be deployed whole is destroyed, and what failed is raised."""
    with memory.broken("start:r2"), pytest.raises(Exception, match="start of r2"), make_lab(three()):
        pytest.fail("it must not be entered")
    assert not memory.engine.machines


def test_missing_files_are_refused_before_anything_is_made(
    tmp_path: Path, settings: Settings, plugins: Plugins, memory: MemoryProvider
) -> None:
    """A file that the topology refers to is not there: nothing is made, not even the workspace."""
    file = tmp_path / "x.clab.yml"
    file.write_text(
        "name: x\ntopology:\n  nodes:\n    r1:\n      kind: linux\n      binds: [none.cfg:/etc/x]\n"
    )
    lab = Lab.from_file(file, settings, plugins=plugins)
    with pytest.raises(InvalidInput, match=r"none\.cfg"):
        lab.deploy()
    assert memory.engine.writes == []
    assert not settings.workspace.exists()


def test_missing_files_of_other_nodes_are_no_hindrance(
    tmp_path: Path, settings: Settings, plugins: Plugins
) -> None:
    """With a node filter only the files of those nodes must be there."""
    file = tmp_path / "x.clab.yml"
    nodes = "    r1:\n      kind: linux\n      binds: [none.cfg:/etc/x]\n    r2:\n      kind: linux\n"
    file.write_text(f"name: x\ntopology:\n  nodes:\n{nodes}")
    lab = Lab.from_file(file, settings, plugins=plugins)
    assert lab.deploy(only=["r2"]).created == ("r2",)
    with pytest.raises(InvalidInput, match=r"none\.cfg"):
        lab.plan(only=["r1"])


def test_destroy_of_one_providers_part(settings: Settings, memory: MemoryProvider) -> None:
    """The rest stays, its interfaces too; without a saved topology nobody guesses what the rest is."""
    other = MemoryProvider(name="other")
    plugins = make_plugins(memory, other)
    topology = TopologyBuilder("lab").add_node("a").add_node("b", provider="other").add_node("c")
    topology.add_link("a:eth1", "b:eth1").add_link("a:eth2", "c:eth1")
    lab = Lab(topology.build(), settings, plugins=plugins)
    lab.deploy()
    before = processes(memory)
    saved = Workspace(settings.workspace).topology("lab").read_bytes()
    Workspace(settings.workspace).topology("lab").unlink()
    with pytest.raises(InvalidInput, match="nobody knows"):
        lab.destroy(provider="other")
    Workspace(settings.workspace).topology("lab").write_bytes(saved)
    assert lab.destroy(provider="other").removed == ("b",)
    assert not other.engine.machines
    assert not other.engine.resources
    assert processes(memory) == before
    assert [item.name for item in lab["a"].interfaces] == ["eth1", "eth2"]
    assert set(document(settings)["allocations"]) == {"a", "c"}  # type: ignore[call-overload]
    assert lab.deploy().created == ("b",)
