"""Accidents of holders and of what they hang on: one `recover` puts right what is not as it was."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import pytest

from tests.engines.docker.docker_shell import DockerShell, docker, states
from tests.engines.docker.test_bad_input import LAB, carries, interfaces, pair, without

pytestmark = pytest.mark.engine("docker", "ovs")


@pytest.fixture
def file(tmp_path: Path, tools_image: str) -> Path:
    """The topology file of the lab."""
    return pair(tmp_path / f"{LAB}.clab.yml", tools_image)


def holder(shell: DockerShell, node: str) -> str:
    """The name of the node's holder."""
    return next(name for name in shell.containers() if f"{LAB}-{node}-holder" in name)


def recovered(shell: DockerShell, file: Path) -> None:
    """One recover mends it, and then there is nothing to do; both nodes have all their interfaces."""
    shell("recover", "--name", LAB)
    assert '"changed": false' in shell("deploy", "-t", file, "-f", "json")
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}
    shown = shell("exec", "--name", LAB, "--node", "b", "--", "ip", "address")
    assert "eth0" in shown
    assert str(shell.inspect(LAB)[1]["management_address"]) in shown
    assert carries(shell)
    docker("restart", "-t", "0", shell.name_of(LAB, "b"))
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}


@pytest.mark.parametrize("accident", ["rm -f", "kill", "restart -t 0"])
def test_a_holder_that_somebody_touched(shell: DockerShell, file: Path, accident: str) -> None:
    """The node runs on with its links; a recover gives it back what it had, on a holder that runs."""
    shell("deploy", "-t", file)
    before = interfaces(shell)
    docker(*accident.split(), holder(shell, "b"))
    assert carries(shell), "the links live as long as the node"
    recovered(shell, file)
    assert interfaces(shell) == before


def test_a_node_restarted_after_its_holder(shell: DockerShell, file: Path) -> None:
    """It has come up without interfaces; one recover makes them, and then there is nothing to do."""
    shell("deploy", "-t", file)
    before = interfaces(shell)
    docker("restart", "-t", "0", holder(shell, "b"))
    docker("restart", "-t", "0", shell.name_of(LAB, "b"))
    recovered(shell, file)
    assert interfaces(shell) == before


def test_all_containers_restarted_at_once(shell: DockerShell, file: Path) -> None:
    """Whichever came up first."""
    shell("deploy", "-t", file)
    before = interfaces(shell)
    docker("restart", "-t", "0", *shell.containers())
    recovered(shell, file)
    assert interfaces(shell) == before


def test_destroy_without_the_switch(shell: DockerShell, file: Path, tmp_path: Path) -> None:
    """What the switch holds of the lab is not known then, and so it is not forgotten."""
    shell("deploy", "-t", file)
    docker("rm", "-f", *shell.containers())
    before, environment = shell.files(), shell.environment
    shell.environment = without({"OVS_RUNDIR": str(tmp_path)})
    assert "Open vSwitch" in shell.fails("destroy", "--name", LAB, "-y", code=3)
    shell.environment = environment
    assert shell.files() == before
    shell("destroy", "--name", LAB, "-y")
    shell.nothing_left()


def test_an_address_that_the_network_has_not(shell: DockerShell, tmp_path: Path, tools_image: str) -> None:
    """A running node is not taken away for one that can't be made."""
    name = tmp_path / f"{LAB}.clab.yml"
    shell("deploy", "-t", pair(name, tools_image))
    before = shell.inspect(LAB)
    said = shell.fails("deploy", "-t", pair(name, tools_image, more=", mgmt-ipv4: 192.0.2.77"), code=4)
    assert "192.0.2.77" in said
    assert shell.inspect(LAB) == before


def test_the_management_network_is_small(shell: DockerShell, file: Path) -> None:
    """It takes 256 addresses of containerlab's usual range, not a range that a lab may use itself."""
    shell("deploy", "-t", file)
    (name,) = shell.networks()
    (pool,) = json.loads(docker("network", "inspect", name))[0]["IPAM"]["Config"]
    subnet = ipaddress.IPv4Network(pool["Subnet"])
    assert subnet.prefixlen == 24
    assert subnet >= ipaddress.IPv4Network("172.20.20.0/24")
    assert subnet.subnet_of(ipaddress.IPv4Network("172.16.0.0/12"))
