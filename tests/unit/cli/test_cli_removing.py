"""``recover``, ``destroy`` and ``cleanup``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.shell import RING, Shell, states, told


def test_recover(shell: Shell, tmp_path: Path) -> None:
    """Recover puts back what the engine has lost, of one lab or of all, without the file."""
    shell("deploy")
    (shell.folder / "ring.clab.yml").unlink()
    for words in (["--name", "ring"], ["--all"]):
        (tmp_path / "memory").unlink()
        result = shell("recover", *words)
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("ring: recover: created r1 r2 r3")
        assert set(states(shell, "--name", "ring").values()) == {"running"}


def test_destroy(shell: Shell, tmp_path: Path) -> None:
    """Destroy of a file leaves nothing of its lab, and done again has nothing to do."""
    shell("deploy")
    assert shell("destroy").stdout == "ring: destroy: removed r1 r2 r3\n"
    left = [path.name for path in (tmp_path / "workspace").rglob("*") if "ring" in path.name]
    assert left == []
    again = shell("destroy")
    assert (again.returncode, again.stdout) == (0, "ring: destroy: nothing to do\n")


def test_destroy_by_name(shell: Shell) -> None:
    """Destroy --name needs no file; --provider must be one that is installed."""
    shell("deploy")
    (shell.folder / "ring.clab.yml").unlink()
    assert shell("destroy", "--name", "ring", "--provider", "typo").returncode == 3
    assert shell("destroy", "--name", "ring").stdout == "ring: destroy: removed r1 r2 r3\n"


def test_destroy_all(shell: Shell) -> None:
    """Destroy --all destroys every lab with -y; where nobody can answer it is refused without."""
    shell("deploy")
    shell("deploy", "-t", "-", input=RING.replace("name: ring", "name: star"))
    refused = shell("destroy", "--all", input="y\n")
    assert refused.returncode == 2
    assert "-y" in refused.stderr
    assert len(told(shell("inspect", "--all", "-f", "json"))) == 6
    done = shell("destroy", "--all", "-y")
    assert done.stdout.splitlines() == [f"{lab}: destroy: removed r1 r2 r3" for lab in ("ring", "star")]
    assert shell("destroy", "--all", "-y").stdout == "there are no labs\n"


def test_cleanup(shell: Shell) -> None:
    """Cleanup lists the labs that aren't kept, removes them with -y, and nothing with --dry-run."""
    shell("deploy")
    for name in ("star", "ring1"):
        shell("deploy", "-t", "-", input=RING.replace("name: ring", f"name: {name}"))
    assert shell("cleanup", "--keep", "ring").returncode == 2
    listed = shell("cleanup", "--keep", "ring", "--dry-run")
    assert (listed.returncode, listed.stdout) == (0, "ring1\nstar\n")
    assert shell("cleanup", "--keep", "ring", "-y").stdout == "ring1\nstar\n"
    assert [node["lab"] for node in told(shell("inspect", "--all", "-f", "json"))] == ["ring"] * 3
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
        assert len(told(shell("inspect", "--all", "-f", "json"))) == left
