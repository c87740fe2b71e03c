"""What users and accidents do to labs of containers: a clear word, nothing lost, nothing half made."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.engines.disk import fill, small_disk
from tests.engines.docker.docker_shell import DockerShell, docker, states, write

pytestmark = pytest.mark.engine("docker", "ovs")

LAB = "pair"
LINK = "a:eth1 b:eth1"
NODE = "    {name}: {{kind: linux, image: {image}{more}}}\n"


def pair(file: Path, image: str, *, second: str | None = None, more: str = "", links: str = LINK) -> Path:
    """Write the lab: two containers, and a link.

    :param second: another image for ``b``.
    :param more: further keys of ``b``.
    """
    nodes = NODE.format(name="a", image=image, more="")
    nodes += NODE.format(name="b", image=second or image, more=more)
    return write(file, nodes, links)


@pytest.fixture
def file(tmp_path: Path, tools_image: str) -> Path:
    """The topology file of the lab."""
    return pair(tmp_path / f"{LAB}.clab.yml", tools_image)


@pytest.fixture
def foreign(tools_image: str) -> Iterator[str]:
    """The name of a container that is not labprov's."""
    name = f"lpt-foreign-{uuid4().hex[:6]}"
    docker("create", "--name", name, tools_image)
    yield name
    docker("rm", "-f", name)


def without(environment: dict[str, str]) -> dict[str, str]:
    """This process's environment, with these in place of its own."""
    return {**os.environ, **environment}


# ---------------------------------------------------------------------------------------------------------
# Images


@pytest.mark.parametrize(("more", "tried"), [("", "pull"), (", image-pull-policy: never", "Never")])
def test_an_image_that_is_not_there(
    shell: DockerShell, tmp_path: Path, tools_image: str, more: str, tried: str
) -> None:
    """The error names the node, what was tried and how to get it; the others are made, and wait for it."""
    missing = f"localhost:1/labprov-test/{uuid4().hex}:1"
    file = pair(tmp_path / f"{LAB}.clab.yml", tools_image, second=missing, more=more)
    said = shell.fails("deploy", "-t", file, code=1)
    for word in (f"{LAB}/b", missing, tried, "docker load", "docker import"):
        assert word in said
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "absent"}
    before = shell.inspect(LAB)[0]
    docker("tag", tools_image, missing)
    try:
        shell("deploy", "-t", file)
        assert set(states(shell.inspect(LAB)).values()) == {"running"}
        assert shell.inspect(LAB)[0]["interfaces"][0]["vlan"] == before["interfaces"][0]["vlan"]
        shell("destroy", "--name", LAB, "-y")
    finally:
        docker("image", "rm", missing)


# ---------------------------------------------------------------------------------------------------------
# Engines


@pytest.mark.parametrize("how", ["absent", "refused", "refused over TCP"])
def test_an_engine_that_can_not_be_asked(shell: DockerShell, file: Path, tmp_path: Path, how: str) -> None:
    """Nothing is done and nothing is concluded: not for a new lab, not for one that is there."""
    path = tmp_path / "docker.sock"
    if how == "refused":
        with socket.socket(socket.AF_UNIX) as nobody:
            nobody.bind(str(path))  # the file stays, nobody listens
    where = "tcp://127.0.0.1:1" if how == "refused over TCP" else f"unix://{path}"
    shell.environment = without({"DOCKER_HOST": where})
    said = shell.fails("deploy", "-t", file, code=3)
    assert "docker" in said.lower()
    assert shell.files() == []
    shell.environment = None
    shell("deploy", "-t", file)
    before, documents = shell.inspect(LAB), contents(shell)
    shell.environment = without({"DOCKER_HOST": where})
    for words in (("deploy", "-t", file), ("recover", "--name", LAB), ("destroy", "--name", LAB, "-y")):
        assert "docker" in shell.fails(*words, code=3).lower()
    shell.environment = None
    assert contents(shell) == documents
    assert shell.inspect(LAB) == before


def contents(shell: DockerShell) -> dict[str, bytes]:
    """The lab's documents."""
    return {str(path): path.read_bytes() for path in shell.workspace.rglob(f"{LAB}.json")}


def test_no_switch(shell: DockerShell, file: Path, tmp_path: Path, tools_image: str) -> None:
    """A lab with links is refused before anything is made; one without runs."""
    shell.environment = without({"OVS_RUNDIR": str(tmp_path)})
    said = shell.fails("deploy", "-t", file, code=3)
    assert "Open vSwitch" in said
    assert (shell.containers(), shell.networks(), shell.files()) == ([], [], [])
    alone = pair(tmp_path / f"{LAB}.clab.yml", tools_image, links="")
    shell("deploy", "-t", alone)
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}
    shell("destroy", "-t", alone, "-y")


# ---------------------------------------------------------------------------------------------------------
# What is taken


def test_a_name_that_a_foreign_container_has(shell: DockerShell, file: Path, foreign: str) -> None:
    """A conflict before anything is made; the foreign container stays as it is, also at destroy."""
    docker("rename", foreign, f"{shell.prefix}-{LAB}-b")
    before = docker("inspect", f"{shell.prefix}-{LAB}-b")
    said = shell.fails("deploy", "-t", file, code=4)
    assert f"{shell.prefix}-{LAB}-b" in said
    assert (shell.containers(), shell.networks(), shell.files()) == ([], [], [])
    shell("cleanup", "--all", "-y")
    assert docker("inspect", f"{shell.prefix}-{LAB}-b") == before
    docker("rename", f"{shell.prefix}-{LAB}-b", foreign)
    shell("deploy", "-t", file)


def test_a_port_that_is_published_already(shell: DockerShell, tmp_path: Path, tools_image: str) -> None:
    """The error names the node and the port; the others are made; once it is free, the node is too."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        number = taken.getsockname()[1]
        file = pair(tmp_path / f"{LAB}.clab.yml", tools_image, more=f", ports: ['{number}:80']")
        said = shell.fails("deploy", "-t", file, code=4)
        assert f"{LAB}/b" in said
        assert str(number) in said
        assert states(shell.inspect(LAB)) == {"a": "running", "b": "absent"}
        assert len(shell.containers()) == 2
    shell("deploy", "-t", file)
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}


def test_a_running_node_is_not_lost_for_a_port(shell: DockerShell, tmp_path: Path, tools_image: str) -> None:
    """A port that somebody has is told before the node is taken away; its own ports are no problem."""
    file = tmp_path / f"{LAB}.clab.yml"
    with socket.socket() as own, socket.socket() as other:
        for taken in (own, other):
            taken.bind(("0.0.0.0", 0))
        first, second = (taken.getsockname()[1] for taken in (own, other))
        own.close()
        other.listen()
        shell("deploy", "-t", pair(file, tools_image, more=f", ports: ['{first}:80']"))
        before = shell.inspect(LAB)
        more = f", ports: ['{first}:80', '{second}:81']"
        said = shell.fails("deploy", "-t", pair(file, tools_image, more=more), code=4)
        assert f"{LAB}/b" in said
        assert str(second) in said
        assert shell.inspect(LAB) == before
    shell("deploy", "-t", file)
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}


# ---------------------------------------------------------------------------------------------------------
# Behind our back


def test_the_document_of_another_lab(
    shell: DockerShell, file: Path, tmp_path: Path, tools_image: str
) -> None:
    """Put in place of ours, it changes no tag under running containers."""
    other = pair(
        tmp_path / "other.clab.yml", tools_image, links="b:eth1 a:eth1, a:eth2 b:eth2, a:eth3 b:eth3"
    )
    shell("deploy", "-t", file)
    shell("--vlan-range", "500-600", "deploy", "-t", other)
    before = shell.inspect(LAB)
    document = shell.workspace / "vlans" / f"{LAB}.json"
    right = json.loads(document.read_text())["allocations"]
    document.write_bytes((shell.workspace / "vlans/other.json").read_bytes())
    shell("deploy", "-t", file)
    assert shell.inspect(LAB) == before
    assert json.loads(document.read_text())["allocations"] == right
    (aside,) = document.parent.glob(f"{LAB}.json.corrupt-*")
    assert aside.read_bytes() == (shell.workspace / "vlans/other.json").read_bytes()
    aside.unlink()


@pytest.mark.parametrize("verb", ["deploy", "recover"])
def test_a_container_removed_behind_our_back(shell: DockerShell, file: Path, verb: str) -> None:
    """The node alone, then with its holder: it comes back with its links, tags and MACs."""
    words = ("deploy", "-t", file) if verb == "deploy" else ("recover", "--name", LAB)
    shell("deploy", "-t", file)
    before = interfaces(shell)
    docker("rm", "-f", shell.name_of(LAB, "b"))
    shell(*words)
    assert interfaces(shell) == before
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}
    docker("rm", "-f", *(name for name in shell.containers() if f"{LAB}-b" in name))
    shell(*words)
    assert interfaces(shell) == before
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}
    assert carries(shell)


def interfaces(shell: DockerShell) -> dict[str, object]:
    """Each node's interfaces."""
    return {node["node"]: node["interfaces"] for node in shell.inspect(LAB)}


def carries(shell: DockerShell) -> bool:
    """Whether the link carries packets."""
    for node, address in (("a", "192.0.2.1/24"), ("b", "192.0.2.2/24")):
        words = (
            "exec",
            "--name",
            LAB,
            "--node",
            node,
            "--",
            "ip",
            "address",
            "replace",
            address,
            "dev",
            "eth1",
        )
        shell(*words)
    return shell.reaches(LAB, "a", "192.0.2.2")


def test_a_container_renamed_behind_our_back(shell: DockerShell, file: Path, foreign: str) -> None:
    """It is found by its labels, whatever it is called, and whoever has its name now stays untouched."""
    shell("deploy", "-t", file)
    before, name = interfaces(shell), shell.name_of(LAB, "b")
    docker("rename", name, f"{name}-renamed")
    assert states(shell.inspect(LAB)) == {"a": "running", "b": "running"}
    assert shell.name_of(LAB, "b") == f"{name}-renamed"
    assert '"changed": false' in shell("deploy", "-t", file, "-f", "json")
    assert interfaces(shell) == before
    assert carries(shell)
    docker("rename", foreign, name)
    shell("destroy", "--name", LAB, "-y")
    shell.nothing_left()
    docker("rename", name, foreign)


def test_a_container_paused_behind_our_back(shell: DockerShell, file: Path) -> None:
    """It stays paused, for somebody wanted that, and keeps all it has; started, it is the process it was."""
    shell("deploy", "-t", file)
    before, name = shell.inspect(LAB), shell.name_of(LAB, "b")
    process = docker("inspect", "--format={{.State.Pid}}", name)
    docker("pause", name)
    for words in (("deploy", "-t", file), ("recover", "--name", LAB)):
        shell(*words)
        assert states(shell.inspect(LAB)) == {"a": "running", "b": "paused"}
    assert "paused" in shell.fails("exec", "--name", LAB, "--node", "b", "--", "true", code=1)
    shell("start", "--name", LAB, "--node", "b")
    assert shell.inspect(LAB) == before
    assert docker("inspect", "--format={{.State.Pid}}", name) == process
    docker("pause", name)  # a paused one is removed like any other


def test_a_full_disk(tmp_path: Path, tools_image: str) -> None:
    """No space for the documents: a clear error, no container made; a lab that is there loses nothing."""
    file = pair(tmp_path / f"{LAB}.clab.yml", tools_image)
    with small_disk(tmp_path / "small", "64k") as small:
        shell = DockerShell(small / "workspace")
        filler = small / "filler"
        try:
            shell("deploy", "-t", file)
            before, documents = shell.inspect(LAB), contents(shell)
            fill(filler)
            said = shell.fails("connect", "--name", LAB, "a:eth7", "b:eth7", code=1)
            assert "No space left" in said
            assert "Free some space" in said
            assert contents(shell) == documents
            assert shell.inspect(LAB) == before
            shell("destroy", "--name", LAB, "-y")
            fill(filler)
            assert "No space left" in shell.fails("deploy", "-t", file, code=1)
            assert shell.left() == set()
        finally:
            filler.unlink(missing_ok=True)
            shell("cleanup", "--all", "-y")
            shell.nothing_left()
