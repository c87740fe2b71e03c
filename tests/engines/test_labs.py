"""Whole labs on the embedded provider, through the command line: what a user sees, on the real kernel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.engines.disk import fill, small_disk
from tests.engines.shell import Shell

HERE = Path(__file__).resolve()
EXAMPLES = HERE.parents[2] / "examples"
RING = EXAMPLES / "ring" / "ring.clab.yml"
OSPF = EXAMPLES / "frr-ospf" / "frr-ospf.clab.yml"
ECHO = EXAMPLES / "echo.py"
NAMED = Path("/run/netns")
CONVERGED_WITHIN = 90.0  # seconds; OSPF's dead interval is 40 where a router was killed

pytestmark = pytest.mark.engine("root")


class NetnsShell(Shell):
    """labprov with labs of namespaces."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace)
        self.namespaces: set[int] = set()
        """Every namespace that a node has had, so that none can be forgotten."""

    def look(self) -> None:
        """Note the namespaces."""
        self.namespaces |= {path.stat().st_ino for path in NAMED.glob(f"{self.prefix}-*")}

    def reaches(self, lab: str, node: str, address: str) -> bool:
        """Whether echoes sent inside the node are answered."""
        # the program itself, not its path: a node's own /tmp hides a checkout that lies below the host's
        program = ("/usr/bin/python3", "-c", ECHO.read_text(), address, "2")
        words = ("exec", "--name", lab, "--node", node, "--", *program)
        return subprocess.run([*self.command, *words], capture_output=True, check=False).returncode == 0


def inside(namespaces: set[int]) -> set[str]:
    """The processes that are in one of these network namespaces."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns/net").stat().st_ino in namespaces:
                found.add(f"{folder.name} {(folder / 'cmdline').read_bytes()!r}")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        except PermissionError:
            continue  # where the machine's first process is closed even to root, it is no node either
    return found


def left(shell: NetnsShell) -> set[str]:
    """What labs have left on the machine: named namespaces, mounts, processes."""
    named = {path.name for path in NAMED.glob(f"{shell.prefix}-*")}
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    words = (shell.prefix, str(shell.workspace))
    return named | {line for line in mounts if any(word in line for word in words)} | inside(shell.namespaces)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[NetnsShell]:
    """A workspace whose labs are gone at the end, with every trace of theirs."""
    shell = NetnsShell(tmp_path / "workspace")
    yield shell
    shell("cleanup", "--all", "-y")
    assert shell.namespaces
    assert left(shell) == set()
    files = [path for path in shell.workspace.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == ["workspace-id", "workspace.lock"]


def test_the_ring_carries_packets_and_survives_restarts(shell: NetnsShell) -> None:
    """The example of the README: packets cross it, over the long way too, and a restart changes nothing."""
    shell("deploy", "-t", RING)
    before = shell.inspect("ring")
    assert shell.reaches("ring", "pc1", "10.0.2.2")
    assert shell.reaches("ring", "pc1", "fd00:0:0:2::2")
    shell("link", "down", "--name", "ring", "r1:eth2")
    assert shell.reaches("ring", "pc1", "10.0.2.2")
    assert [item["up"] for node in shell.inspect("ring") for item in node["interfaces"]].count(False) == 2
    shell("link", "up", "--name", "ring", "r1:eth2")
    shell("restart", "--name", "ring", "--node", "r2")
    assert shell.reaches("ring", "pc1", "10.0.2.2")
    assert shell.inspect("ring") == before
    assert shell("deploy", "-t", RING, "-f", "json").count('"changed": false') == 1


def test_links_change_on_a_running_lab(shell: NetnsShell) -> None:
    """Disconnected interfaces keep their addresses and hear nothing; connected again, they talk again."""
    shell("deploy", "-t", RING)
    shell("disconnect", "--name", "ring", "pc1:eth1", "r1:eth1")
    assert not shell.reaches("ring", "pc1", "10.0.1.1")
    shell("connect", "--name", "ring", "pc1:eth1", "r1:eth1")
    assert shell.reaches("ring", "pc1", "10.0.2.2")
    shell("connect", "--name", "ring", "pc1:eth7", "pc2:eth7")
    names = {node["node"]: [item["name"] for item in node["interfaces"]] for node in shell.inspect("ring")}
    assert names["pc1"] == ["eth1", "eth7"]
    shell("deploy", "-t", RING)
    assert [item["name"] for item in shell.inspect("ring")[3]["interfaces"]] == ["eth1"]


def test_a_node_removed_behind_our_back_comes_back(shell: NetnsShell) -> None:
    """Recover makes it again with its old tags and MACs; the others' processes go on."""
    shell("deploy", "-t", RING)
    before = shell.inspect("ring")
    pids = {name: pid for name, pid in node_processes(shell).items() if name != "r3"}
    node = next(node for node in before if node["node"] == "r3")
    for pid in subprocess.check_output(["ip", "netns", "pids", node["runtime_name"]], text=True).split():
        os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", node["runtime_name"]], check=True)
    shell("recover", "--name", "ring")
    assert shell.inspect("ring") == before
    assert pids.items() <= node_processes(shell).items()
    assert shell.reaches("ring", "pc1", "10.0.2.2")


def node_processes(shell: NetnsShell) -> dict[str, str]:
    """Each node's process ids in its namespace, by the kernel's own word."""
    return {
        node["node"]: subprocess.check_output(["ip", "netns", "pids", node["runtime_name"]], text=True)
        for node in shell.inspect("ring")
    }


def converged(shell: NetnsShell) -> bool:
    """Whether pc1 reaches pc3 within the time that OSPF may take."""
    deadline = time.monotonic() + CONVERGED_WITHIN
    while time.monotonic() < deadline:
        if shell.reaches("frr-ospf", "pc1", "10.1.3.2"):
            return True
    return False


def test_a_killed_node_is_told(shell: NetnsShell) -> None:
    """Who listens hears what the kernel does to a node, and that recover starts it again; Ctrl-C ends it."""
    shell("deploy", "-t", RING)
    command = [*shell.command, "events", "--name", "ring", "-f", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as events:
        assert events.stdout is not None
        assert events.stderr is not None
        assert "listening" in events.stderr.readline()
        os.kill(int(node_processes(shell)["r3"].split()[0]), signal.SIGKILL)
        assert told(events.stdout.readline()) == ("r3", "crashed", "died")
        shell("recover", "--name", "ring")
        assert told(events.stdout.readline()) == ("r3", "running", "started")
        events.send_signal(signal.SIGINT)
        assert events.communicate() == ("", "")
    assert events.returncode == 0


def told(line: str) -> tuple[str, str, str]:
    """The node, its state and the words of a line of ``events``."""
    event = json.loads(line)
    return event["node"], event["state"], event["message"]


@pytest.mark.engine("frr")
def test_ospf_converges_after_a_killed_deploy(shell: NetnsShell) -> None:
    """Real FRR: labprov is killed in each phase of the deploy, the next one finishes; OSPF converges."""
    assert shutil.which("vtysh"), "frr is one of the packages that bootstrap.py installs"
    for sign in ("created", "started", "ran:"):
        shell.kill_at(sign, "deploy", "-t", str(OSPF))
    shell("deploy", "-t", OSPF)
    before = shell.inspect("frr-ospf")
    assert converged(shell)
    neighbours = shell(
        "exec", "--name", "frr-ospf", "--node", "router1", "--", "vtysh", "-c", "show ip ospf nei"
    )
    assert neighbours.count("Full/") == 2
    shell("restart", "--name", "frr-ospf", "--node", "router2")
    assert shell.inspect("frr-ospf") == before
    assert converged(shell)
    shell.kill_at("remove", "destroy", "--name", "frr-ospf", "-y")
    shell("destroy", "--name", "frr-ospf", "-y")
    assert shell("inspect", "--all", "-f", "json").strip() == "[]"


def test_a_full_disk_makes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """No space for the documents: a clear error, no node made; a lab that is there keeps its documents."""
    with small_disk(tmp_path / "small", "64k") as small:
        shell = NetnsShell(small / "workspace")
        filler = small / "filler"
        try:
            shell("deploy", "-t", RING)
            before = {path: path.read_bytes() for path in shell.workspace.rglob("ring.json")}
            nodes = shell.inspect("ring")
            fill(filler)
            said = shell.fails("connect", "--name", "ring", "pc1:eth7", "pc2:eth7", code=1)
            assert "No space left" in said
            assert "Free some space" in said
            assert {path: path.read_bytes() for path in shell.workspace.rglob("ring.json")} == before
            assert shell.inspect("ring") == nodes
            filler.unlink()
            shell("destroy", "--name", "ring", "-y")
            fill(filler)
            said = shell.fails("deploy", "-t", RING, code=1)
            assert "No space left" in said
            assert left(shell) <= set(Path("/proc/self/mounts").read_text().splitlines())
        finally:
            filler.unlink(missing_ok=True)
            shell("cleanup", "--all", "-y")


def test_an_end_on_the_host(shell: NetnsShell, tmp_path: Path) -> None:
    """``host:x`` is an interface of the host with that name; one that is taken is a conflict."""
    name = f"h{uuid4().hex[:8]}"
    file = tmp_path / "out.clab.yml"
    file.write_text(
        "name: out\ntopology:\n  nodes:\n    a: {kind: linux, provider: netns}\n"
        f'  links:\n    - endpoints: ["a:eth1", "host:{name}"]\n'
    )
    shell("deploy", "-t", file)
    assert (Path("/sys/class/net") / name).exists()
    assert shell("deploy", "-t", file, "-f", "json").count('"changed": false') == 1
    shell("destroy", "-t", file, "-y")
    assert not (Path("/sys/class/net") / name).exists()
    subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"], check=True)
    try:
        assert "already" in shell.fails("deploy", "-t", file, code=4)
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)
