"""Run one daemon, and at the end leave nothing of it: ``supervisor.py PIDFILE LOGFILE PROGRAM ARGUMENT...``.

It is a child subreaper: whatever the daemon forks away comes back to it, is waited for (libvirtd hangs among
zombies where the machine's first process reaps nothing), and is killed by its id at the end. TERM ends
everything, HUP restarts the daemon alone, and the death of whoever started the supervisor is a TERM.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
ENOUGH = 40.0  # seconds for a daemon to end politely; dockerd gives each container 10
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def become_subreaper() -> None:
    """Adopt orphaned descendants, and end when the parent does."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_PDEATHSIG, int(signal.SIGTERM))):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


class Supervisor:
    """One daemon and its descendants."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self._argv = argv
        self._log = log
        self._daemon = 0
        self._code: int | None = None

    def spawn(self) -> None:
        """Start the daemon, its output appended to the log."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        files = [(os.POSIX_SPAWN_OPEN, 1, str(self._log), flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]
        self._code = None
        self._daemon = os.posix_spawnp(
            self._argv[0], self._argv, os.environ, file_actions=files, setsigmask=(), setsigdef=SIGNALS
        )

    def reap(self) -> None:
        """Wait for every child that has ended."""
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._daemon:
                    self._code = os.waitstatus_to_exitcode(ended[1])
        except ChildProcessError:
            return  # there is none

    def end_daemon(self) -> None:
        """Ask the daemon to end, then make it."""
        if self._code is None:
            os.kill(self._daemon, signal.SIGTERM)
        while self._code is None:
            if signal.sigtimedwait({signal.SIGCHLD}, ENOUGH) is None:
                os.kill(self._daemon, signal.SIGKILL)
            self.reap()

    def end_all(self) -> None:
        """End the daemon and then, youngest orphans included, all that came from it."""
        self.end_daemon()
        while remaining := children():
            for pid in remaining:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)
            self.reap()

    def run(self) -> int:
        """Serve signals until told to end, or until the daemon ends by itself; give its exit code."""
        self.spawn()
        while self._code is None:
            received = signal.sigwait(SIGNALS)
            if received == signal.SIGCHLD:
                self.reap()
            elif received == signal.SIGHUP:
                self.end_daemon()
                self.spawn()
            else:
                self.end_all()
                return 0
        self.end_all()
        return self._code or 1


def children() -> list[int]:
    """List this process's children, those adopted included; a zombie is one until it is waited for."""
    own = str(os.getpid())
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since
        if fields[1] == own:
            found.append(int(stat.parent.name))
    return found


def main() -> int:
    """Become what the module says, note the own process id and supervise."""
    pidfile, log, *argv = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    become_subreaper()
    Path(pidfile).write_text(f"{os.getpid()}\n")
    return Supervisor(argv, Path(log)).run()


if __name__ == "__main__":
    sys.exit(main())
