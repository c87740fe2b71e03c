"""Completion: what Tab offers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from labprov.cli import main
from labprov.cli.completion import SCRIPTS, candidates
from labprov.cli.parser import build_parser


def offered(*words: str) -> list[str]:
    """The candidates for the last word."""
    return [value for value, _ in candidates(build_parser(), words)]


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("dep", ["deploy"]),
        ("--debug dep", ["deploy"]),
        ("--workspace de dep", ["deploy"]),
        ("deploy --node-", ["--node-filter"]),
        ("inspect -f ", ["table", "json", "csv"]),
        ("inspect --format j", ["json"]),
        ("link ", ["up", "down"]),
        ("completion z", ["zsh"]),
        ("destroy --provider net", ["netns"]),
    ],
)
def test_offers(line: str, some: list[str]) -> None:
    """Commands, options, choices and providers are offered where they may stand."""
    assert offered(*line.split(" ")) == some


@pytest.mark.parametrize("line", ["deploy -t ", "validate ", "exec -- ", "exec --node r1 -- ls -"])
def test_leaves_files_to_the_shell(line: str) -> None:
    """Where a file or a command stands, nothing is offered, so that the shell offers its own."""
    assert offered(*line.split(" ")) == []


def test_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The labs of the workspace are offered for --name."""
    monkeypatch.setenv("LABPROV_WORKSPACE", str(tmp_path))
    (tmp_path / "topologies").mkdir()
    for name in ("ring", "star"):
        (tmp_path / "topologies" / f"{name}.json").touch()
    assert offered("inspect", "--name", "") == ["ring", "star"]
    assert offered("cleanup", "--keep", "s") == ["star"]


def test_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """What the scripts call prints a candidate, a tab and its meaning on each line."""
    assert main(["__complete", "vers"]) == 0
    assert capsys.readouterr().out == "version\tPrint the version.\n"


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_script_is_valid(shell: str, tmp_path: Path) -> None:
    """The shell itself finds no fault with its script."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(SCRIPTS[shell])
    subprocess.run([program, "-n", str(script)], check=True, timeout=60)


def test_bash_completes(tmp_path: Path) -> None:
    """bash, with the script, completes a command line by asking the program on it."""
    program = shutil.which("bash")
    if program is None:
        pytest.skip("bash is not installed")
    (tmp_path / "labprov").write_text(
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >&2\nprintf 'deploy\\tBring\\ndestroy\\tRemove\\n'\n"
    )
    (tmp_path / "labprov").chmod(0o755)
    script = f"""{SCRIPTS["bash"]}
        COMP_WORDS=(labprov --debug de) COMP_CWORD=2
        PATH={tmp_path}:$PATH _labprov labprov
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run([program, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == ["deploy", "destroy"]
