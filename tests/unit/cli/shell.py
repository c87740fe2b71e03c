"""``labprov`` as its user has it: a process of its own, with the provider of ``plugins/`` installed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLUGINS = Path(__file__).parent / "plugins"
"""Holds a provider as an installed package would: a module, and an entry point that names it."""

RING = """\
name: ring
topology:
  defaults: {kind: linux, provider: memory}
  nodes:
    r1: {labels: {role: spine}}
    r2:
    r3:
  links:
    - endpoints: ["r1:eth1", "r2:eth1"]
    - endpoints: ["r2:eth2", "r3:eth1"]
"""


class Shell:
    """Runs ``labprov`` as a process of its own, in a folder with one topology file.

    :param folder: the current folder of what is run.
    :param environment: all of it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)

    def start(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        """Begin, and don't wait."""
        settings: dict[str, object] = {
            "cwd": self.folder,
            "env": self.environment,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        }
        command = [sys.executable, "-m", "labprov", *words]
        return subprocess.Popen(command, **settings)  # type: ignore[call-overload, no-any-return]  # any option

    def __call__(self, *words: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        process = self.start(*words, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE)
        out, err = process.communicate(None if input is None else input.encode(), timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out.decode(), err.decode())


def written(folder: Path) -> dict[str, bytes]:
    """Every file below *folder* with its content, but for locks, which name their last holder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path): path.read_bytes() for path in files}


def states(shell: Shell, *words: str) -> dict[str, str]:
    """The state of each node."""
    result = shell("inspect", "-f", "json", *words)
    assert result.returncode == 0, result.stderr
    return {node["node"]: node["state"] for node in json.loads(result.stdout)}


def told(result: subprocess.CompletedProcess[str]) -> Any:
    """The JSON on standard output; where there is none, what was said instead fails the test."""
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


def lines(text: str) -> list[str]:
    """The errors in what was said."""
    return [line for line in text.splitlines() if line.startswith("labprov: error: ")]


def wait_for(path: Path) -> None:
    """Wait until a process has made *path*."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
