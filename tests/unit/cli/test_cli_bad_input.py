"""Bad input: one line, the right exit code, nothing made and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.shell import RING, Shell, lines, written


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
    """A name or range that is none, a lab that isn't there: one line, exit code 2, nothing made."""
    before = written(tmp_path)
    result = shell(*words)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert written(tmp_path) == before


def test_missing_files(shell: Shell, tmp_path: Path) -> None:
    """A missing file that the topology refers to is a warning of validate, and refused by deploy."""
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


def test_what_befalls_all_nodes_is_told_once(shell: Shell) -> None:
    """One line names them all, where all is said of each that the others' errors say."""
    (shell.folder / "ring.clab.yml").write_text(RING.replace("memory", "nowhere"))
    result = shell("deploy")
    assert result.returncode == 3
    (said,) = lines(result.stderr)
    assert said.startswith("labprov: error: ring/r1, ring/r2, ring/r3: no provider 'nowhere' is installed")
