"""``validate``, ``doctor``, ``providers`` and ``kinds``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.cli.shell import RING, Shell, told, written


def test_validate(shell: Shell, tmp_path: Path) -> None:
    """Validate reports on every file, is 2 if any is invalid, and writes nothing."""
    (shell.folder / "bad.clab.yml").write_text("name: [")
    before = written(tmp_path)
    result = shell("validate", "ring.clab.yml", "bad.clab.yml", "nowhere.clab.yml", "-f", "json")
    assert result.returncode == 2
    good, *bad = json.loads(result.stdout)
    assert good == {
        "file": "ring.clab.yml",
        "valid": True,
        "lab": "ring",
        "nodes": 3,
        "links": 2,
        "warnings": [],
        "missing": [],
        "damaged": [],
        "errors": [],
    }
    assert [document["valid"] for document in bad] == [False, False]
    assert all(document["errors"] for document in bad)
    assert shell("validate", "ring.clab.yml").stdout == "ring.clab.yml: ok: lab ring, 3 nodes, 2 links\n"
    assert shell("validate", "-", input=RING).returncode == 0
    assert written(tmp_path) == before


DAMAGE = {
    "no JSON": "{",
    "no tag": '{"allocations": {"r1": [9999]}, "next_vlan": 100}',
    "shared tag": '{"allocations": {"r1": [100], "r2": [101, 101], "r3": [101]}, "next_vlan": 102}',
}


@pytest.mark.parametrize("what", sorted(DAMAGE))
def test_validate_damaged(shell: Shell, tmp_path: Path, what: str) -> None:
    """Validate tells of a damaged allocation document or saved topology, and leaves it where it is."""
    shell("deploy")
    document = tmp_path / "workspace" / "vlans" / "ring.json"
    document.write_text(DAMAGE[what])
    (tmp_path / "workspace" / "topologies" / "ring.json").write_text("[]")
    before = written(tmp_path)
    result = shell("validate", "ring.clab.yml")
    assert result.returncode == 0
    assert result.stdout.count("  damaged: ") == 2
    assert written(tmp_path) == before


def test_providers(shell: Shell) -> None:
    """Providers lists each with its claims, and broken plugins with what broke."""
    broken = shell.folder / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (broken / "entry_points.txt").write_text("[labprov]\nwreck = no_such_module\n")
    shell.environment["PYTHONPATH"] += os.pathsep + str(shell.folder)
    result = shell("providers", "-f", "json")
    document = json.loads(result.stdout)
    memory = next(item for item in document["providers"] if item["name"] == "memory")
    assert memory == {
        "name": "memory",
        "available": True,
        "version": "1.0",
        "engine": "a file",
        "engine_version": "1",
        "joins": ["pair"],
        "capabilities": ["carrier"],
        "reason": None,
        "remedy": None,
    }
    assert "wreck" in [item["name"] for item in document["broken"]]
    assert result.returncode == 0
    table = shell("providers")
    assert table.returncode == 0
    assert "broken" in next(row for row in table.stdout.splitlines() if row.startswith("wreck"))


def test_doctor(shell: Shell) -> None:
    """Doctor tells problems with their remedies; a serious one is exit code 1."""
    shell.environment["LABPROV_MEMORY_PROBLEM"] = "it leaks"
    result = shell("doctor")
    assert result.returncode == 1
    assert "memory: available\n  hint: it forgets nothing\n    remedy: Remove the file.\n" in result.stdout
    assert "  problem: it leaks\n    remedy: Solve it.\n" in result.stdout
    document = told(shell("doctor", "-f", "json"))
    memory = next(item for item in document["providers"] if item["name"] == "memory")
    assert memory["problems"][1] == {"what": "it leaks", "remedy": "Solve it.", "serious": True}


def test_kinds(shell: Shell) -> None:
    """Kinds lists the catalogue; the JSON has every kind with the keys of the manual."""
    found = told(shell("kinds", "-f", "json"))
    linux = next(kind for kind in found if kind["name"] == "linux")
    assert set(linux) == {
        "name", "aliases", "description", "role", "providers", "first_interface", "interfaces", "console",
        "extraction", "tried",
    }  # fmt: skip
    assert len(shell("kinds").stdout.splitlines()) == len(found) + 1
