"""``inspect``: nodes and interfaces, in every form."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from tests.unit.cli.shell import RING, Shell, states, told, written


def test_inspect_json(shell: Shell) -> None:
    """Inspect -f json is a list of nodes with the keys of the manual."""
    shell("deploy")
    nodes: list[dict[str, Any]] = told(shell("inspect", "-f", "json"))
    assert [node["node"] for node in nodes] == ["r1", "r2", "r3"]
    interfaces = nodes[1].pop("interfaces")
    assert nodes[1] == {
        "lab": "ring",
        "node": "r2",
        "kind": "linux",
        "provider": "memory",
        "state": "running",
        "runtime_name": "labprov-ring-r2",
        "management_address": "192.0.2.1",
    }
    assert [set(interface) for interface in interfaces] == [{"name", "mac", "vlan", "peer", "up"}] * 2
    assert interfaces[0]["peer"] == "r1:eth1"
    assert (interfaces[0]["vlan"], interfaces[1]["vlan"]) == (100, 101)


def test_inspect_csv(shell: Shell) -> None:
    """Inspect -f csv has a row for each interface, and one for a node without any."""
    text = RING.replace("r3:\n", "r3:\n    lonely:\n", 1)
    (shell.folder / "ring.clab.yml").write_text(text)
    shell("deploy")
    rows = list(csv.DictReader(io.StringIO(shell("inspect", "-f", "csv").stdout)))
    found = [(row["node"], row["interface"], row["peer"], row["vlan"]) for row in rows]
    assert found == [
        ("r1", "eth1", "r2:eth1", "100"),
        ("r2", "eth1", "r1:eth1", "100"),
        ("r2", "eth2", "r3:eth1", "101"),
        ("r3", "eth1", "r2:eth2", "101"),
        ("lonely", "", "", ""),
    ]
    assert {row["up"] for row in rows if row["interface"]} == {"yes"}


def test_inspect_undeployed(shell: Shell, tmp_path: Path) -> None:
    """Inspect of a file that was never deployed shows its nodes as absent, and writes nothing."""
    before = written(tmp_path)
    assert states(shell) == dict.fromkeys(("r1", "r2", "r3"), "absent")
    assert written(tmp_path) == before


def test_inspect_all(shell: Shell) -> None:
    """Inspect --all has every lab of the workspace, of this workspace alone; none is an empty list."""
    assert told(shell("inspect", "--all", "-f", "json")) == []
    shell("deploy")
    shell("deploy", "-t", "-", input=RING.replace("name: ring", "name: star"))
    labs = [node["lab"] for node in told(shell("inspect", "--all", "-f", "json"))]
    assert labs == ["ring"] * 3 + ["star"] * 3
    assert shell("inspect", "--all").stdout.split()[0] == "LAB"
    other = shell("inspect", "--all", "-f", "json", "--workspace", "elsewhere")
    assert json.loads(other.stdout) == []
