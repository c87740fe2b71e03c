"""Start engines of our own and end exactly those again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tools.engines.engine import Daemon, Engine, EngineError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
FOLDER_VARIABLE = "LABPROV_ENGINES"
"""Names the folder that holds one folder for each engine of our own, for whoever wants to restart one."""

READY_WITHIN = 90.0  # seconds; dockerd takes 2 to 8 on an idle machine, libvirtd probes emulators first
LOOK_EVERY = 0.1  # seconds between two questions to an engine that is coming up
ENDS_WITHIN = 20.0  # seconds, for a daemon that was asked by its own means; then by signals
LOG_LINES = 15


def say(text: str) -> None:
    """Tell people what happens, on standard error."""
    print(f"engines: {text}", file=sys.stderr, flush=True)


def _supervise(daemon: Daemon, folder: Path) -> subprocess.Popen[bytes]:
    """Start one daemon in a session of its own, so that a Ctrl-C at the terminal does not reach it."""
    files = (f"{folder}/{daemon.name}.supervisor", f"{folder}/{daemon.name}.out")
    command = [sys.executable, str(SUPERVISOR), *files, *daemon.argv]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def _log_tail(folder: Path) -> str:
    logs = (log.read_text(errors="replace") for log in sorted(folder.glob("*.out")))
    return "\n".join(line for log in logs for line in log.splitlines()[-LOG_LINES:])


def _wait_until_ready(engine: Engine, folder: Path, processes: Iterable[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while (reason := engine.why_not()) is not None:
        ended = any(process.poll() is not None for process in processes)
        if ended or time.monotonic() > deadline:
            what = "ended" if ended else f"was not ready within {READY_WITHIN:.0f} s"
            raise EngineError(f"{engine.name} {what}: {reason}\n{_log_tail(folder)}")
        time.sleep(LOOK_EVERY)


def _end(engine: Engine, folder: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    ends_by_itself = engine.finish(folder)
    for process in reversed(processes):
        if ends_by_itself:
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN)
            ends_by_itself = False
        process.terminate()
        process.wait()
    engine.tidy(folder)
    say(f"{engine.name}: stopped")


def _start(engine: Engine, folder: Path, stack: ExitStack) -> list[subprocess.Popen[bytes]]:
    folder.mkdir()
    engine.prepare(folder)
    os.environ.update(engine.environment(folder))
    processes: list[subprocess.Popen[bytes]] = []
    stack.callback(_end, engine, folder, processes)
    for daemon in engine.daemons(folder):
        processes.append(_supervise(daemon, folder))
    return processes


@contextmanager
def running(engines: Iterable[Engine]) -> Iterator[Path]:
    """Have each of the engines answer, by this process's environment, until the end of the block.

    One that answers already is used and left as it is; any other is started in a new folder, and ended with
    everything that came from it. They come up side by side.

    :returns: the folder with one folder for each engine started.
    :raises EngineError: one did not become ready; what was started has been ended.
    """
    with ExitStack() as stack:
        # The system's temporary folder: a socket's path must stay under 108 characters.
        top = Path(tempfile.mkdtemp(prefix="labprov-engines-"))
        stack.callback(shutil.rmtree, top)
        os.environ[FOLDER_VARIABLE] = str(top)
        started = []
        for engine in engines:
            if engine.why_not() is None:
                say(f"{engine.name}: answers already; used as it is, and left so")
                continue
            started.append((engine, top / engine.name, _start(engine, top / engine.name, stack)))
        for engine, folder, processes in started:
            _wait_until_ready(engine, folder, processes)
            say(f"{engine.name}: started")
        yield top


def restart(engine: Engine, daemon: str) -> None:
    """Restart one daemon of an engine that :func:`running` started; returns when the engine answers again.

    :raises EngineError: the engine is not one of ours, or does not come back.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE, ""), engine.name)
    pidfile = folder / f"{daemon}.supervisor"
    if FOLDER_VARIABLE not in os.environ or not pidfile.exists():
        raise EngineError(f"{engine.name} was not started by these tests, so they don't restart it")
    os.kill(int(pidfile.read_text()), signal.SIGHUP)
    _wait_until_ready(engine, folder, ())
