"""The contract suite's hands: what they break is broken, what they look for they find."""

from __future__ import annotations

import os
import signal

import pytest
from attrs import evolve

from labprov import netns
from labprov.engine import NodeState
from labprov.errors import EngineFailure, LabprovError, Unavailable
from labprov.model import Node
from labprov.netns.suite import NetnsHarness
from labprov.wires import helper
from labprov.wires.parking import digest
from tests.engines.netns.rig import ROOT, Lab, ep


def test_engine_that_does_not_answer(lab: Lab, harness: NetnsHarness) -> None:
    """While no program can be started every query fails, typed; afterwards all is as it was."""
    lab.up("r1")
    before = lab.observe()
    harness.break_engine(lab.scope)
    try:
        with pytest.raises(Unavailable, match="can't be started: Argument list too long"):
            lab.observe()
        reason = netns.labprov_provider_info(lab.host).reason
        assert reason is None if ROOT else str(reason).startswith("unshare can't be run: ")
    finally:
        harness.mend_engine(lab.scope)
    assert lab.observe() == before


def test_leftovers(lab: Lab, harness: NetnsHarness) -> None:
    """What a lab consists of is found without the provider, and that of another lab is not."""
    other = Lab(lab.workspace, lab.name + "0", lab.workspace_id)
    with other.host:
        other.up("r1")
        lab.up("r1", "r2")
        lab.link("r1:eth1", "r2:eth1")
        lab.alone("r1:eth2")
        assert harness.leftovers(lab.scope) == {
            f"namespace {lab.runtime_name('r1')}",
            f"namespace {lab.runtime_name('r2')}",
            f"namespace lp-parking-{digest(lab.workspace_id, lab.name)}",
            f"folder {lab.workspace / 'logs' / lab.name}",
        }
        lab.destroy()
        assert harness.leftovers(lab.scope) == set()
        other.destroy()


def test_lost_process(lab: Lab, harness: NetnsHarness) -> None:
    """A process whose namespace has lost its name is found."""
    lab.up("r1", "r2")
    pid = lab.node("r1").process
    assert pid is not None
    helper(lab.scope).request("unname", name=lab.runtime_name("r1"))
    assert f"process {pid} in a namespace without a name" in harness.leftovers(lab.scope)
    os.kill(pid, signal.SIGKILL)


def test_foreign_is_as_it_was(lab: Lab, harness: NetnsHarness) -> None:
    """A foreign namespace that is gone, or is another one, is noticed."""
    name = lab.runtime_name("r1")
    with pytest.raises(EngineFailure, match="not as it was"):
        harness.remove_foreign(lab.scope, name)
    harness.make_foreign(lab.scope, name)
    helper(lab.scope).request("unname", name=name)
    with pytest.raises(EngineFailure, match="not as it was"):
        harness.remove_foreign(lab.scope, name)


def test_restarted(lab: Lab, harness: NetnsHarness) -> None:
    """A node that was restarted is another process with the same command and environment."""
    lab.up(Node(name="r1", env={"A": "b c"}, cmd="sleep 1000000"))
    before = lab.node("r1")
    words = [lab.ok("r1", f"tr '\\0' ' ' < /proc/1/{name}") for name in ("cmdline", "environ")]
    harness.restart_node(lab.scope, before)
    after = lab.node("r1")
    assert (after.state, after.process != before.process) == (NodeState.RUNNING, True)
    assert [lab.ok("r1", f"tr '\\0' ' ' < /proc/1/{name}") for name in ("cmdline", "environ")] == words
    with pytest.raises(EngineFailure):
        harness.restart_node(lab.scope, evolve(after, process=None))


def test_paused_and_changed(lab: Lab, harness: NetnsHarness) -> None:
    """A node that was frozen is paused; a changed one is another definition."""
    node = harness.node("r1")
    assert harness.changed(node) != node
    lab.up(node)
    harness.pause_node(lab.scope, lab.node("r1"))
    assert lab.node("r1").state is NodeState.PAUSED
    assert not isinstance(netns.labprov_stop_nodes(lab.scope, [lab.node("r1")], 0.0)[0], LabprovError)
    with pytest.raises(LabprovError):
        harness.send(lab.scope, ep("r9:eth1"), b"")
