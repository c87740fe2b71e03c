"""A lab as users of containerlab have it: three FRR routers that speak OSPF, and a host behind each.

The images are made from this machine's own packages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engines.docker.docker_shell import DockerShell, docker, states
from tests.engines.docker.frr01 import LAB, topology

pytestmark = [pytest.mark.engine("docker", "ovs", "frr"), pytest.mark.usefixtures("frr_image", "tools_image")]

CONVERGED_WITHIN = 120.0  # seconds; OSPF's dead interval is 40, and so is the wait for a designated router
ROUTERS = ("router1", "router2", "router3")


def comes_true(condition: Callable[[], bool], within: float = CONVERGED_WITHIN) -> bool:
    """Whether it does in that time; each look takes a while itself."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
    return False


def neighbours(shell: DockerShell, router: str) -> dict[str, str]:
    """Each OSPF neighbour's state, by its address."""
    words = ("exec", "--name", LAB, "--node", router, "--", "vtysh", "-c", "show ip ospf neighbor json")
    done = shell.run(*words)
    if done.returncode:
        return {}  # its daemons are not up yet
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)["neighbors"]
    return {one["ifaceAddress"]: str(one["nbrState"]) for many in found.values() for one in many}


def converged(shell: DockerShell) -> bool:
    """Whether every router has both neighbours fully, and PC1 reaches PC3."""
    for router in ROUTERS:
        found = neighbours(shell, router)
        if len(found) != 2 or not all(state.startswith("Full/") for state in found.values()):
            return False
    return shell.reaches(LAB, "PC1", "192.168.13.2")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The lab's topology file."""
    return topology(tmp_path)


def document(shell: DockerShell) -> bytes:
    """The lab's allocation document."""
    return (shell.workspace / "vlans" / f"{LAB}.json").read_bytes()


def test_ospf_converges_and_comes_back(shell: DockerShell, file: Path) -> None:
    """A router restarted or killed by Docker's own means has its links, tags and MACs, and its neighbours."""
    shell("deploy", "-t", file)
    before, tags = shell.inspect(LAB), document(shell)
    assert set(states(before).values()) == {"running"}
    assert comes_true(lambda: converged(shell))
    assert not shell.reaches(LAB, "PC1", "192.168.13.2", hops=2), "the way is not through two routers"
    assert shell.reaches(LAB, "PC1", "192.168.13.2", hops=3)
    name = shell.name_of(LAB, "router2")
    for accident in (("restart", name), ("kill", name)):
        docker(*accident)
        docker("start", name)
        # its daemons are new ones, that had no neighbours
        assert comes_true(lambda: converged(shell))
        assert shell.inspect(LAB) == before
        assert document(shell) == tags
    assert '"changed": false' in shell("deploy", "-t", file, "-f", "json")
    shell("destroy", "--name", LAB, "-y")
    shell.nothing_left()


def works(shell: DockerShell) -> bool:
    """Whether each host reaches the router beside it: the wire, the router's config and the host's lines."""
    return all(shell.reaches(LAB, f"PC{number}", f"192.168.1{number}.1") for number in (1, 2, 3))


def kill_deploy(shell: DockerShell, file: Path, moment: str) -> None:
    """Kill a deploy at that moment: at words of its talk, or when there is as much of the lab."""
    count, _, what = moment.partition(" ")
    if not count.isdigit():
        shell.kill_at(moment, "deploy", "-t", file)
    else:
        there = {"containers": shell.containers, "ports": shell.ports}[what]
        shell.kill_when(lambda: len(there()) >= int(count), "deploy", "-t", file)


@pytest.mark.parametrize("moment", ["8 containers", "1 ports", "ran:"])
def test_a_killed_deploy_is_completed(shell: DockerShell, file: Path, moment: str) -> None:
    """Killed at that moment, the next deploy makes what is missing, and a destroy leaves nothing."""
    kill_deploy(shell, file, moment)
    tags = document(shell)
    shell("deploy", "-t", file)
    assert document(shell) == tags
    assert set(states(shell.inspect(LAB)).values()) == {"running"}
    assert comes_true(lambda: works(shell))
    assert '"changed": false' in shell("deploy", "-t", file, "-f", "json")
    shell("destroy", "--name", LAB, "-y")
    shell.nothing_left()
    kill_deploy(shell, file, moment)
    shell("destroy", "--name", LAB, "-y")
    shell.nothing_left()


def test_a_killed_destroy_is_completed(shell: DockerShell, file: Path) -> None:
    """The next deploy makes the lab again as it was; killed once more, the next destroy removes the rest."""
    shell("deploy", "-t", file)
    before = shell.inspect(LAB)
    shell.kill_when(lambda: len(shell.containers()) < 12, "destroy", "--name", LAB, "-y")
    shell("deploy", "-t", file)
    assert without_addresses(shell.inspect(LAB)) == without_addresses(before)
    assert comes_true(lambda: works(shell))
    shell.kill_at("removed", "destroy", "--name", LAB, "-y")
    shell("destroy", "--name", LAB, "-y")
    shell.nothing_left()


def without_addresses(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes without what the engine gives them anew each time."""
    return [{key: value for key, value in node.items() if key != "management_address"} for node in nodes]
