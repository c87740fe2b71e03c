"""VLAN tags of containers: kept in the lab's document, and recovered by what the engine really holds.

Through the registered hooks, as core calls them; what needs an engine has a real one.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from labprov import Lab, Settings, Topology
from labprov.engine import Scope
from labprov.harness import Harness
from labprov.host import Host
from labprov.identity import bridge_name
from labprov.model import Allocations, Link, endpoint
from labprov.plugins import Plugins, load_plugins
from labprov.workspace import Workspace

DOCUMENT = Allocations({"r1": (100, 101), "r2": (100,)}, 102, {"r1": ("eth1", "eth2"), "r2": ("eth1",)})


@pytest.fixture
def plugins() -> Plugins:
    """Give what is installed, the Docker provider among it."""
    plugins = load_plugins()
    assert "docker" in plugins.providers
    return plugins


# -- the document -----------------------------------------------------------------------------------------


def test_save_vlan_allocations_creates_file(plugins: Plugins, tmp_path: Path) -> None:
    """What is saved is in vlans/LAB.json, in the form that orchestrators read."""
    plugins.save_allocations(tmp_path, "lab", DOCUMENT)
    assert json.loads((tmp_path / "vlans/lab.json").read_bytes()) == {
        "allocations": {"r1": [100, 101], "r2": [100]},
        "next_vlan": 102,
        "interfaces": {"r1": ["eth1", "eth2"], "r2": ["eth1"]},
    }


def test_save_vlan_allocations_creates_directory(plugins: Plugins, tmp_path: Path) -> None:
    """The workspace and its folder are made when they are first needed."""
    workspace = tmp_path / "new" / "workspace"
    plugins.save_allocations(workspace, "lab", DOCUMENT)
    assert (workspace / "vlans").is_dir()
    assert (workspace / "vlans/lab.json").is_file()


def test_load_vlan_allocations_returns_data(plugins: Plugins, tmp_path: Path) -> None:
    """What was saved is loaded, by another process too."""
    plugins.save_allocations(tmp_path, "lab", DOCUMENT)
    assert load_plugins().load_allocations(tmp_path, "lab") == DOCUMENT


def test_load_vlan_allocations_missing_file_returns_false(plugins: Plugins, tmp_path: Path) -> None:
    """A missing document is nothing, said without an exception; and nothing was made."""
    loaded = plugins.load_allocations(tmp_path / "workspace", "lab")
    assert loaded is None
    assert not loaded
    assert list(tmp_path.iterdir()) == []


def test_remove_vlan_file_deletes_file(plugins: Plugins, tmp_path: Path) -> None:
    """The lab's document is removed, and no other's."""
    for lab in ("lab", "lab1"):
        plugins.save_allocations(tmp_path, lab, DOCUMENT)
    plugins.remove_allocations(tmp_path, "lab")
    assert [path.name for path in (tmp_path / "vlans").iterdir()] == ["lab1.json"]


def test_remove_vlan_file_missing_file_no_error(plugins: Plugins, tmp_path: Path) -> None:
    """There is nothing to remove, and nothing is made."""
    plugins.remove_allocations(tmp_path / "workspace", "lab")
    assert list(tmp_path.iterdir()) == []


# -- recovery, on a real engine ---------------------------------------------------------------------------


class Rig:
    """A lab of three containers, and the accidents that befall it."""

    def __init__(self, workspace: Path, host: Host) -> None:
        self.settings = Settings(workspace=workspace)
        self.name = f"vlans-{uuid.uuid4().hex[:8]}"
        self.host = host
        self.hands: Harness = load_plugins().provider("docker").harness(self.scope)

    @property
    def scope(self) -> Scope:
        workspace = Workspace(self.settings.workspace)
        return Scope(
            host=self.host,
            workspace_id=workspace.id,
            workspace=workspace.path,
            lab=self.name,
            bridge=bridge_name(workspace.id, self.name),
        )

    def topology(self, *nodes: str) -> Topology:
        """A chain of these nodes."""
        pairs = itertools.pairwise(nodes)
        return Topology(
            name=self.name,
            nodes=tuple(self.hands.node(name) for name in nodes),
            links=tuple(Link(endpoint(f"{a}:eth2"), endpoint(f"{b}:eth1")) for a, b in pairs),
        )

    def lab(self, *nodes: str) -> Lab:
        """Another process's view of the lab: nothing is remembered."""
        return Lab(self.topology(*nodes), self.settings, plugins=load_plugins())

    @property
    def document(self) -> dict[str, list[int]]:
        """The tags by node, as they stand on disk."""
        path = self.settings.workspace / "vlans" / f"{self.name}.json"
        found: dict[str, list[int]] = json.loads(path.read_bytes())["allocations"]
        return found


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Give the rig; its lab is destroyed at the end, whatever became of it."""
    with Host() as host:
        rig = Rig(tmp_path / "workspace", host)
        yield rig
        Lab.attach(rig.name, rig.settings).destroy().raise_failures()
        assert rig.hands.leftovers(rig.scope) == set()


@pytest.mark.engine("root", "docker", "ovs")
def test_recover_stale_network_validates_containers(rig: Rig) -> None:
    """A tag is recovered where the container exists with its full identity and the switch carries it."""
    rig.lab("r1", "r2").deploy().raise_failures()
    before = rig.document
    docker = load_plugins().provider("docker")
    observed = docker.observe(rig.scope)
    told = docker.validate_nodes(rig.scope, ["r1", "r2", "r10", "r"], observed)
    assert told == {"r1": True, "r2": True, "r10": False, "r": False}
    stranger = evolve(rig.scope, workspace_id="another")
    assert not any(docker.validate_nodes(stranger, ["r1", "r2"], docker.observe(stranger)).values())
    carried = docker.capture_vlans(rig.scope, observed)
    assert {str(end): tag for end, tag in carried.items()} == {"r1:eth2": 100, "r2:eth1": 100}
    report = rig.lab("r1", "r2").deploy()
    report.raise_failures()
    assert (report.recovered, report.allocated, report.changed) == (2, 0, False)
    assert rig.document == before


@pytest.mark.engine("root", "docker", "ovs")
def test_recover_stale_network_removes_missing_containers(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Those that live keep their tags; the entry of the one that is gone, and not wanted, is dropped."""
    rig.lab("r1", "r2", "r3").deploy().raise_failures()
    before = rig.document
    observed = load_plugins().provider("docker").observe(rig.scope)
    rig.hands.remove_node(rig.scope, next(node for node in observed.nodes if node.node == "r3"))
    with caplog.at_level("INFO", logger="labprov"):
        report = rig.lab("r1", "r2").deploy()
    report.raise_failures()
    assert report.recovered == 2
    assert {str(end) for end in report.dropped} == {"r2:eth2", "r3:eth1"}
    assert "2 allocations recovered" in caplog.text
    assert rig.document == {"r1": before["r1"], "r2": before["r2"][:1]}
