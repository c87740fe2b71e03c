"""labprov's side of the helper process: one request at a time, typed errors, a deadline."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any, Self

from labprov import errors
from labprov.engine import Scope
from labprov.errors import DeadlineExceeded, EngineFailure, LabprovError, Unavailable
from labprov.wires.processes import ready

SOURCES = str(Path(__file__).resolve().parent.parent)
BOOT = """
import sys, types
for name, path in (("labprov", sys.argv[1]), ("labprov.wires", sys.argv[1] + "/wires")):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
from labprov.wires.helper import main
main()
"""
"""Starts the helper without site-packages, environment and current folder: nothing foreign is imported by
the process that has the privileges, and it is ready in 30 ms instead of 100. The packages' own
``__init__`` are left out, since the helper needs none of what they offer."""


class Helper:
    """The helper process of one operation. Thread-safe; use it through :func:`helper`."""

    def __init__(self, workspace_id: str, folder: Path, deadline: float) -> None:
        self._common = {"workspace": workspace_id, "folder": str(folder)}
        self._deadline = deadline
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, once it has finished what it is at."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # a request that it died before reading
                    pipe.close()
        try:
            process.wait(self._deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._said is not None:
            self._said.close()

    def request(self, op: str, **words: Any) -> Any:
        """Ask it for one batch; give the answer.

        :raises LabprovError: what the helper raised for the whole batch.
        :raises Unavailable: it can't be started.
        :raises EngineFailure: it died.
        :raises DeadlineExceeded: it did not answer in time, and was ended.
        """
        with self._lock:
            answer = self._ask({"op": op, **self._common, **words})
            if answer.get("moved"):  # the user's holder has ended since; a new process finds the new one
                self._close()
                answer = self._ask({"op": op, **self._common, **words})
        if "error" in answer:
            raise typed(answer["error"])
        return answer["ok"]

    def batch(self, op: str, **words: Any) -> list[LabprovError | None]:
        """:meth:`request` where the answer is one outcome for each item."""
        return [None if item is None else typed(item) for item in self.request(op, **words)]

    def command(self) -> list[str]:
        """What is run as the helper."""
        return [sys.executable, "-I", "-S", "-c", BOOT, SOURCES]

    def _start(self) -> subprocess.Popen[bytes]:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        try:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                start_new_session=True,  # an interrupt from the terminal is labprov's to handle
            )
        except OSError as error:
            self._said.close()
            raise Unavailable(
                f"the kernel can't be asked: the helper process can't be started: {error.strerror}",
                provider="netns",
                remedy="Look at this process's limits and environment, and at the machine's memory.",
            ) from error
        return self._process

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None  # it is a pipe, as is the other
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise self._died() from error
        answer: dict[str, Any] = json.loads(self._line(process.stdout.fileno()))
        return answer

    def _line(self, fd: int) -> bytes:
        until = time.monotonic() + self._deadline
        parts: list[bytes] = []
        while not parts or not parts[-1].endswith(b"\n"):
            if not ready(fd, max(0.0, until - time.monotonic())):
                self._kill()
                raise DeadlineExceeded(
                    f"the helper process did not answer within {self._deadline:g} s, and was ended"
                )
            part = os.read(fd, 1 << 20)
            if not part:
                raise self._died()
            parts.append(part)
        return b"".join(parts)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
        self._close()

    def _died(self) -> EngineFailure:
        said = b""
        if self._said is not None:
            self._said.seek(0)
            said = self._said.read()
        process = self._process
        self._kill()
        code = process.returncode if process else None
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        detail = f": {last[0]}" if last else ""
        return EngineFailure(
            f"the helper process died (exit {code}){detail}",
            remedy="Do it again; what it had made is found and completed.",
        )


def typed(said: dict[str, Any]) -> LabprovError:
    """The error that the helper told of."""
    kind = getattr(errors, said["type"])
    where = {key: said[key] for key in ("lab", "node", "interface", "remedy")}
    error: LabprovError = kind(said["message"], **where)
    return error


def helper(scope: Scope) -> Helper:
    """The helper of this operation, started at its first request."""
    return scope.host.connection(
        f"netns-helper {scope.workspace_id}",
        lambda: Helper(scope.workspace_id, scope.workspace, scope.timeouts.helper),
    )
