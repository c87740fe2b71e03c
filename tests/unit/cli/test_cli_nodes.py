"""``exec``, ``start``, ``stop``, ``restart`` and ``logs``."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.shell import Shell, lines, states


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
    """Logs passes a node's output unchanged."""
    shell("deploy")
    out, _ = shell.start("logs", "r2").communicate(timeout=60)
    assert out == b"booting r2\xff\n"
    assert shell("logs", "r9").returncode == 2
