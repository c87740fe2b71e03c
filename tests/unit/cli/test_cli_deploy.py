"""``deploy``: bringing labs up."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.shell import RING, Shell, lines, states, told, written


def test_deploy(shell: Shell) -> None:
    """Deploy without -t takes the folder's only file; nodes and links are on stdout, talk is apart."""
    result = shell("deploy")
    assert result.returncode == 0, result.stderr
    assert "ring: deploy: created r1 r2 r3, started r1 r2 r3, plugged 4" in result.stdout
    assert ["r1", "linux", "memory", "running", "192.0.2.1"] in [
        row.split() for row in result.stdout.splitlines()
    ]
    assert ["r1:eth1", "r2:eth1", "100"] in [row.split()[:3] for row in result.stdout.splitlines()]
    assert "ring/r1: created" in result.stderr
    assert "created" not in shell("deploy").stdout


def test_deploy_quietly(shell: Shell) -> None:
    """-q leaves nothing on stderr of a deploy that goes well."""
    assert shell("deploy", "-q").stderr == ""


def test_deploy_json(shell: Shell) -> None:
    """-f json is one object with the keys of the manual, and nothing else on stdout."""
    document = told(shell("deploy", "-f", "json"))
    assert {key: type(value) for key, value in document.items()} == {
        **dict.fromkeys(("dry_run", "ok", "changed"), bool),
        **dict.fromkeys(("lab", "operation"), str),
        **dict.fromkeys(("created", "replaced", "started", "stopped", "removed"), list),
        **dict.fromkeys(("plugged", "unplugged", "dropped"), list),
        **dict.fromkeys(("recovered", "allocated"), int),
        **dict.fromkeys(("commands", "warnings", "failures", "nodes"), list),
    }
    assert document["created"] == ["r1", "r2", "r3"]
    assert document["plugged"][0] == "r1:eth1"
    assert [node["node"] for node in document["nodes"]] == ["r1", "r2", "r3"]


def test_deploy_from_stdin(shell: Shell) -> None:
    """-t - reads the file from standard input."""
    assert shell("deploy", "-t", "-", input=RING.replace("name: ring", "name: piped")).returncode == 0
    assert states(shell, "--name", "piped") == dict.fromkeys(("r1", "r2", "r3"), "running")


def test_dry_run(shell: Shell, tmp_path: Path) -> None:
    """--dry-run says what would be done, as sentences or JSON, and writes nothing anywhere."""
    before = written(tmp_path)
    table, document = shell("deploy", "--dry-run"), shell("deploy", "--dry-run", "-f", "json")
    assert (table.returncode, document.returncode) == (0, 0), table.stderr
    assert written(tmp_path) == before
    value = json.loads(document.stdout)
    assert value["steps"] == table.stdout.splitlines()
    assert "create r1" in value["steps"]
    assert (value["dry_run"], value["changed"], value["create"]) == (True, True, ["r1", "r2", "r3"])
    shell("deploy")
    assert shell("deploy", "--dry-run").stdout == "ring: deploy: nothing to do\n"
    assert told(shell("deploy", "--dry-run", "-f", "json"))["changed"] is False


def test_replacing(shell: Shell) -> None:
    """A changed definition is refused (4) with --keep, replaced without; --reconfigure replaces all."""
    shell("deploy")
    file = shell.folder / "ring.clab.yml"
    file.write_text(RING.replace("r2:\n", "r2: {image: other}\n", 1))
    kept = shell("deploy", "--keep")
    assert kept.returncode == 4
    assert len(lines(kept.stderr)) == 1
    assert "r2" in kept.stderr
    assert "replaced r2" in shell("deploy").stdout
    assert "replaced r1 r2 r3" in shell("deploy", "--reconfigure").stdout


def test_node_filter(shell: Shell) -> None:
    """--node-filter makes just the nodes named; one that isn't there is invalid input."""
    assert shell("deploy", "--node-filter", "r1,r2").returncode == 0
    assert states(shell) == {"r1": "running", "r2": "running"}
    assert shell("deploy", "--node-filter", "r1,nobody").returncode == 2


def test_a_node_that_fails(shell: Shell) -> None:
    """One node's failure is one harmless line, is in the JSON, and stops no other node."""
    shell.environment["LABPROV_MEMORY_REFUSES"] = "r2"
    result = shell("deploy", "-f", "json")
    assert result.returncode == 1
    assert lines(result.stderr) == ["labprov: error: ring/r2: out of memory\\x1b[31m. Forget something."]
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert document["failures"][0] == {
        "type": "EngineFailure",
        "message": "out of memory\x1b[31m",
        "exit_code": 1,
        "lab": "ring",
        "node": "r2",
        "interface": None,
        "remedy": "Forget something.",
    }
    assert states(shell)["r1"] == "running"


def test_commands_of_nodes(shell: Shell) -> None:
    """A failing exec line is reported with what it said, is exit code 1, and undoes nothing."""
    commands = 'r1: {exec: ["echo hello", "fail it hurts"]}'
    (shell.folder / "ring.clab.yml").write_text(RING.replace("r1: {labels: {role: spine}}", commands))
    result = shell("deploy", "-f", "json")
    assert result.returncode == 1
    assert "  r1| hello" in result.stderr
    assert "  r1| it hurts" in result.stderr
    assert len(lines(result.stderr)) == 1
    assert json.loads(result.stdout)["commands"] == [
        {
            "command": "echo hello",
            "node": "r1",
            "exit_code": 0,
            "stdout": "hello\n",
            "stderr": "",
            "error": None,
        },
        {
            "command": "fail it hurts",
            "node": "r1",
            "exit_code": 3,
            "stdout": "",
            "stderr": "it hurts\n",
            "error": None,
        },
    ]
    assert set(states(shell).values()) == {"running"}
    assert shell("deploy").returncode == 0


def test_missing_provider(shell: Shell) -> None:
    """A provider that can't work here is exit code 3, with its remedy; so is one that is unknown."""
    del shell.environment["LABPROV_MEMORY"]
    result = shell("deploy")
    assert result.returncode == 3
    assert "LABPROV_MEMORY is not set. Set it to a file." in result.stderr
    plain = RING.replace(", provider: memory", "")
    unknown = shell("deploy", "-t", "-", "--provider", "nonsense", input=plain)
    assert unknown.returncode == 3
    assert "memory" in unknown.stderr
