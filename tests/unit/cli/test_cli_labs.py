"""The commands at work, each in a process of its own, on a provider that is found as any other is."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.shell import RING, Shell


def written(folder: Path) -> dict[str, bytes]:
    """Every file below *folder* with its content, but for locks, which name their last holder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path): path.read_bytes() for path in files}


def states(shell: Shell, *words: str) -> dict[str, str]:
    """The state of each node."""
    result = shell("inspect", "-f", "json", *words)
    assert result.returncode == 0, result.stderr
    return {node["node"]: node["state"] for node in json.loads(result.stdout)}


def lines(text: str) -> list[str]:
    """The errors in what was said."""
    return [line for line in text.splitlines() if line.startswith("labprov: error: ")]


def wait_for(path: Path) -> None:
    """Wait until a process has made *path*."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- deploy -------------------------------------------------------------------------------------------------


def test_deploy(shell: Shell) -> None:
    """deploy without -t takes the folder's only file; the table on stdout has nodes and links, talk is apart."""
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
    document = json.loads(shell("deploy", "-f", "json").stdout)
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
    assert json.loads(shell("deploy", "--dry-run", "-f", "json").stdout)["changed"] is False


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
    """A provider that can't work here is exit code 3, with its remedy; one that is unknown names those there are."""
    del shell.environment["LABPROV_MEMORY"]
    result = shell("deploy")
    assert result.returncode == 3
    assert "LABPROV_MEMORY is not set. Set it to a file." in result.stderr
    plain = RING.replace(", provider: memory", "")
    unknown = shell("deploy", "-t", "-", "--provider", "nonsense", input=plain)
    assert unknown.returncode == 3
    assert "memory" in unknown.stderr


# -- which lab, and bad input -------------------------------------------------------------------------------


def test_no_file(shell: Shell) -> None:
    """Without -t, no file in the folder or two of them is invalid input."""
    (shell.folder / "second.clab.yml").write_text(RING)
    assert shell("inspect").returncode == 2
    (shell.folder / "second.clab.yml").unlink()
    (shell.folder / "ring.clab.yml").unlink()
    result = shell("deploy")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


BAD_FILES: dict[str, str | bytes] = {
    "no YAML": "name: [",
    "no mapping": "- a",
    "empty": "",
    "unknown key": RING + "surprise: 1\n",
    "link to an unknown node": RING.replace("r3:eth1", "r9:eth1"),
    "interface used twice": RING.replace("r2:eth2", "r2:eth1"),
    "interface linked to itself": RING.replace('"r1:eth1", "r2:eth1"', '"r1:eth1", "r1:eth1"'),
    "hostile lab": RING.replace("name: ring", 'name: "../ring"'),
    "hostile node": RING.replace("r3:\n", '"r3;\\x1b[31m":\n', 1),
    "endless name": RING.replace("name: ring", f"name: {'x' * 300}"),
    "no text": b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("what", sorted(BAD_FILES))
def test_bad_file(shell: Shell, tmp_path: Path, what: str) -> None:
    """A file that is no topology is one line and exit code 2, for every command, and nothing is made."""
    content = BAD_FILES[what]
    file = shell.folder / "ring.clab.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = written(tmp_path)
    for words in (["deploy"], ["deploy", "--dry-run"], ["inspect"], ["destroy"]):
        result = shell(*words)
        assert result.returncode == 2, words
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        assert "Traceback" not in result.stderr
        assert "\x1b" not in result.stderr
    assert written(tmp_path) == before
    report = shell("validate", "ring.clab.yml")
    assert report.returncode == 2
    assert report.stdout.splitlines()[0] == "ring.clab.yml: invalid"
    assert report.stdout.splitlines()[1].startswith("  error: ")
    assert "\x1b" not in report.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["deploy", "-t", "nowhere.clab.yml"],
        ["deploy", "-t", "."],
        ["inspect", "--name", "nobody"],
        ["inspect", "--name", "../../etc"],
        ["destroy", "--name", "a/b"],
        ["destroy", "--name", "nobody"],
        ["recover", "--name", ""],
        ["logs", "--name", "x" * 300, "r1"],
        ["cleanup", "--keep", "../x", "-y"],
        ["--vlan-range", "9-5", "deploy"],
        ["--vlan-range", "0-5000", "deploy"],
        ["--workspace", "", "deploy"],
        ["--prefix", "a/b", "deploy"],
    ],
)
def test_bad_words(shell: Shell, tmp_path: Path, words: list[str]) -> None:
    """A name that is none, a lab that isn't there, a range that is none: one line, exit code 2, nothing made."""
    before = written(tmp_path)
    result = shell(*words)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert written(tmp_path) == before


def test_missing_files(shell: Shell, tmp_path: Path) -> None:
    """A file that the topology refers to and that isn't there is a warning of validate, and refused by deploy."""
    file = shell.folder / "ring.clab.yml"
    file.write_text(RING.replace("r3:\n", "r3: {startup-config: gone.cfg}\n", 1))
    assert shell("validate", "ring.clab.yml").returncode == 0
    assert "  missing: " in shell("validate", "ring.clab.yml").stdout
    before = written(tmp_path)
    for words in (["deploy"], ["deploy", "--dry-run"]):
        result = shell(*words)
        assert result.returncode == 2
        assert "gone.cfg" in result.stderr
    assert written(tmp_path) == before


def test_workspace_that_cant_be(shell: Shell) -> None:
    """A workspace that is no folder is exit code 1 and one line."""
    (shell.folder / "file").touch()
    result = shell("deploy", "--workspace", "file")
    assert result.returncode == 1
    assert len(lines(result.stderr)) == 1
    assert "Traceback" not in result.stderr


def test_debug(shell: Shell) -> None:
    """--debug, and only --debug, shows where an error came from."""
    assert "Traceback" in shell("inspect", "--name", "nobody", "--debug").stderr
    assert "Traceback" not in shell("inspect", "--name", "nobody").stderr


# -- inspect ------------------------------------------------------------------------------------------------


def test_inspect_json(shell: Shell) -> None:
    """inspect -f json is a list of nodes with the keys of the manual."""
    shell("deploy")
    nodes: list[dict[str, Any]] = json.loads(shell("inspect", "-f", "json").stdout)
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
    """inspect -f csv has a row for each interface, and one for a node without any."""
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
    """inspect of a file that was never deployed shows its nodes as absent, and writes nothing."""
    before = written(tmp_path)
    assert states(shell) == dict.fromkeys(("r1", "r2", "r3"), "absent")
    assert written(tmp_path) == before


def test_inspect_all(shell: Shell) -> None:
    """inspect --all has every lab of the workspace, of this workspace alone; none is an empty list."""
    assert json.loads(shell("inspect", "--all", "-f", "json").stdout) == []
    shell("deploy")
    shell("deploy", "-t", "-", input=RING.replace("name: ring", "name: star"))
    labs = [node["lab"] for node in json.loads(shell("inspect", "--all", "-f", "json").stdout)]
    assert labs == ["ring"] * 3 + ["star"] * 3
    assert shell("inspect", "--all").stdout.split()[0] == "LAB"
    other = shell("inspect", "--all", "-f", "json", "--workspace", "elsewhere")
    assert json.loads(other.stdout) == []


# -- nodes --------------------------------------------------------------------------------------------------


def test_exec_bytes(shell: Shell) -> None:
    """The output of one node's command passes unchanged, byte for byte, without a heading."""
    shell("deploy")
    process = shell.start("exec", "--node", "r1", "--", "bytes")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"\xff\x00\r\n\x1b[0m", b"")


def test_exec_in_many(shell: Shell) -> None:
    """With several nodes each has its heading; --label and --node choose."""
    shell("deploy")
    assert shell("exec", "--", "echo", "hi").stdout == "r1:\nhi\nr2:\nhi\nr3:\nhi\n"
    assert shell("exec", "--label", "role=spine", "--", "echo", "hi").stdout == "hi\n"
    chosen = shell("exec", "--node", "r3", "--node", "r2", "--", "echo", "--node", "x")
    assert chosen.stdout == "r2:\n--node x\nr3:\n--node x\n"


def test_exec_failures(shell: Shell) -> None:
    """A command that fails anywhere is exit code 1, and its stderr goes to stderr."""
    shell("deploy")
    failed = shell("exec", "--node", "r1", "--", "fail", "it hurts")
    assert (failed.returncode, failed.stdout, failed.stderr) == (1, "", "it hurts\n")
    assert shell("exec", "--", "nonsense").returncode == 1
    shell("stop", "--node", "r2")
    partly = shell("exec", "-f", "json", "--", "echo", "hi")
    assert partly.returncode == 1
    assert lines(partly.stderr) == ["labprov: error: ring/r2: it does not run"]
    results = json.loads(partly.stdout)
    assert results[0] == {"node": "r1", "exit_code": 0, "stdout": "hi\n", "stderr": "", "error": None}
    assert results[1]["exit_code"] is None
    assert results[1]["error"]["type"] == "NodeNotRunning"


@pytest.mark.parametrize(
    "words", [["--node", "r9", "--", "echo"], ["--label", "role=leaf", "--", "echo"], ["--"], []]
)
def test_exec_refused(shell: Shell, words: list[str]) -> None:
    """No such node, no node with that label, no command: exit code 2, and nothing is run."""
    shell("deploy")
    result = shell("exec", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(lines(result.stderr)) == 1


def test_power(shell: Shell) -> None:
    """stop, start and restart change the nodes named and no others."""
    shell("deploy")
    assert shell("stop", "--node", "r1", "--node", "r3", "--graceful").returncode == 0
    assert states(shell) == {"r1": "stopped", "r2": "running", "r3": "stopped"}
    assert "started r1" in shell("start", "--node", "r1").stdout
    assert states(shell) == {"r1": "running", "r2": "running", "r3": "stopped"}
    assert shell("restart", "--node", "r2").stdout.startswith("ring: restart: started r2, stopped r2")
    for command in ("start", "stop", "restart"):
        assert shell(command, "--node", "r9").returncode == 2


def test_logs(shell: Shell) -> None:
    """logs passes a node's output unchanged."""
    shell("deploy")
    out, _ = shell.start("logs", "r2").communicate(timeout=60)
    assert out == b"booting r2\xff\n"
    assert shell("logs", "r9").returncode == 2


# -- links --------------------------------------------------------------------------------------------------


def peers(shell: Shell) -> dict[str, str | None]:
    """The other end of each interface."""
    nodes = json.loads(shell("inspect", "--name", "ring", "-f", "json").stdout)
    return {f"{node['node']}:{item['name']}": item["peer"] for node in nodes for item in node["interfaces"]}


def test_links(shell: Shell) -> None:
    """connect and disconnect change the live lab and what is saved of it."""
    shell("deploy")
    assert shell("disconnect", "r1:eth1", "r2:eth1").returncode == 0
    assert (peers(shell)["r1:eth1"], peers(shell)["r2:eth1"]) == (None, None)
    joined = shell("connect", "--name", "ring", "r1:eth1", "r2:eth1")
    assert joined.returncode == 0, joined.stderr
    assert peers(shell)["r1:eth1"] == "r2:eth1"


def test_carrier(shell: Shell) -> None:
    """link down and link up act on both ends."""
    shell("deploy")
    for word, up in (("down", False), ("up", True)):
        assert shell("link", word, "r1:eth1").returncode == 0
        nodes = json.loads(shell("inspect", "-f", "json").stdout)
        assert [nodes[0]["interfaces"][0]["up"], nodes[1]["interfaces"][0]["up"]] == [up, up]
        assert nodes[2]["interfaces"][0]["up"] is True


@pytest.mark.parametrize(
    "words",
    [
        ["connect", "r1:eth1", "r3:eth1"],
        ["connect", "r1", "r2:eth9"],
        ["connect", "r1:eth5", "r9:eth1"],
        ["connect", "r1:eth5", "r1:eth5"],
        ["connect", "r1:../x", "r2:eth9"],
        ["disconnect", "r1:eth1", "r3:eth1"],
        ["link", "down", "r9:eth1"],
        ["link", "down", "r1:eth7"],
        ["link", "down", ":"],
    ],
)
def test_bad_links(shell: Shell, tmp_path: Path, words: list[str]) -> None:
    """An end that is none, is taken or isn't there is exit code 2, and nothing has changed."""
    shell("deploy")
    before = written(tmp_path)
    result = shell(*words)
    assert result.returncode == 2, result.stderr
    assert len(lines(result.stderr)) == 1
    assert written(tmp_path) == before


# -- recover, destroy, cleanup ------------------------------------------------------------------------------


def test_recover(shell: Shell, tmp_path: Path) -> None:
    """recover puts back what the engine has lost, of one lab or of all, without the file."""
    shell("deploy")
    (shell.folder / "ring.clab.yml").unlink()
    for words in (["--name", "ring"], ["--all"]):
        (tmp_path / "memory").unlink()
        result = shell("recover", *words)
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("ring: recover: created r1 r2 r3")
        assert set(states(shell, "--name", "ring").values()) == {"running"}


def test_destroy(shell: Shell, tmp_path: Path) -> None:
    """destroy of a file leaves nothing of its lab, and done again has nothing to do."""
    shell("deploy")
    assert shell("destroy").stdout == "ring: destroy: removed r1 r2 r3\n"
    left = [path.name for path in (tmp_path / "workspace").rglob("*") if "ring" in path.name]
    assert left == []
    again = shell("destroy")
    assert (again.returncode, again.stdout) == (0, "ring: destroy: nothing to do\n")


def test_destroy_by_name(shell: Shell) -> None:
    """destroy --name needs no file; --provider must be one that is installed."""
    shell("deploy")
    (shell.folder / "ring.clab.yml").unlink()
    assert shell("destroy", "--name", "ring", "--provider", "typo").returncode == 3
    assert shell("destroy", "--name", "ring").stdout == "ring: destroy: removed r1 r2 r3\n"


def test_destroy_all(shell: Shell) -> None:
    """destroy --all destroys every lab with -y; where nobody can answer it is refused without."""
    shell("deploy")
    shell("deploy", "-t", "-", input=RING.replace("name: ring", "name: star"))
    refused = shell("destroy", "--all", input="y\n")
    assert refused.returncode == 2
    assert "-y" in refused.stderr
    assert len(json.loads(shell("inspect", "--all", "-f", "json").stdout)) == 6
    done = shell("destroy", "--all", "-y")
    assert done.stdout.splitlines() == [f"{lab}: destroy: removed r1 r2 r3" for lab in ("ring", "star")]
    assert shell("destroy", "--all", "-y").stdout == "there are no labs\n"


def test_cleanup(shell: Shell) -> None:
    """cleanup lists the labs that aren't kept, removes them with -y, and nothing with --dry-run."""
    shell("deploy")
    for name in ("star", "ring1"):
        shell("deploy", "-t", "-", input=RING.replace("name: ring", f"name: {name}"))
    assert shell("cleanup", "--keep", "ring").returncode == 2
    listed = shell("cleanup", "--keep", "ring", "--dry-run")
    assert (listed.returncode, listed.stdout) == (0, "ring1\nstar\n")
    assert shell("cleanup", "--keep", "ring", "-y").stdout == "ring1\nstar\n"
    assert [node["lab"] for node in json.loads(shell("inspect", "--all", "-f", "json").stdout)] == [
        "ring"
    ] * 3
    assert shell("cleanup", "--all", "-y").stdout == "ring\n"
    assert shell("cleanup", "--all", "-y").stdout == ""


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 3), ("", 1, 3)])
def test_questions(shell: Shell, answer: str, code: int, left: int) -> None:
    """On a terminal destroy --all and cleanup ask, and only a yes is a yes."""
    for words in (["destroy", "--all"], ["cleanup", "--all"]):
        shell("deploy")
        terminal, theirs = os.openpty()
        process = shell.start(*words, stdin=theirs)
        os.close(theirs)
        os.write(terminal, f"{answer}\n".encode())
        _, err = process.communicate(timeout=60)
        os.close(terminal)
        assert process.returncode == code
        assert b"[y/N]" in err
        assert len(json.loads(shell("inspect", "--all", "-f", "json").stdout)) == left


# -- looking ------------------------------------------------------------------------------------------------


def test_validate(shell: Shell, tmp_path: Path) -> None:
    """validate reports on every file, is 2 if any is invalid, and writes nothing."""
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
    """validate tells of a damaged allocation document or saved topology, and leaves it where it is."""
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
    """providers lists each with its claims, and broken plugins with what broke."""
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
    """doctor tells problems with their remedies; a serious one is exit code 1."""
    shell.environment["LABPROV_MEMORY_PROBLEM"] = "it leaks"
    result = shell("doctor")
    assert result.returncode == 1
    assert "memory: available\n  hint: it forgets nothing\n    remedy: Remove the file.\n" in result.stdout
    assert "  problem: it leaks\n    remedy: Solve it.\n" in result.stdout
    document = json.loads(shell("doctor", "-f", "json").stdout)
    memory = next(item for item in document["providers"] if item["name"] == "memory")
    assert memory["problems"][1] == {"what": "it leaks", "remedy": "Solve it.", "serious": True}


def test_kinds(shell: Shell) -> None:
    """kinds lists the catalogue; the JSON has every kind with the keys of the manual."""
    found = json.loads(shell("kinds", "-f", "json").stdout)
    linux = next(kind for kind in found if kind["name"] == "linux")
    assert set(linux) == {
        "name", "aliases", "description", "role", "providers", "first_interface", "interfaces", "console",
        "extraction", "tried",
    }  # fmt: skip
    assert len(shell("kinds").stdout.splitlines()) == len(found) + 1


# -- terminals, signals, locks ------------------------------------------------------------------------------


def on_a_terminal(shell: Shell, *words: str) -> tuple[int, str]:
    """Run with stdout and stderr on an 80 column terminal; the exit code and all that was shown."""
    terminal, theirs = os.openpty()
    shell.environment.update({"TERM": "xterm", "COLUMNS": "80", "LINES": "24"})
    process = shell.start(*words, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:  # Linux says EIO once the last process has closed the other side
            break
        if not block:
            break
        shown += block
    os.close(terminal)
    return process.wait(timeout=60), shown.decode()


def test_terminal(shell: Shell) -> None:
    """On a terminal a deploy shows moving bars and folded tables; NO_COLOR leaves out the colours."""
    code, shown = on_a_terminal(shell, "deploy")
    assert code == 0
    assert "create" in shown
    assert "\x1b[" in shown
    shell.environment["NO_COLOR"] = "1"
    code, shown = on_a_terminal(shell, "inspect")
    assert code == 0
    assert "\x1b[3" not in shown
    assert max(len(re.sub("\x1b\\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= 80
    assert "r1:eth1" in shown


def test_interrupted(shell: Shell, tmp_path: Path) -> None:
    """Ctrl-C once finishes the step and saves; the same command again finishes the work."""
    gate = tmp_path / "gate"
    shell.environment["LABPROV_MEMORY_HOLDS"] = str(gate)
    process = shell.start("deploy")
    wait_for(Path(f"{gate}.reached"))
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    said = b""
    while b"again to end at once" not in said:
        said += process.stderr.read1()  # type: ignore[attr-defined]  # a BufferedReader, which the stubs don't say
    gate.touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert lines(err.decode()) == [
        "labprov: error: ring: stopped before the step 'plug'. Run the same command again to finish."
    ]
    assert states(shell) == dict.fromkeys(("r1", "r2", "r3"), "defined")
    assert shell("deploy").returncode == 0
    assert set(states(shell).values()) == {"running"}


def test_interrupted_twice(shell: Shell, tmp_path: Path) -> None:
    """Ctrl-C twice ends labprov at once with 130, and the same command still finishes the work."""
    gate = tmp_path / "gate"
    shell.environment["LABPROV_MEMORY_HOLDS"] = str(gate)
    process = shell.start("deploy")
    wait_for(Path(f"{gate}.reached"))
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    said = b""
    while b"again to end at once" not in said:
        said += process.stderr.read1()  # type: ignore[attr-defined]  # as above
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    gate.touch()
    assert shell("deploy").returncode == 0


def test_locked(shell: Shell, tmp_path: Path) -> None:
    """A lab that another process works on is exit code 4, and says which process."""
    gate = tmp_path / "gate"
    shell.environment["LABPROV_MEMORY_HOLDS"] = str(gate)
    first = shell.start("deploy", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(Path(f"{gate}.reached"))
    second = shell("deploy", "--lock-timeout", "0.1")
    gate.touch()
    assert first.wait(timeout=60) == 0
    assert second.returncode == 4
    assert str(first.pid) in second.stderr
    assert len(lines(second.stderr)) == 1
