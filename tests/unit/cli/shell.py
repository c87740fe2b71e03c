"""``labprov`` as its user has it: a process of its own, with the provider of ``plugins/`` installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

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
