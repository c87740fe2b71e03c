"""Lifecycle: nodes and labs come, run, stop and go, and say so."""

from __future__ import annotations

import shlex
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, mutable

from labprov.contract.bench import Bench
from labprov.contract.clauses import clause
from labprov.engine import Capability, NodeState, ObservedNode, Readiness, Scope
from labprov.errors import DeadlineExceeded, LabprovError, NodeNotRunning, NotSupported
from labprov.events import Event, EventKind
from labprov.hookspecs import hookimpl
from labprov.lab import Lab
from labprov.plugins import Plugins
from labprov.report import Report
from labprov.settings import Settings

IDLE = {NodeState.STOPPED, NodeState.DEFINED, NodeState.CRASHED, NodeState.ABSENT}
"""What a node is that does not run."""


class TestLifecycle:
    """L: what happens to nodes and labs from the first deploy to the last destroy."""

    @clause("L1")
    def test_verbs_are_idempotent(self, bench: Bench) -> None:
        """Deploy, inspect, stop, start, restart, destroy of one node and of a lab; each is idempotent."""
        lab = bench.lab(bench.topology("verbs", "a:eth1 b:eth1", "b:eth2 c:eth1"))
        running = dict.fromkeys("abc", NodeState.RUNNING)
        _twice(bench, lab, lambda: lab.deploy(), running)
        wires = bench.captured(lab.name), bench.macs(lab.name)
        for chosen in (["b"], []):
            _check_power(bench, lab, chosen)
        assert (bench.captured(lab.name), bench.macs(lab.name)) == wires
        lab.destroy().raise_failures()
        assert bench.nodes(lab.name) == {}
        assert not lab.destroy().changed

    @clause("L2")
    def test_started_means_visible(self, bench: Bench) -> None:
        """What is "started" is visible with matching identity and usable interfaces, not merely accepted."""
        topology = bench.topology("visible", "a:eth1 b:eth1", a=["eth2"])
        lab = bench.lab(topology)
        started: list[dict[str, ObservedNode]] = []

        def look(event: Event) -> None:
            if event.kind is EventKind.NODE_STARTED:
                started.append(bench.nodes(lab.name))

        bench.events = _Listening(look)
        report = bench.lab(topology).deploy(wait=False)
        report.raise_failures()
        assert set(report.started) == {"a", "b"}
        assert len(started) == 2
        workspace = bench.scope(lab.name).workspace_id
        for nodes in (*started, bench.nodes(lab.name)):
            assert {name: node.state for name, node in nodes.items()} == dict.fromkeys(
                "ab", NodeState.RUNNING
            )
            identities = {(node.lab, node.provider, node.workspace, node.prefix) for node in nodes.values()}
            assert identities == {(lab.name, bench.name, workspace, "labprov")}
            assert {name: node.kind for name, node in nodes.items()} == {
                node.name: node.kind for node in topology.nodes
            }
            assert len({node.runtime_name for node in nodes.values()}) == 2
            if bench.claims(Capability.PROCESSES):
                assert None not in {node.process for node in nodes.values()}
            ends = {f"{name}:{item.name}": item for name, node in nodes.items() for item in node.interfaces}
            assert set(ends) == {"a:eth1", "a:eth2", "b:eth1"}
            assert all(item.far is not None and item.up for item in ends.values())

    @clause("L3")
    def test_stop_of_what_does_not_run(self, bench: Bench) -> None:
        """Stop of an absent, paused, crashed or starting node succeeds, and it does not run afterwards."""
        lab = bench.lab(bench.topology("stop", "a:eth1 b:eth1", c=["eth1"], d=["eth1"]))
        lab.deploy(wait=False).raise_failures()
        scope, provider = bench.scope(lab.name), bench.new_plugins().provider(bench.name)
        nodes = bench.nodes(lab.name)
        bench.harness.kill_node(scope, nodes["a"])
        assert bench.nodes(lab.name)["a"].state is NodeState.CRASHED
        bench.harness.remove_node(scope, nodes["b"])
        states = {"a": NodeState.CRASHED, "b": NodeState.RUNNING, "c": NodeState.STARTING}
        try:
            bench.harness.pause_node(scope, nodes["d"])
            states["d"] = NodeState.PAUSED
            assert bench.nodes(lab.name)["d"].state is NodeState.PAUSED
        except NotSupported:
            states["d"] = NodeState.RUNNING
        told = [evolve(nodes[name], state=state) for name, state in states.items()]
        for grace in (0.0, 0.1):
            outcomes = provider.stop_nodes(scope, told, grace)
            assert [str(outcome) for outcome in outcomes if isinstance(outcome, LabprovError)] == []
            assert {node.state for node in bench.nodes(lab.name).values()} <= IDLE
        lab.stop().raise_failures()
        assert set(_states(lab).values()) <= IDLE
        lab.stop(["b"]).raise_failures()
        with pytest.raises(NodeNotRunning):
            lab.exec("a", ["true"])
        lab.recover().raise_failures()
        assert _states(lab) == dict.fromkeys("abcd", NodeState.RUNNING)

    @clause("L4")
    def test_waiting_ends(self, bench: Bench) -> None:
        """Readiness waits end at their deadline with the reason; "no probe" is not "ready"."""
        topology = bench.topology("ready", a=["eth1"])
        settings = evolve(bench.settings, timeouts=evolve(bench.settings.timeouts, ready=0.1))
        reason = "the ninth of ten services is coming up"
        report, kinds = _deployed_with(bench, topology, settings, Never(reason))
        assert [type(error) for error in report.failures] == [DeadlineExceeded]
        assert reason in str(report.failures[0])
        assert report.failures[0].node == "a"
        assert EventKind.NODE_READY not in kinds
        bench.lab(topology).stop().raise_failures()
        report, kinds = _deployed_with(bench, topology, settings, Untold())
        assert report.failures == ()
        assert any(warning.startswith("a:") for warning in report.warnings)
        assert EventKind.NODE_READY not in kinds
        _check_own_probe(bench, bench.lab(topology))

    @clause("L5")
    def test_exec(self, bench: Bench) -> None:
        """exec returns exit code, stdout and stderr apart, bytes intact, with a deadline that ends it."""
        lab = bench.lab(bench.topology("exec", a=["eth1"]))
        lab.deploy().raise_failures()
        try:
            lab.exec("a", ["true"])
        except NotSupported:
            assert not bench.claims(Capability.IP), "where ip is claimed, nodes have a shell"
            return
        script = r"printf 'a\0\r\n\377b'; printf 'e\0\n' >&2; exit 7"
        result = lab.exec("a", ["sh", "-c", script])
        assert (result.exit_code, result.stdout, result.stderr) == (7, b"a\0\r\n\xffb", b"e\0\n")
        words = ["", "two words", "$HOME", "quote'd", "*", "new\nline"]
        result = lab.exec("a", ["printf", r"%s\n.", *words])
        assert result.stdout == "".join(f"{word}\n." for word in words).encode()
        result = lab.exec("a", ["sh", "-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"])
        assert (result.exit_code, result.stdout, result.stderr) == (0, bytes(3000000), bytes(3000000))
        assert lab.exec("a", ["labprov-no-such-program"]).exit_code == 127
        assert lab.exec("a", ["/"]).exit_code == 126
        _check_deadline(lab)

    @clause("L6")
    def test_destroy_without_the_topology(self, bench: Bench) -> None:
        """Destroy of a lab whose topology file is gone."""
        for lost in (False, True):
            topology = bench.topology("gone", "a:eth1 b:eth1", "a:eth2 sw1:eth1")
            bench.lab(topology).deploy().raise_failures()
            if lost:
                for name in bench.files():
                    (Path(bench.settings.workspace) / name).unlink()
                bench.lab(bench.topology("other", a=["eth1"])).deploy().raise_failures()
            bench.attach(topology.name).destroy().raise_failures()
            assert bench.nodes(topology.name) == {}
            assert bench.harness.leftovers(bench.scope(topology.name)) == set()
            assert not [name for name in bench.files() if topology.name in name]

    @clause("L7")
    def test_observers(self, bench: Bench) -> None:
        """Events reach observers in order, an engine's own too; an observer that raises breaks nothing."""
        topology = bench.topology("events", "a:eth1 b:eth1")
        one, two = Observer(), Observer()
        plugins = bench.new_plugins()
        for name, plugin in {"one": one, "raising": Raising(), "two": two}.items():
            plugins.register(plugin, name)
        bench.lab(topology)
        lab = Lab(topology, bench.settings, plugins=plugins, on_event=Raising().labprov_event)
        for verb in (lab.deploy, lab.stop, lab.start, lab.destroy):
            one.events.clear()
            two.events.clear()
            verb().raise_failures()
            assert one.events == two.events
            _check_order(lab.name, one.events)
            if verb == lab.deploy:
                _check_nodes_order(one.events)
        assert bench.nodes(lab.name) == {}
        lab.deploy(wait=False).raise_failures()
        _check_news(bench, lab, one)


# -- L1 ---------------------------------------------------------------------------------------------------


def _states(lab: Lab) -> dict[str, NodeState]:
    return {status.node: status.state for status in lab.inspect()}


def _twice(bench: Bench, lab: Lab, verb: Callable[[], Report], states: dict[str, NodeState]) -> None:
    """The second time nothing is left to do, and nothing of an engine changes."""
    verb().raise_failures()
    assert _states(lab) == states
    before = bench.nodes(lab.name)
    report = verb()
    report.raise_failures()
    assert not report.changed
    assert bench.nodes(lab.name) == before
    assert lab.inspect() == lab.inspect()


def _check_power(bench: Bench, lab: Lab, chosen: list[str]) -> None:
    """Stop, start and restart nodes (none named: all); the others' processes go on."""
    running = dict.fromkeys("abc", NodeState.RUNNING)
    affected = set(chosen or "abc")
    others = {name: pid for name, pid in bench.processes(lab.name).items() if name not in affected}
    _twice(bench, lab, lambda: lab.stop(chosen), running | dict.fromkeys(affected, NodeState.STOPPED))
    _twice(bench, lab, lambda: lab.start(chosen), running)
    before = bench.processes(lab.name)
    report = lab.restart(chosen)
    report.raise_failures()
    assert _states(lab) == running
    assert set(report.stopped) == set(report.started) == affected
    after = bench.processes(lab.name)
    for processes in (before, after):
        assert {name: processes[name] for name in others} == others
    if bench.claims(Capability.PROCESSES):
        assert all(after[name] != before[name] for name in affected)


# -- L2 ---------------------------------------------------------------------------------------------------


class _Listening(list[Event]):
    """A list that tells of each event when it comes."""

    def __init__(self, listener: Callable[[Event], None]) -> None:
        super().__init__()
        self._listener = listener

    def append(self, event: Event) -> None:
        """Keep it, and tell."""
        super().append(event)
        self._listener(event)


# -- L4 ---------------------------------------------------------------------------------------------------


class Never:
    """Has no node become ready."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    @hookimpl(tryfirst=True)
    def labprov_ready(self, node: ObservedNode) -> Readiness:
        """Give the reason."""
        return Readiness(False, self.reason)


class Untold:
    """Has nobody know how to tell whether a node is ready."""

    @hookimpl(tryfirst=True)
    def labprov_ready(self, node: ObservedNode) -> Readiness:
        """Say so."""
        raise NotSupported("nobody knows how to tell")


def _deployed_with(
    bench: Bench, topology: Any, settings: Settings, plugin: object
) -> tuple[Report, list[EventKind]]:
    bench.lab(topology)  # so that it is cleaned up
    plugins = bench.new_plugins()
    plugins.register(plugin, "readiness")
    events: list[Event] = []
    report = Lab(topology, settings, plugins=plugins, on_event=events.append).deploy()
    return report, [event.kind for event in events]


def _check_own_probe(bench: Bench, lab: Lab) -> None:
    """The provider's own probe: who does not run is not ready, and has a reason."""
    lab.deploy().raise_failures()
    scope, node = bench.scope(lab.name), bench.nodes(lab.name)["a"]
    bench.harness.kill_node(scope, node)
    dead = bench.nodes(lab.name)["a"]
    try:
        answer = _ready(bench.new_plugins(), bench, scope, dead)
    except NotSupported:
        return
    assert not answer.ready
    assert answer.reason


def _ready(plugins: Plugins, bench: Bench, scope: Scope, node: ObservedNode) -> Readiness:
    try:
        return plugins.provider(bench.name).ready(scope, node)
    except NotSupported:
        raise
    except LabprovError as error:
        return Readiness(False, error.message)


# -- L5 ---------------------------------------------------------------------------------------------------


STUBBORN = """
trap '' TERM HUP INT
sleep "$1" &
setsid sh -c 'sleep "$1"; touch "/tmp/labprov-$1"' sh "$1" &
sleep "$1"
touch "/tmp/labprov-$1"
"""
"""A command that is hard to end; the file is there if it came to its end by itself."""
SEARCH = """
printf %s%s "$1" "$2" | grep -slF -f - /proc/[0-9]*/cmdline
:
"""
"""Names the processes that have both arguments, put together, in their command lines."""


def _check_deadline(lab: Lab) -> None:
    """The command has ended with all that it started, also what left its session or ignores signals."""
    mark = f"30.{uuid.uuid4().int % 10**12}"
    with pytest.raises(DeadlineExceeded):
        lab.exec("a", ["sh", "-c", STUBBORN, "sh", mark], timeout=0.5)
    half = len(mark) // 2
    done = f"/tmp/labprov-{mark}"
    assert lab.exec("a", ["sh", "-c", f"rm {done} 2>&-"]).exit_code, "it was waited for, and not ended"
    result = lab.exec("a", ["sh", "-c", SEARCH, "sh", mark[:half], mark[half:]])
    assert (result.exit_code, result.text) == (0, ""), f"left running: {shlex.quote(result.text)}"
    assert lab.exec("a", ["echo", "whole"]).stdout == b"whole\n"


# -- L7 ---------------------------------------------------------------------------------------------------


DEAF_AFTER = 60.0
"""Seconds after which news that have not come won't come any more."""


@mutable(eq=False)
class Observer:
    """Hears and remembers."""

    events: list[Event] = field(factory=list)

    @hookimpl
    def labprov_event(self, event: Event) -> None:
        """Remember it."""
        self.events.append(event)


class Raising:
    """An observer that raises."""

    @hookimpl
    def labprov_event(self, event: Event) -> None:
        """Raise."""
        raise RuntimeError("an observer of the contract suite raises here on purpose")


def _check_order(lab: str, events: Sequence[Event]) -> None:
    """An operation begins first and ends last, steps in it begin and end by turns, and all is of the lab."""
    kinds = [event.kind for event in events]
    assert {event.lab for event in events} == {lab}
    assert kinds[0] is EventKind.OPERATION_STARTED
    assert kinds[-1] is EventKind.OPERATION_DONE
    steps = [event for event in events if event.kind in (EventKind.STEP_STARTED, EventKind.STEP_DONE)]
    for begin, end in zip(steps[::2], steps[1::2], strict=True):
        assert (begin.kind, end.kind) == (EventKind.STEP_STARTED, EventKind.STEP_DONE)
        assert (begin.message, begin.count) == (end.message, end.count)


def _check_nodes_order(events: Sequence[Event]) -> None:
    for name in "ab":
        own = [event.kind for event in events if event.node == name and event.kind.value.startswith("node-")]
        wanted = [EventKind.NODE_CREATED, EventKind.NODE_STARTED, EventKind.NODE_READY]
        assert [kind for kind in own if kind in wanted][:2] == wanted[:2]
        assert own.index(EventKind.NODE_CREATED) < own.index(EventKind.NODE_STARTED)


def _check_news(bench: Bench, lab: Lab, observer: Observer) -> None:
    """While somebody listens, an accident is told of as it happens, to observers too."""
    try:
        news = lab.watch()
    except NotSupported:
        return
    observer.events.clear()
    heard: list[Event] = []
    end = threading.Timer(DEAF_AFTER, news.close)
    end.start()
    with news:
        bench.harness.kill_node(bench.scope(lab.name), bench.nodes(lab.name)["a"])
        bench.attach(lab.name).stop(["b"]).raise_failures()
        for event in news:
            heard.append(event)
            if event.node == "b":
                break
    end.cancel()
    assert {(event.kind, event.lab) for event in heard} == {(EventKind.NODE_CHANGED, lab.name)}
    assert ("a", NodeState.CRASHED) in {(event.node, event.state) for event in heard}
    assert "b" in {event.node for event in heard}
    assert observer.events == heard
