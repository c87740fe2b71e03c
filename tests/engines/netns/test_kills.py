"""A kill at any moment: what the helper was at is found by the next one, and completed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from labprov import netns
from labprov.engine import Alone, BridgeType, Joined, NodeState, Port
from labprov.errors import EngineFailure, LabprovError
from labprov.model import Node
from labprov.wires.client import BOOT, SOURCES, Helper
from tests.engines.netns.rig import ROOT, Lab, ep

PROGRAM = (
    """
import os, signal, sys
left = int(sys.argv.pop())
owner = os.getpid()
names = set("open close mkdir makedirs unlink send fork fstat listdir waitpid pipe2 stat write read flock"
            " pidfd_open pidfd_send_signal listdir readlink rmdir _exit".split())
def count(frame, event, what):
    global left
    if event != "c_call" or os.getpid() != owner:
        return
    if what.__name__ in names or frame.f_globals.get("__name__") == "labprov.wires.linux":
        left -= 1
        if left == 0:
            os.kill(owner, signal.SIGKILL)
sys.setprofile(count)
"""
    + BOOT
)
"""A helper that is killed before its n-th system call (where it makes that one from Python)."""


STEP = 19 if ROOT else 61
"""Every so many system calls there is a test; an unprivileged user's are the same, so fewer will do."""


class DyingHelper(Helper):
    """The parent's side of it."""

    def __init__(self, lab: Lab, calls: int) -> None:
        super().__init__(lab.workspace_id, lab.workspace, 60.0)
        self._calls = calls

    def command(self) -> list[str]:
        return [sys.executable, "-I", "-S", "-c", PROGRAM, SOURCES, str(self._calls)]


@contextmanager
def dying(lab: Lab, calls: int) -> Iterator[None]:
    """Have the lab's next requests served by a helper that dies."""
    lab.again()
    lab.host.connection(f"netns-helper {lab.workspace_id}", lambda: DyingHelper(lab, calls))
    try:
        yield
    finally:
        lab.again()


def ports(lab: Lab) -> list[Port]:
    return [
        lab.port("r1:eth1", "r2:eth1", 100),
        lab.port("r2:eth1", "r1:eth1", 100),
        lab.port("r2:eth2", Alone(), 101),
        lab.port("r1:eth2", Joined("sw", BridgeType.PARKING, learn=True), 102),
    ]


def deploy(lab: Lab) -> list[object]:
    """All of a deploy; what went wrong."""
    nodes = [Node(name="r1"), Node(name="r2")]
    outcomes = [*lab.create(*nodes), *lab.plug(*ports(lab)), *lab.start("r1", "r2")]
    return [outcome for outcome in outcomes if isinstance(outcome, LabprovError)]


def check(lab: Lab) -> None:
    seen = {node.node: node for node in lab.observe().nodes}
    assert {node.state for node in seen.values()} == {NodeState.RUNNING}
    for port in ports(lab):
        found = seen[port.end.node].interface(port.end.interface)
        assert found is not None
        assert (found.mac, found.tag, found.far, found.up) == (port.mac, port.tag, port.far, True)


@pytest.mark.parametrize("calls", range(1, 590, STEP))
def test_deploy_after_a_kill(lab: Lab, calls: int) -> None:
    """A deploy that was killed at any moment is completed by the next one."""
    with dying(lab, calls), pytest.raises(EngineFailure, match="helper process died"):
        deploy(lab)
    assert deploy(lab) == []
    check(lab)


@pytest.mark.parametrize("calls", range(1, 650, STEP))
def test_repoint_after_a_kill(lab: Lab, calls: int) -> None:
    """A re-pointing that was killed at any moment is completed by the next one, and no address is lost."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1")
    for number in (1, 2):
        lab.ok(f"r{number}", f"ip addr add 10.0.0.{number}/24 dev eth1; ip route add 10.9.0.0/16 dev eth1")
    with dying(lab, calls), suppress(EngineFailure):
        lab.plug(lab.port("r1:eth1", Alone(), 100), lab.port("r2:eth1", Alone(), 101))
        netns.labprov_set_carrier(lab.scope, [ep("r1:eth1")], up=False)
        lab.plug(lab.port("r1:eth1", "r2:eth1", 100), lab.port("r2:eth1", "r1:eth1", 100))
        netns.labprov_set_carrier(lab.scope, [ep("r1:eth1"), ep("r2:eth1")], up=False)
    lab.link("r1:eth1", "r2:eth1")
    assert lab.interface("r1:eth1").far == lab.port("r1:eth1", "r2:eth1", 100).far
    assert netns.labprov_set_carrier(lab.scope, [ep("r1:eth1"), ep("r2:eth1")], up=True) == [None, None]
    assert lab.interface("r2:eth1").far == lab.port("r2:eth1", "r1:eth1", 100).far
    for number in (1, 2):
        assert f"10.0.0.{number}/24" in lab.ok(f"r{number}", "ip -br addr show eth1")
        assert "10.9.0.0/16" in lab.ok(f"r{number}", "ip route show dev eth1")
        assert "LOWER_UP" in lab.ok(f"r{number}", "ip -o link show eth1")


@pytest.mark.parametrize("calls", range(1, 660, 2 * STEP))
def test_destroy_after_a_kill(lab: Lab, calls: int) -> None:
    """A destroy that was killed at any moment is completed by the next one (the fixture looks)."""
    assert deploy(lab) == []
    with dying(lab, calls), suppress(EngineFailure):
        lab.destroy()


def test_the_request_under_way_is_finished(lab: Lab) -> None:
    """When labprov is killed, the helper finishes what it is at, and ends."""
    lab.create(Node(name="r1"))
    request = {"op": "prepare", "workspace": lab.workspace_id, "folder": str(lab.workspace), "lab": lab.name}
    command = Helper(lab.workspace_id, lab.workspace, 60.0).command()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()
        assert process.wait(60) == 0
    assert [resource.role for resource in lab.observe().resources] == ["parking"]


def test_two_labs_at_once(lab: Lab) -> None:
    """Several labs can be worked on at once from threads of one process, over one helper."""
    labs = [Lab(lab.workspace, f"{lab.name}{number}", lab.workspace_id) for number in range(4)]
    for each in labs:
        each.host = lab.host

    def whole(each: Lab) -> None:
        each.up("r1", "r2")
        each.link("r1:eth1", "r2:eth1")
        assert each.interface("r1:eth1").far == each.port("r1:eth1", "r2:eth1", 100).far
        each.destroy()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(whole, labs))
