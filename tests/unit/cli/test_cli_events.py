"""``events``: what happens to nodes, as it happens."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tests.unit.cli.shell import RING, Shell, lines


@contextmanager
def listening(shell: Shell, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """``labprov events`` once it listens; at the end it must have ended."""
    with shell.start("events", *words) as process:
        try:
            assert process.stderr is not None
            said = b""
            while b"listening" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            yield process
            process.wait(timeout=60)
        finally:
            process.kill()


def line(process: subprocess.Popen[bytes]) -> str:
    """The next line of its results."""
    assert process.stdout is not None
    return process.stdout.readline().decode()


def ended(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, bytes, bytes]:
    """Its exit code when it was sent that signal, and what else it said."""
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_line_for_each_event(shell: Shell) -> None:
    """Every lab of the workspace is heard, before the first deploy too; Ctrl-C ends it, and is no failure."""
    with listening(shell) as process:
        shell("deploy")
        told = {re.sub("^[-0-9]{10} [:0-9]{8} ", "", line(process)) for _ in range(3)}
        assert told == {f"ring/{node}: started\n" for node in ("r1", "r2", "r3")}
        shell("stop", "--node", "r2")
        assert line(process).endswith("ring/r2: stopped\n")
        assert ended(process, signal.SIGINT) == (0, b"", b"")


def test_json_lines(shell: Shell) -> None:
    """One object a line, at once; SIGTERM ends it as Ctrl-C does."""
    shell("deploy")
    with listening(shell, "--name", "ring", "-f", "json") as process:
        shell("deploy", "-t", "-", input=RING.replace("name: ring", "name: other"))
        shell("stop", "--node", "r1")
        event = json.loads(line(process))
        assert datetime.fromisoformat(event.pop("time")).tzinfo is not None
        assert event == {
            "kind": "node-changed",
            "lab": "ring",
            "node": "r1",
            "state": "stopped",
            "message": "stopped",
        }
        assert ended(process, signal.SIGTERM) == (0, b"", b"")


def test_the_lab_of_a_file_that_is_not_deployed_yet(shell: Shell) -> None:
    """Who wants to hear its beginning has to listen before it."""
    with listening(shell, "-t", "ring.clab.yml") as process:
        shell("deploy", "-t", "-", input=RING.replace("name: ring", "name: other"))
        shell("deploy", "--node-filter", "r3")
        assert line(process).endswith("ring/r3: started\n")
        assert ended(process, signal.SIGINT)[0] == 0


def test_an_unknown_lab(shell: Shell) -> None:
    """A name that no lab has is an error, as for other commands."""
    result = shell("events", "--name", "nope")
    assert (result.returncode, result.stdout, len(lines(result.stderr))) == (2, "", 1)


def test_nobody_tells_news(shell: Shell) -> None:
    """A provider without news is named in a warning; if there is no other, that is an error with a remedy."""
    shell("deploy")
    shell.environment["LABPROV_MEMORY_IS_SILENT"] = "yes"
    result = shell("events", "--name", "ring")
    assert result.returncode == 2
    assert "labprov: warning: the provider memory tells no news" in result.stderr
    assert len(lines(result.stderr)) == 1
    assert "labprov inspect" in lines(result.stderr)[0]


def test_an_engine_that_goes_away(shell: Shell, tmp_path: Path) -> None:
    """It ends with 3 and says which."""
    memory = tmp_path / "engine" / "memory"
    memory.parent.mkdir()
    shell.environment["LABPROV_MEMORY"] = str(memory)
    shell("deploy")
    with listening(shell, "--name", "ring") as process:
        memory.parent.rename(tmp_path / "gone")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert lines(err.decode()) == ["labprov: error: the memory is gone. Remember."]


def test_a_reader_that_has_heard_enough(shell: Shell) -> None:
    """``labprov events | head -1`` ends with the next event."""
    shell("deploy")
    with listening(shell, "--name", "ring") as process:
        assert process.stdout is not None
        process.stdout.close()
        shell("stop", "--node", "r1")
        assert process.wait(timeout=60) == 141


def test_nothing_is_written(shell: Shell, tmp_path: Path) -> None:
    """Listening leaves no trace but, in a workspace that is new, its id."""
    with listening(shell) as process:
        assert ended(process, signal.SIGINT)[0] == 0
    files = {path.name for path in (tmp_path / "workspace").rglob("*") if path.is_file()}
    assert files == {"workspace-id", "workspace.lock"}
