"""Nodes: namespaces that outlive the processes in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from attrs import evolve

from labprov import netns
from labprov.engine import NodeState
from labprov.errors import EngineFailure, ForeignResource, InvalidInput, NodeNotRunning
from labprov.model import Node
from labprov.netns.suite import NetnsHarness
from labprov.wires.processes import read
from tests.engines.netns.rig import Lab, processes, until


def marked(lab: Lab, name: str, **words: object) -> Node:
    """A node whose processes can be counted."""
    return Node(name=name, env={"LABPROV_TEST": lab.workspace_id}, **words)  # type: ignore[arg-type]


def test_a_created_node_is_defined(lab: Lab) -> None:
    """A node that was made and never started is defined, with its identity and no process."""
    assert lab.create(Node(name="r1")) == [None]
    node = lab.node("r1")
    assert (node.state, node.process, node.interfaces) == (NodeState.DEFINED, None, ())
    assert (node.lab, node.prefix, node.workspace) == (lab.name, "lpt", lab.workspace_id)
    assert (node.runtime_name, node.kind, node.definition) == (lab.runtime_name("r1"), "linux", "d1")


def test_process_that_has_ended() -> None:
    """A process that has ended, and of which nobody has taken notice, has no mounts: no error."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert read(process.pid, "mountinfo") == b""


def test_long_names_fit(lab: Lab) -> None:
    """Lab and node names of 63 characters fit into the label."""
    name = "n" * 63
    lab.name = lab.name + "x" * (63 - len(lab.name))
    lab.definition = "0123456789abcdef"
    lab.nodes[name] = Node(name=name)
    spec = evolve(lab.spec(name), runtime_name="lpt-long")
    assert netns.labprov_create_nodes(lab.scope, [spec]) == [None]
    assert lab.node(name).definition == "0123456789abcdef"


def test_create_twice_changes_nothing(lab: Lab) -> None:
    """Creating a node that is there leaves its namespace and its process."""
    lab.up("r1")
    before = lab.node("r1")
    assert lab.create(Node(name="r1")) == [None]
    assert lab.node("r1") == before


def test_started_node_outlives_labprov(lab: Lab) -> None:
    """A started node runs on when the process that started it ends, and the next one finds it."""
    lab.up("r1")
    process = lab.node("r1").process
    lab.again()
    found = lab.node("r1")
    assert (found.state, found.process) == (NodeState.RUNNING, process)
    assert lab.start("r1") == [None]
    assert lab.node("r1").process == process


def test_stop_and_start(lab: Lab) -> None:
    """A stopped node is stopped, not crashed, and keeps interfaces and addresses for its next start."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1")
    lab.ok("r1", "ip addr add 10.0.0.1/24 dev eth1")
    stopped = netns.labprov_stop_nodes(lab.scope, [lab.node("r1")], 5.0)
    assert stopped == [None]
    assert lab.node("r1").state is NodeState.STOPPED
    assert lab.start("r1") == [None]
    assert "10.0.0.1/24" in lab.ok("r1", "ip -br addr show eth1")
    assert lab.interface("r1:eth1").far == lab.port("r1:eth1", "r2:eth1", 100).far


def test_stop_asks_before_it_kills(lab: Lab) -> None:
    """A process that handles TERM gets it, and the time to end by itself."""
    lab.up(
        marked(lab, "r1", cmd="sh -c 'trap \"echo bye; exit\" TERM; echo hello; while :; do sleep 0.1; done'")
    )
    until(lambda: b"hello" in netns.labprov_logs(lab.scope, lab.node("r1")))
    netns.labprov_stop_nodes(lab.scope, [lab.node("r1")], 20.0)
    assert netns.labprov_logs(lab.scope, lab.node("r1")) == b"hello\nbye\n"


def test_stop_kills_in_the_end(lab: Lab) -> None:
    """A process that ignores TERM is killed when the grace is over, with all that it started."""
    script = "trap : TERM; (setsid sleep 1000 &) ; echo ready; while :; do sleep 0.1; done"
    lab.up(marked(lab, "r1", cmd=f"sh -c '{script}'"))
    until(lambda: b"ready" in netns.labprov_logs(lab.scope, lab.node("r1")))
    netns.labprov_stop_nodes(lab.scope, [lab.node("r1")], 0.2)
    assert lab.node("r1").state is NodeState.STOPPED
    assert not processes(lab.workspace_id) - holders(lab)


def holders(lab: Lab) -> set[int]:
    """The holder of an unprivileged user's lab."""
    mark = f"LABPROV_HOLDER={lab.workspace_id}".encode()
    found = processes(lab.workspace_id)
    return {pid for pid in found if mark in Path(f"/proc/{pid}/environ").read_bytes()}


def test_stop_of_one_that_does_not_run(lab: Lab) -> None:
    """Stopping a node that is stopped, was never started, or is gone, succeeds."""
    lab.up("r1")
    lab.create(Node(name="r2"))
    seen = lab.observe().nodes
    assert netns.labprov_stop_nodes(lab.scope, seen, 0) == [None, None]
    assert netns.labprov_stop_nodes(lab.scope, seen, 0) == [None, None]
    assert lab.node("r2").state is NodeState.DEFINED
    netns.labprov_remove_nodes(lab.scope, seen)
    assert netns.labprov_stop_nodes(lab.scope, seen, 0) == [None, None]


def test_killed_node_is_crashed(lab: Lab, harness: NetnsHarness) -> None:
    """A process that somebody killed leaves a crashed node with its links; a start makes it whole."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1")
    harness.kill_node(lab.scope, lab.node("r1"))
    assert lab.node("r1").state is NodeState.CRASHED
    assert lab.interface("r2:eth1").far == lab.port("r2:eth1", "r1:eth1", 100).far
    assert lab.start("r1") == [None]
    assert lab.node("r1").state is NodeState.RUNNING


def test_frozen_node_is_paused(lab: Lab) -> None:
    """A node whose process is stopped by a signal is paused, and a stop ends it all the same."""
    lab.up("r1")
    pid = lab.node("r1").process
    assert pid is not None
    os.kill(pid, 19)
    until(lambda: lab.node("r1").state is NodeState.PAUSED)
    netns.labprov_stop_nodes(lab.scope, [lab.node("r1")], 5.0)
    assert lab.node("r1").state is NodeState.STOPPED


def test_command_that_is_not_there(lab: Lab) -> None:
    """A command that can't be executed is the error of that node's start; others start."""
    lab.create(Node(name="r1", cmd="/no/such/program -x"), Node(name="r2"))
    first, second = lab.start("r1", "r2")
    assert isinstance(first, EngineFailure)
    assert "/no/such/program" in str(first)
    assert first.node == "r1"
    assert second is None
    assert lab.node("r1").state is NodeState.DEFINED


def test_unclosed_quote(lab: Lab) -> None:
    """A command that can't be split into words is refused."""
    lab.create(Node(name="r1", cmd="sh -c 'oops"))
    assert isinstance(lab.start("r1")[0], InvalidInput)


def test_command_that_ends(lab: Lab) -> None:
    """A command that ends by itself leaves a crashed node; its output is kept until the next start."""
    lab.create(Node(name="r1", entrypoint="sh -c", cmd="'echo out; echo err >&2'"))
    for _ in range(2):
        assert lab.start("r1") == [None]
        until(lambda: lab.node("r1").state is NodeState.CRASHED)
        assert netns.labprov_logs(lab.scope, lab.node("r1")) == b"out\nerr\n"


def test_environment_and_hostname(lab: Lab) -> None:
    """The process gets its own variables over a clean environment, and its own host name."""
    lab.up(Node(name="r1", env={"COLOUR": "blue", "PATH": "/bin:/usr/bin"}, hostname="core"), Node(name="r2"))
    environment = lab.ok("r1", "tr '\\0' '\\n' < /proc/1/environ").splitlines()
    assert {"COLOUR=blue", "PATH=/bin:/usr/bin", "HOSTNAME=core"} <= set(environment)
    ours = [line for line in environment if line.startswith(("PYTEST", "LABPROV"))]
    assert [line.partition("=")[0] for line in ours] == ["LABPROV_NODE"]  # the mark by which it is found
    assert lab.ok("r1", "hostname; echo $COLOUR") == "core\nblue\n"
    assert lab.ok("r2", "hostname") == "r2\n"


def test_process_sees_only_its_own(lab: Lab) -> None:
    """The node's process is number 1 of its own, with its own /proc, /sys, /run and /tmp."""
    lab.up("r1")
    lab.alone("r1:eth1")
    assert lab.ok("r1", "ls /sys/class/net").split() == ["eth1", "lo"]
    assert lab.ok("r1", "ls /tmp /run/lock; ls /run") == "/run/lock:\n\n/tmp:\nlock\n"
    pids = {int(name) for name in lab.ok("r1", "ls /proc").split() if name.isdigit()}
    assert 1 in pids
    assert len(pids) < 6


def test_children_are_reaped(lab: Lab) -> None:
    """A node without a command reaps what is left to it."""
    lab.up("r1")
    lab.ok("r1", "(sh -c 'exit 3' &) ; (sh -c 'exit 4' &)")
    zombies = "grep -l '^State:.*zombie' /proc/[0-9]*/status || true"
    until(lambda: lab.ok("r1", zombies) == "")


def test_sysctls(lab: Lab) -> None:
    """The node's network settings are set in its namespace only."""
    key = "net.ipv4.ip_forward"
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    other = "0" if before.strip() == "1" else "1"
    lab.up(Node(name="r1", sysctls={key: other}))
    assert lab.ok("r1", f"cat /proc/sys/{key.replace('.', '/')}").strip() == other
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


@pytest.mark.parametrize("key", ["kernel.hostname", "vm.swappiness", "net/../kernel.hostname"])
def test_other_sysctls_are_refused(lab: Lab, key: str) -> None:
    """A setting that a network namespace does not have is refused, and nothing is made."""
    (error,) = lab.create(Node(name="r1", sysctls={key: "1"}))
    assert isinstance(error, InvalidInput)
    assert lab.observe().nodes == ()


def test_sysctl_the_kernel_refuses(lab: Lab) -> None:
    """A network setting that does not exist is an error of the start."""
    lab.create(Node(name="r1", sysctls={"net.ipv4.no_such_thing": "1"}))
    (error,) = lab.start("r1")
    assert isinstance(error, InvalidInput)
    assert "no_such_thing" in str(error)


def test_replace_keeps_the_namespace(lab: Lab) -> None:
    """A replaced node gets another process and label in the same namespace; its peer notices nothing."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1")
    lab.ok("r1", "ip addr add 10.0.0.1/24 dev eth1")
    before, peer = lab.node("r1"), lab.ok("r2", "ip -o link show eth1")
    lab.definition = "d2"
    assert netns.labprov_create_nodes(lab.scope, [lab.spec("r1", before)]) == [None]
    after = lab.node("r1")
    assert (after.state, after.definition, after.interfaces) == (NodeState.DEFINED, "d2", before.interfaces)
    assert lab.start("r1") == [None]
    assert lab.node("r1").process != before.process
    assert "10.0.0.1/24" in lab.ok("r1", "ip -br addr show eth1")
    assert lab.ok("r2", "ip -o link show eth1") == peer


def test_replace_under_another_name(lab: Lab) -> None:
    """A node can be replaced by one that the kernel knows by another name."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1")
    spec = evolve(lab.spec("r1", lab.node("r1")), runtime_name=lab.runtime_name("other"))
    assert netns.labprov_create_nodes(lab.scope, [spec]) == [None]
    assert lab.node("r1").runtime_name == lab.runtime_name("other")
    assert lab.interface("r1:eth1").far == lab.port("r1:eth1", "r2:eth1", 100).far


def test_foreign_name(lab: Lab, harness: NetnsHarness) -> None:
    """A namespace of that name without our label is foreign: reported, never adopted, started or removed."""
    lab.create(Node(name="r2"))
    name = lab.runtime_name("r1")
    harness.make_foreign(lab.scope, name)
    (error,) = lab.create(Node(name="r1"))
    assert isinstance(error, ForeignResource)
    assert isinstance(lab.start("r1")[0], ForeignResource)
    (seen,) = [node for node in lab.observe([name]).nodes if node.node != "r2"]
    assert (seen.state, seen.runtime_name, seen.lab) == (NodeState.FOREIGN, name, "")
    assert [node.node for node in lab.observe().nodes] == ["r2"]
    harness.remove_foreign(lab.scope, name)
    assert lab.create(Node(name="r1")) == [None]


@pytest.mark.root
def test_leftover_name_is_nothing(lab: Lab) -> None:
    """A name without a namespace on it, as a kill can leave it, is neither foreign nor in the way."""
    lab.create(Node(name="r2"))
    name = lab.runtime_name("r1")
    (Path("/run/netns") / name).touch()
    assert [node.node for node in lab.observe([name]).nodes] == ["r2"]
    assert lab.create(Node(name="r1")) == [None]


@pytest.mark.root
def test_name_that_a_kill_has_left(lab: Lab) -> None:
    """A name whose namespace was never put on it is known for the lab's, and goes with the lab."""
    lab.create(Node(name="r1"))
    path = Path("/run/netns") / lab.runtime_name("r1")
    subprocess.run(["umount", path], check=True)
    assert lab.observe().nodes == ()
    (resource,) = lab.observe().resources
    assert (resource.role, resource.name, resource.workspace) == ("name", path.name, lab.workspace_id)
    lab.destroy()
    assert not path.exists()


@pytest.mark.root
def test_ip_netns_knows_it(lab: Lab) -> None:
    """``ip netns exec`` works with the node's runtime name."""
    lab.up("r1")
    command = ["ip", "netns", "exec", lab.runtime_name("r1"), "cat", "/sys/class/net/lo/ifalias"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith(f"labprov 1 node {lab.name} r1 lpt {lab.workspace_id} ")


def test_other_workspace_is_told(lab: Lab) -> None:
    """Things of another workspace are not this one's to change."""
    lab.up("r1")
    mine, lab.workspace_id = lab.workspace_id, "other"
    seen = lab.observe([lab.runtime_name("r1")]).nodes
    if seen:  # an unprivileged user's other workspace has other namespaces altogether
        assert seen[0].workspace == mine
        assert isinstance(lab.create(Node(name="r1"))[0], ForeignResource)
    lab.workspace_id = mine
    assert lab.node("r1").state is NodeState.RUNNING


def test_observe_makes_nothing(lab: Lab) -> None:
    """Looking starts no holder and makes no folder."""
    assert lab.observe(["x"]).nodes == ()
    assert not processes(lab.workspace_id)
    assert list(lab.workspace.iterdir()) == []


def test_removed_behind_our_back(lab: Lab, harness: NetnsHarness) -> None:
    """A namespace that vanished is gone from what is observed, and its peer's interface with it."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1")
    harness.remove_node(lab.scope, lab.node("r1"))
    assert [node.node for node in lab.observe().nodes] == ["r2"]
    assert lab.create(Node(name="r1")) == [None]
    assert lab.start("r1") == [None]
    lab.link("r1:eth1", "r2:eth1")
    assert lab.interface("r2:eth1").far == lab.port("r2:eth1", "r1:eth1", 100).far


def test_not_running(lab: Lab) -> None:
    """Nothing can be run in a node that does not run."""
    lab.create(Node(name="r1"))
    with pytest.raises(NodeNotRunning):
        lab.run("r1", "true")
    with pytest.raises(NodeNotRunning):
        netns.labprov_console(lab.scope, lab.node("r1"), "exec")
    assert not netns.labprov_ready(lab.scope, lab.node("r1")).ready
