"""What one engine is to the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

SYSTEM_PROGRAMS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
"""Where Debian puts daemons; a plain user's PATH has no sbin."""

QUESTION_TIMEOUT = 20.0  # seconds: an engine that is asked whether it answers


class EngineError(Exception):
    """An engine could not be started, or did not become ready."""


@dataclass(frozen=True)
class Daemon:
    """One process that stays in the foreground, and what it is called in messages and file names."""

    name: str
    argv: tuple[str, ...]


class Engine(ABC):
    """One engine: how to ask it, and how to run one of our own with all its files in one folder."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """Debian packages."""
    programs: ClassVar[tuple[str, ...]]
    """What must be on the machine to start it."""

    @abstractmethod
    def why_not(self) -> str | None:
        """Ask the engine that this process's environment points to; None: it answers."""

    @abstractmethod
    def environment(self, folder: Path) -> Mapping[str, str]:
        """Tell which variables lead a client to the engine started in *folder*."""

    @abstractmethod
    def daemons(self, folder: Path) -> Sequence[Daemon]:
        """List the daemons, in the order in which they are started."""

    def prepare(self, folder: Path) -> None:
        """Make the files that the daemons expect in *folder*."""
        return

    def finish(self, folder: Path) -> bool:
        """Do what must be done before the daemons are told to end.

        :returns: whether the last of the daemons now ends by itself.
        """
        return False

    def tidy(self, folder: Path) -> None:
        """Undo what the daemons changed outside *folder*, once they have ended."""
        return

    def missing_program(self) -> str | None:
        """Give the first program that is not on this machine, None if all are."""
        return next((name for name in self.programs if program(name) is None), None)


def program(name: str) -> str | None:
    """Find a system program; Debian's own goes before another of that name."""
    return shutil.which(name, path=SYSTEM_PROGRAMS) or shutil.which(name)


def ask(*command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a short command; give its exit code and what it said (127 where there is no such program)."""
    found = program(command[0])
    if found is None:
        return 127, f"{command[0]} is not installed"
    try:
        done = subprocess.run(
            [found, *command[1:]],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=QUESTION_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} got no answer within {QUESTION_TIMEOUT:.0f} s"
    return done.returncode, done.stdout.decode(errors="replace").strip()


def must(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a short command that has to succeed, and give what it said.

    :raises EngineError: it did not.
    """
    code, said = ask(*command, environment=environment)
    if code:
        raise EngineError(f"{' '.join(command)}: exit code {code}: {said}")
    return said


def refusal(*command: str) -> str | None:
    """Give the last line of what a failing question said, None if it was answered."""
    code, said = ask(*command)
    return None if code == 0 else (said.splitlines() or [f"exit code {code}"])[-1]
