"""The workspace: folders, atomic files, locks."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

from labprov.errors import Busy, Cancelled, WorkspaceError
from labprov.model import NAME, checked_name

HOST_LOCKS = Path("/run/lock")
"""Where locks are that concern the whole host (the Filesystem Hierarchy Standard's folder for them)."""
POLL = 0.05
"""Seconds between two looks at a lock: flock has no deadline of its own."""


def default_workspace() -> Path:
    """``$LABPROV_WORKSPACE``, else ``/var/lib/labprov`` for root, else the user's XDG state folder."""
    given = os.environ.get("LABPROV_WORKSPACE")
    if given:
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/labprov")
    from platformdirs import user_state_path

    return user_state_path("labprov")


@contextmanager
def _errors(path: Path, doing: str) -> Iterator[None]:
    """Translate what the file system says."""
    try:
        yield
    except OSError as error:
        raise WorkspaceError(f"can't {doing} {path}: {error.strerror}", remedy=_remedy(error)) from error


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space there and try again; what was saved before is unchanged."
    return "Choose a folder that you may write with --workspace or $LABPROV_WORKSPACE."


def write_atomically(path: Path, content: bytes) -> None:
    """Make *content* the content of *path*, so that a crash at any moment leaves the old or the new, whole.

    :raises WorkspaceError: it can't be written; the old content is untouched.
    """
    temporary = _temporary(path)
    with _errors(path, "write"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _temporary(path: Path) -> Path:
    """Where the new content is written first: one name, so that what a killed write left is found again.

    Nobody else writes it at the same time: whoever writes holds the lock.
    """
    return path.with_name(f".{path.name}.new")


def _sync_folder(folder: Path) -> None:
    """Make the folder's own entries durable: a rename is not, until this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_if_there(path: Path) -> bytes | None:
    """The content of *path*, or None where there is no such file. Has no side effect.

    :raises WorkspaceError: it is there and can't be read.
    """
    with _errors(path, "read"):
        try:
            if path.exists() and not path.is_file():
                raise OSError(errno.EINVAL, "it is no regular file")
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


def remove_if_there(path: Path) -> None:
    """Remove the file, durably; a missing one is no error.

    :raises WorkspaceError: it can't be removed.
    """
    with _errors(path, "remove"):
        there = [item for item in (_temporary(path), path) if item.exists()]
        for item in there:
            item.unlink(missing_ok=True)
        if there:
            _sync_folder(path.parent)


def quarantine(path: Path) -> Path:
    """Move a bad document aside, to a name that nothing reads.

    :returns: where it is now.
    :raises WorkspaceError: it can't be moved.
    """
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    with _errors(path, "move aside"):
        target = path.with_name(f"{path.name}.corrupt-{stamp}")
        number = 1
        while target.exists():
            target = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
            number += 1
        os.rename(path, target)
        _sync_folder(path.parent)
    return target


@frozen
class Workspace:
    """One workspace's folder, and the paths in it. Making one of these touches nothing."""

    path: Path

    @property
    def id(self) -> str:
        """The workspace's own random id, or ``""`` where it has never been written to."""
        return (read_if_there(self._id_file) or b"").decode(errors="replace").strip()

    @property
    def _id_file(self) -> Path:
        return self.path / "workspace-id"

    def prepare(self) -> str:
        """Make the folder and its id if they are not there; return the id.

        :raises WorkspaceError: the folder can't be made or written, or it has documents of labs and its id
            is gone: with a new one its labs would be somebody else's.
        """
        if not self.id:
            self.check_id()
            with _errors(self.path, "make"):
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            never = threading.Event()
            with self._lock("workspace", timeout=10.0, purpose="making the workspace", cancelled=never):
                if not self.id:
                    write_atomically(self._id_file, secrets.token_hex(6).encode() + b"\n")
        return self.id

    def check_id(self) -> None:
        """See that the workspace has its id, if it has documents.

        :raises WorkspaceError: it has lost it.
        """
        # documents first: another process that deploys its first lab writes the id before them
        if self.labs() and not self.id:
            raise WorkspaceError(
                f"{self._id_file} is gone, which tells this workspace's labs from others'",
                remedy="Put the id back: it is in the labels of every node (labprov.workspace).",
            )

    def vlans(self, lab: str) -> Path:
        """The lab's allocation document."""
        return self.path / "vlans" / f"{checked_name(lab, 'lab name')}.json"

    def topology(self, lab: str) -> Path:
        """The lab's topology as deployed."""
        return self.path / "topologies" / f"{checked_name(lab, 'lab name')}.json"

    def labs(self) -> frozenset[str]:
        """The ids of all labs that have a document or a saved topology here. Has no side effect.

        :raises WorkspaceError: the folders are there and can't be listed.
        """
        found = set()
        for folder in (self.path / "vlans", self.path / "topologies"):
            with _errors(folder, "list"):
                if folder.is_dir():
                    found |= {file.name.removesuffix(".json") for file in folder.glob("*.json")}
        return frozenset(name for name in found if NAME.fullmatch(name))

    @contextmanager
    def lock(
        self, lab: str, *, timeout: float, purpose: str, cancelled: threading.Event | None = None
    ) -> Iterator[None]:
        """Hold the lab's lock. Who comes second waits up to *timeout* seconds.

        :param purpose: what is being done, for who waits ("deploy").
        :param cancelled: set by whoever wants to wait no longer.
        :raises Busy: it is still held by then; says by whom.
        :raises Cancelled: *cancelled* was set while waiting.
        :raises WorkspaceError: the lock's file can't be made.
        """
        checked_name(lab, "lab name")
        waiter = cancelled or threading.Event()
        with self._lock(f"{lab}.lab", timeout=timeout, purpose=purpose, lab=lab, cancelled=waiter):
            yield

    def remove_lock(self, lab: str) -> None:
        """Remove the lock's file, while holding it: for a lab of which nothing else is left."""
        remove_if_there(self.path / "locks" / f"{checked_name(lab, 'lab name')}.lab.lock")

    @contextmanager
    def _lock(
        self,
        name: str,
        *,
        timeout: float,
        purpose: str,
        cancelled: threading.Event,
        lab: str | None = None,
    ) -> Iterator[None]:
        path = self.path / "locks" / f"{name}.lock"
        with _errors(path, "lock"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _held(path, timeout, purpose, cancelled, lab):
            yield


@contextmanager
def bridge_lock(bridge: str, *, timeout: float, purpose: str, cancelled: threading.Event) -> Iterator[None]:
    """Hold the host-wide lock on a bridge that labs share, of whatever workspace they are.

    Held from reading the tags in use to the saved document. Whoever takes it holds the lab's lock already.

    :raises Busy: another process holds it for longer than *timeout* seconds; says which.
    :raises Cancelled: *cancelled* was set while waiting.
    """
    with _held(HOST_LOCKS / f"labprov-{bridge}.lock", timeout, purpose, cancelled, None):
        yield


@contextmanager
def _held(
    path: Path, timeout: float, purpose: str, cancelled: threading.Event, lab: str | None
) -> Iterator[None]:
    descriptor = _acquire(path, timeout, lab, cancelled)
    try:
        with suppress(OSError):  # it holds without a name in it, and whoever frees a full disk needs it too
            _sign(descriptor, purpose)
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, timeout: float, lab: str | None, cancelled: threading.Event) -> int:
    """Open and lock the file at *path*: the one that is there now, not one that was removed meanwhile."""
    deadline = time.monotonic() + timeout
    while True:
        with _errors(path, "lock"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            holder = os.pread(descriptor, 500, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise Busy(
                    f"locked by {holder or 'another process'}",
                    holder=holder or None,
                    lab=lab,
                    remedy="Wait for it to end, or give more time with --lock-timeout.",
                ) from None
            if cancelled.wait(POLL):
                raise Cancelled("stopped while another process held the lab", lab=lab) from None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(descriptor: int, purpose: str) -> None:
    """Write into the lock who holds it, for those who wait."""
    program = Path(sys.argv[0]).name or "python"
    text = f"process {os.getpid()} ({program}: {purpose}) since {time.strftime('%H:%M:%S')}"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
