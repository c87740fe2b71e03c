"""Terminals, signals and locks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.unit.cli.shell import RING, Shell, lines, states, wait_for


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


def read_until(process: subprocess.Popen[bytes], text: bytes) -> None:
    """Read what the process says until it has said *text*."""
    assert process.stderr is not None
    said = b""
    while text not in said:
        block = os.read(process.stderr.fileno(), 4096)
        assert block, said
        said += block


def test_interrupted(shell: Shell, tmp_path: Path) -> None:
    """Ctrl-C once finishes the step and saves; the same command again finishes the work."""
    gate = tmp_path / "gate"
    shell.environment["LABPROV_MEMORY_HOLDS"] = str(gate)
    with shell.start("deploy") as process:
        wait_for(Path(f"{gate}.reached"))
        process.send_signal(signal.SIGINT)
        read_until(process, b"again to end at once")
        gate.touch()
        _, err = process.communicate(timeout=60)
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
    with shell.start("deploy") as process:
        wait_for(Path(f"{gate}.reached"))
        process.send_signal(signal.SIGINT)
        read_until(process, b"again to end at once")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    gate.touch()
    assert shell("deploy").returncode == 0


def test_interrupted_among_many(shell: Shell, tmp_path: Path) -> None:
    """Ctrl-C while many labs are worked on leaves the labs after the present one alone."""
    for name in ("one", "two"):
        shell("deploy", "-t", "-", input=RING.replace("name: ring", f"name: {name}"))
    (tmp_path / "memory").unlink()
    gate = tmp_path / "gate"
    shell.environment["LABPROV_MEMORY_HOLDS"] = str(gate)
    with shell.start("recover", "--all") as process:
        wait_for(Path(f"{gate}.reached"))
        process.send_signal(signal.SIGINT)
        read_until(process, b"again to end at once")
        gate.touch()
        process.communicate(timeout=60)
    assert process.returncode == 1
    assert states(shell, "--name", "one") == dict.fromkeys(("r1", "r2", "r3"), "defined")
    assert states(shell, "--name", "two") == dict.fromkeys(("r1", "r2", "r3"), "absent")


def test_terminated_twice(shell: Shell, tmp_path: Path) -> None:
    """SIGTERM is as good as Ctrl-C; the second one ends labprov with 143."""
    gate = tmp_path / "gate"
    shell.environment["LABPROV_MEMORY_HOLDS"] = str(gate)
    with shell.start("deploy") as process:
        wait_for(Path(f"{gate}.reached"))
        process.send_signal(signal.SIGTERM)
        read_until(process, b"again to end at once")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143


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
