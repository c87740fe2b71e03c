"""labprov as a user runs it: the command line, in a workspace and with a prefix of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4


class Shell:
    """Runs labprov as a user does, in one workspace."""

    def __init__(self, workspace: Path, environment: Mapping[str, str] | None = None) -> None:
        self.workspace = workspace
        self.environment = environment
        """What it runs with; None: this process's own."""
        self.prefix = f"lpt{uuid4().hex[:6]}"
        """Tells what is this test's own on a machine where others have labs too."""

    @property
    def command(self) -> list[str]:
        """The command line's beginning."""
        return [sys.executable, "-m", "labprov", "--workspace", str(self.workspace), "--prefix", self.prefix]

    def look(self) -> None:
        """Note what there is, after each command."""

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is."""
        command = [*self.command, *map(str, words)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        self.look()
        return done

    def __call__(self, *words: str | Path, code: int = 0) -> str:
        """Run it, see that it ends with *code*, and give its standard output."""
        done = self.run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def fails(self, *words: str | Path, code: int) -> str:
        """Run it, see that it ends with *code*, and give what it said, in one line and no traceback."""
        done = self.run("--quiet", *words)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    def inspect(self, lab: str) -> list[dict[str, Any]]:
        """The lab's nodes, as ``inspect`` gives them."""
        nodes: list[dict[str, Any]] = json.loads(self("inspect", "--name", lab, "-f", "json"))
        return nodes

    def kill_at(self, sign: str, *words: str | Path) -> None:
        """Start it and kill it, as nothing can be caught, when a line of its talk has *sign* in it."""
        process = self._started(words, subprocess.PIPE)
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                if sign.encode() in line:
                    break
            self._kill(process)

    def kill_when(self, condition: Callable[[], bool], *words: str | Path) -> None:
        """Start it and kill it, as nothing can be caught, as soon as *condition* is true."""
        process = self._started(words, subprocess.DEVNULL)
        while process.poll() is None and not condition():
            pass  # asking takes long enough
        self._kill(process)

    def _started(self, words: Sequence[str | Path], stderr: int) -> subprocess.Popen[bytes]:
        command = [*self.command, *map(str, words)]
        return subprocess.Popen(command, env=self.environment, stderr=stderr, stdout=subprocess.DEVNULL)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        self.look()
