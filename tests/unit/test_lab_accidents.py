"""What goes wrong midway: nothing is lost, nothing is forgotten, and everybody hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from labprov import identity
from labprov.builder import TopologyBuilder
from labprov.engine import NodeSpec, NodeState, Scope
from labprov.errors import (
    DeadlineExceeded,
    InvalidInput,
    LabNotFound,
    LabprovError,
    ProviderFault,
    Unavailable,
    WorkspaceError,
)
from labprov.events import Event, EventKind
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.lab import Lab
from labprov.labs import inspect_all, known_labs
from labprov.model import Node, Topology
from labprov.plugins import Plugins
from labprov.settings import Settings
from labprov.workspace import Workspace
from tests.memory import MemoryProvider
from tests.unit.conftest import LabMaker, make_plugins


def pair(**first: Any) -> Topology:
    """Two nodes and the link between them."""
    return TopologyBuilder("lab").add_node("a", **first).add_node("b").add_link("a:eth1", "b:eth1").build()


@pytest.fixture
def other() -> MemoryProvider:
    return MemoryProvider(name="other")


@pytest.fixture
def both(memory: MemoryProvider, other: MemoryProvider) -> Plugins:
    return make_plugins(memory, other)


def test_a_move_to_another_provider_that_failed_midway_is_finished(
    both: Plugins, memory: MemoryProvider, other: MemoryProvider, settings: Settings
) -> None:
    """The provider that a node leaves is asked until nothing of the lab is left there."""
    Lab(pair(), settings, plugins=both).deploy()
    with memory.broken("remove:a"):
        report = Lab(pair(provider="other"), settings, plugins=both).deploy()
    assert [error.node for error in report.failures] == ["a"]
    assert not other.engine.machines, "no second node of one identity is made"
    assert Lab(pair(provider="other"), settings, plugins=both).deploy().ok
    assert list(memory.engine.machines) == ["labprov-lab-b"]
    assert list(other.engine.machines) == ["labprov-lab-a"]


def test_a_provider_that_left_the_file_is_cleaned_up_at_last(
    both: Plugins, other: MemoryProvider, settings: Settings
) -> None:
    """When its removal failed, the next deploy or destroy still finds it."""
    alone = TopologyBuilder("lab").add_node("b").build()
    two = TopologyBuilder("lab").add_node("b").add_node("c", provider="other").build()
    Lab(two, settings, plugins=both).deploy()
    with other.broken("remove:c"):
        assert not Lab(alone, settings, plugins=both).deploy().ok
    assert Lab.attach("lab", settings, plugins=both).destroy().ok
    assert not other.engine.machines


def test_a_peer_that_cant_be_parked_keeps_its_link(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Before a node goes its peers are parked; where that fails the node stays, and the report says so."""
    make_lab(pair()).deploy()
    smaller = TopologyBuilder("lab").add_node("b", interfaces=["eth1"]).build()
    with memory.broken("plug:b"):
        report = make_lab(smaller).deploy()
    assert report.failures
    assert set(memory.engine.machines) == {"labprov-lab-a", "labprov-lab-b"}
    assert memory.machine("lab", "b").ports
    assert make_lab(smaller).deploy().removed == ("a",)


def test_interrupted_commands_replace_no_node(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Killed in the midst of commands, a ``--keep`` deploy finishes them; the node's process goes on."""
    memory.engine.interrupt = "exec"
    with pytest.raises(KeyboardInterrupt):
        make_lab(pair(exec=["echo"])).deploy()
    process = memory.machine("lab", "a").process
    report = make_lab(pair(exec=["echo"])).deploy(keep=True)
    assert report.ok
    assert not report.replaced
    assert memory.machine("lab", "a").process == process
    assert memory.machine("lab", "a").commands == [("echo",)]


def test_commands_that_could_not_begin_are_begun_by_the_next_deploy(
    make_lab: LabMaker, memory: MemoryProvider
) -> None:
    """The engine fails just before them: nothing has run, so no interface has to be made anew."""
    lab = make_lab(pair(exec=["echo"]))

    def fail_after_start(event: Event) -> None:
        if event.kind == EventKind.NODE_STARTED:
            memory.engine.failing.add("observe")

    lab._on_event = fail_after_start
    with pytest.raises(Unavailable):
        lab.deploy()
    memory.engine.failing.clear()
    report = make_lab(pair(exec=["echo"])).deploy()
    assert [outcome.node for outcome in report.commands] == ["a"]
    assert not report.plugged


def test_silent_engine_is_not_an_absent_one(both: Plugins, other: MemoryProvider, settings: Settings) -> None:
    """Installed and not answering: nothing may be concluded, with a saved topology or without."""
    Lab(pair(provider="other"), settings, plugins=both).deploy()
    other.info = evolve(other.info, reason="the daemon is down", remedy="Start it.")
    states = {status.node: status.state for status in inspect_all(settings, both)}
    assert states == {"a": NodeState.UNKNOWN, "b": NodeState.RUNNING}
    with pytest.raises(Unavailable, match="the daemon is down"):
        known_labs(settings, both)
    Workspace(settings.workspace).topology("lab").unlink()
    lab = Lab(pair(provider="other"), settings, plugins=both)
    for verb in (lab.recover, lab.destroy):
        with pytest.raises(Unavailable, match=r"the daemon is down.*Start it"):
            verb()
    assert Workspace(settings.workspace).vlans("lab").exists()
    other.info = evolve(other.info, present=False)
    assert [status.node for status in inspect_all(settings, both)] == ["b"]


def test_destroy_of_a_part_that_is_not_there_keeps_the_rest(
    both: Plugins, memory: MemoryProvider, settings: Settings
) -> None:
    """After a reboot nothing is there; a part of another provider still leaves the documents alone."""
    lab = Lab(pair(), settings, plugins=both)
    lab.deploy()
    for name in list(memory.engine.machines):
        memory.vanish(name)
    lab.destroy(provider="other")
    assert lab.recover().created == ("a", "b")


def test_destroy_after_a_reboot_reaches_what_nobody_sees(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """All nodes are gone, the lab's network is not: destroy has the provider remove it."""
    make_lab(pair()).deploy()
    for name in list(memory.engine.machines):
        memory.vanish(name)
    make_lab(pair()).destroy()
    assert not memory.engine.resources


def test_a_lab_of_which_only_a_network_is_left_can_be_attached_to(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings, plugins: Plugins
) -> None:
    """Whatever ``known_labs`` lists can be destroyed."""
    make_lab(pair()).deploy()
    for name in list(memory.engine.machines):
        memory.vanish(name)
    for file in settings.workspace.rglob("lab.json"):
        file.unlink()
    assert known_labs(settings, plugins) == ("lab",)
    assert Lab.attach("lab", settings, plugins=plugins).destroy().ok
    assert known_labs(settings, plugins) == ()


def test_a_node_that_ends_at_once_ends_the_wait(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Nobody waits for a node that does not run any more; the report says that it was started and crashed."""
    lab = make_lab(pair(), timeouts=evolve(make_lab(pair()).settings.timeouts, ready=600.0))

    def crash(event: Event) -> None:
        if event.kind == EventKind.NODE_STARTED and event.node == "a":
            memory.machine("lab", "a").state = NodeState.CRASHED

    lab._on_event = crash
    report = lab.deploy()
    assert [str(error) for error in report.failures] == [
        "lab/a: it was started, and is crashed. `labprov logs` shows its output."
    ]


def test_a_node_that_is_starting_is_looked_at_again(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Each round of the wait asks the engine anew; at the deadline the last reason is told."""
    lab = make_lab(pair())
    looks: list[int] = []

    def starting(event: Event) -> None:
        if event.kind == EventKind.NODE_STARTED:
            memory.machine("lab", "a").state = NodeState.STARTING
            looks.append(1)
        if event.kind == EventKind.NODE_READY and event.node == "b":
            memory.machine("lab", "a").state = NodeState.RUNNING

    lab._on_event = starting
    assert lab.deploy().ok
    assert looks
    lab.stop()

    def for_ever(event: Event) -> None:
        if event.kind == EventKind.NODE_STARTED:
            memory.machine("lab", "a").state = NodeState.STARTING

    lab._on_event = for_ever
    report = lab.start()
    assert [type(error) for error in report.failures] == [DeadlineExceeded]
    assert "it is starting" in str(report.failures[0])


def test_others_can_work_on_the_lab_while_it_becomes_ready(
    make_lab: LabMaker, memory: MemoryProvider
) -> None:
    """The lock is held while something is written, not while somebody waits."""
    lab = make_lab(pair())
    stopped: list[tuple[str, ...]] = []

    def stop_it(event: Event) -> None:
        if event.kind == EventKind.NODE_READY and event.node == "b" and not stopped:
            stopped.append(make_lab(pair()).stop(["a"]).stopped)

    lab._on_event = stop_it
    lab.deploy()
    assert stopped == [("a",)]


def test_document_without_names_survives_a_new_interface_in_the_middle(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """An old document's positions are those of the topology it was made for: no tag moves, nothing is bad."""
    old = TopologyBuilder("lab").add_node("a").add_node("b")
    old.add_link("a:eth1", "b:eth1").add_link("a:eth3", "b:eth3")
    make_lab(old.build()).deploy()
    path = Workspace(settings.workspace).vlans("lab")
    path.write_text('{"allocations": {"a": [100, 101], "b": [100, 101]}, "next_vlan": 102}')
    for name in list(memory.engine.machines):
        memory.vanish(name)
    new = old.add_link("a:eth2", "b:eth2").build()
    report = make_lab(new).deploy()
    assert not report.warnings
    assert {item.name: item.vlan for item in make_lab(new)["a"].interfaces} == {
        "eth1": 100,
        "eth2": 102,
        "eth3": 101,
    }


def test_connect_that_raises_leaves_the_documents_as_they_were(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """What could not be done is not done by the next recover either, and tags are the old ones."""
    topology = TopologyBuilder("lab").add_node("a", interfaces=["eth1"]).add_node("b", interfaces=["eth1"])
    lab = make_lab(topology.build())
    lab.deploy()
    before = {path: path.read_bytes() for path in settings.workspace.rglob("lab.json")}
    with memory.broken("prepare"), pytest.raises(Unavailable):
        lab.connect("a:eth1", "b:eth1")
    assert {path: path.read_bytes() for path in settings.workspace.rglob("lab.json")} == before
    with memory.broken("plug:b"):
        assert lab.connect("a:eth1", "b:eth1").failures
    assert {path: path.read_bytes() for path in settings.workspace.rglob("lab.json")} == before
    assert [item.vlan for status in lab.inspect() for item in status.interfaces] == [100, 101]


class RaisesInBatch(MemoryProvider):
    """Its whole batch fails."""

    @hookimpl
    def labprov_start_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        raise Unavailable("the daemon went away", provider=self.name)


class SaysNonsense(MemoryProvider):
    """Its outcomes are none."""

    @hookimpl
    def labprov_start_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Any:
        return [RuntimeError("boom")] * len(nodes)


def test_a_batch_that_raises_is_a_failure_of_each_node(settings: Settings) -> None:
    """Nothing is known of any of them, so each is named."""
    lab = Lab(pair(), settings, plugins=make_plugins(RaisesInBatch()))
    report = lab.deploy()
    assert [(error.node, error.message) for error in report.failures] == [
        ("a", "the daemon went away"),
        ("b", "the daemon went away"),
    ]
    assert len(lab.stop().failures) == 0


def test_outcomes_that_are_none_are_the_providers_fault(settings: Settings) -> None:
    """What is neither a value of the hook nor a LabprovError never counts as success."""
    report = Lab(pair(), settings, plugins=make_plugins(SaysNonsense())).deploy()
    assert {type(error) for error in report.failures} == {ProviderFault}
    assert report.started == ()


def test_lost_workspace_id_is_an_error(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """With a new id the workspace's own labs would be somebody else's; nothing is done, the remedy told."""
    make_lab(pair()).deploy()
    (settings.workspace / "workspace-id").unlink()
    lab = make_lab(pair())
    for verb in (lab.deploy, lab.destroy, lab.recover, lab.stop):
        with pytest.raises(WorkspaceError, match="Put the id back"):
            verb()
    assert len(memory.engine.machines) == 2
    assert len(list(settings.workspace.rglob("lab.json"))) == 2


def test_documents_are_for_their_owner_alone(make_lab: LabMaker, settings: Settings) -> None:
    """A topology can hold passwords: nobody else reads the files or the folders."""
    make_lab(pair()).deploy()
    for path in (settings.workspace, *settings.workspace.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_a_killed_save_left_goes_with_the_lab(make_lab: LabMaker, settings: Settings) -> None:
    """A temporary file holds what the document holds; destroy removes it too."""
    make_lab(pair()).deploy()
    left = Workspace(settings.workspace).topology("lab").with_name(".lab.json.new")
    left.write_text("half")
    make_lab(pair()).destroy()
    assert not left.exists()


def test_bytes_that_are_no_utf8_survive(make_lab: LabMaker) -> None:
    """An environment may hold any bytes; they are saved and come back."""
    topology = (
        TopologyBuilder("lab").add_node("a", env={"KEY": b"\xff".decode(errors="surrogateescape")}).build()
    )
    make_lab(topology).deploy()
    assert make_lab(topology).plan().empty


def test_foreign_thing_under_the_name_of_a_new_prefix(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Another prefix is another name, and it may be taken; a thing of another provider is in nobody's way."""
    make_lab(pair()).deploy()
    memory.foreign("new-lab-a")
    with pytest.raises(LabprovError, match="new-lab-a exists already"):
        make_lab(evolve(pair(), prefix="new")).deploy()
    assert make_lab(evolve(pair(), prefix="fresh")).deploy().ok
    assert {name for name in memory.engine.machines if "lab-" in name} == {
        "new-lab-a",
        "fresh-lab-a",
        "fresh-lab-b",
    }


def test_foreign_thing_of_another_provider_is_in_nobodys_way(
    both: Plugins, other: MemoryProvider, settings: Settings
) -> None:
    """Names are each engine's own."""
    other.foreign("labprov-lab-a")
    topology = TopologyBuilder("lab").add_node("a").add_node("b", provider="other").build()
    assert Lab(topology, settings, plugins=both).deploy().ok


def test_a_paused_node_goes_on_only_when_asked(make_lab: LabMaker, memory: MemoryProvider) -> None:
    """Deploy leaves it alone; ``start`` of that node has it run again."""
    lab = make_lab(pair())
    lab.deploy()
    memory.machine("lab", "a").state = NodeState.PAUSED
    assert not lab.deploy().changed
    assert lab.start(["a"]).started == ("a",)
    assert lab["a"].state == NodeState.RUNNING


def test_the_callers_own_observer_harms_nothing(
    make_lab: LabMaker, memory: MemoryProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception in ``on_event`` is logged; the operation goes on."""
    lab = make_lab(pair())

    def raises(event: Event) -> None:
        raise ZeroDivisionError

    lab._on_event = raises
    assert lab.deploy().ok
    assert "on_event raised" in caplog.text


def test_the_shared_bridge_is_remembered(
    make_lab: LabMaker, memory: MemoryProvider, settings: Settings
) -> None:
    """A recover without the option keeps to it, and two labs on it never share a tag."""
    first = make_lab(pair(), bridge="br-shared")
    first.deploy()
    second = evolve(pair(), name="second")
    make_lab(second, bridge="br-shared").deploy()
    tags = {port.tag for machine in memory.engine.machines.values() for port in machine.ports.values()}
    assert tags == {100, 101}
    assert not make_lab(second).recover().changed


def test_unknown_lab_is_said_and_nothing_made(make_lab: LabMaker, settings: Settings) -> None:
    """Every verb but deploy needs a lab that is there."""
    lab = make_lab(pair())
    for verb in (lab.recover, lab.start, lab.stop, lambda: lab.connect("a:eth1", "b:eth1")):
        with pytest.raises(LabNotFound):
            verb()
    assert not settings.workspace.exists()
    make_lab(evolve(pair(), name="real")).deploy()
    with pytest.raises(LabNotFound):
        lab.recover()
    assert not list(settings.workspace.rglob("lab.lab.lock"))


def test_a_bridge_node_is_no_machine(make_lab: LabMaker) -> None:
    """It can't be had as a node that runs."""
    topology = TopologyBuilder("lab").add_node("a").add_node("sw", kind="bridge").add_link("a:eth1", "sw:p")
    lab = make_lab(topology.build())
    lab.deploy()
    with pytest.raises(InvalidInput, match="no such node"):
        lab["sw"]


def test_a_strange_file_in_the_workspace_is_no_lab(
    make_lab: LabMaker, settings: Settings, plugins: Plugins
) -> None:
    """What is not named as a lab is passed over."""
    make_lab(pair()).deploy()
    (settings.workspace / "vlans" / "lab copy.json").write_text("{}")
    assert known_labs(settings, plugins) == ("lab",)


def test_a_new_attribute_of_nodes_replaces_nobody(tmp_path: Path) -> None:
    """The definition counts only what differs from a plain node; this one is pinned."""
    assert identity.definition(Node(name="r1", image="x", env={"A": "1"}), "labprov") == PINNED


PINNED = "b274fc1b0bbc"


def test_host_is_closed_at_the_end(make_lab: LabMaker) -> None:
    """Each connection that an operation opened is closed with it."""
    closed: list[str] = []

    class Connection:
        def __enter__(self) -> str:
            return "open"

        def __exit__(self, *_: object) -> None:
            closed.append("closed")

    with Host() as host:
        assert host.connection("x", Connection) == "open"
        assert host.connection("x", Connection) == "open"
    assert closed == ["closed"]
