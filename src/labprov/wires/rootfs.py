"""A node's view of files: the host's tree, with its own /proc, /sys, /run, /tmp and binds.

The node's root is a small tmpfs into which the host's top-level entries are bound. Nothing is ever made on
the host's file systems: a mount point that is missing is made on a tmpfs of the node's own, which *shadows*
the nearest folder that exists and shows all that was in it. Runs in the node's first process, before its
command. Helper side: standard library only.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from labprov.errors import EngineFailure, InvalidInput
from labprov.wires import linux

MARK = "labprov:"
"""The source of a node's root, as ``/proc/<pid>/mountinfo`` shows it, is this and the node's name."""


def has_mark(mountinfo: bytes, name: str = "") -> bool:
    """Whether a process with these mounts is a node's (that node's, by its runtime name)."""
    for line in mountinfo.splitlines():
        words = line.split()
        if words[4] == b"/":
            source = words[words.index(b"-") + 2].decode(errors="replace")
            return source == MARK + name if name else source.startswith(MARK)
    return False


_OWN = {"proc", "sys", "run", "tmp"}
_KEPT = {
    os.ST_NOSUID: linux.MS_NOSUID,
    os.ST_NODEV: linux.MS_NODEV,
    os.ST_NOEXEC: linux.MS_NOEXEC,
    os.ST_NOATIME: linux.MS_NOATIME,
    os.ST_NODIRATIME: linux.MS_NODIRATIME,
    os.ST_RELATIME: linux.MS_RELATIME,
}


@dataclass(frozen=True)
class Bind:
    """One ``source:target[:options]``."""

    source: str
    target: str
    read_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Bind:
        """Read it.

        :raises InvalidInput: it is not one.
        """
        source, _, rest = text.partition(":")
        target, _, options = rest.partition(":")
        words = set(options.split(",")) - {"", "rw", "z", "Z"}
        whole = os.path.normpath(target or "/") in ("/", "//", "/proc", "/sys")
        if not source.startswith("/") or not target.startswith("/") or words - {"ro"} or whole:
            raise InvalidInput(
                f"the bind {text!r} is not source:target[:ro] with absolute paths",
                remedy="Correct the node's binds; /, /proc and /sys can't be targets.",
            )
        return cls(source, os.path.normpath(target), "ro" in words)


def build(name: str, binds: Sequence[Bind]) -> None:
    """Make the node's tree and make it this process's root.

    To be called in a mount namespace of its own, in the node's network and pid namespaces.

    :raises EngineFailure: a source is missing, or the kernel refuses a mount.
    """
    sources = [_source(bind) for bind in binds]
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    _base("/run", name)
    os.chdir("/run")
    linux.pivot_root(".", ".")
    for bind, source in zip(binds, sources, strict=True):
        _bind(bind, source)
        os.close(source)
    linux.umount(".", linux.MNT_DETACH)
    os.chdir("/")


def _source(bind: Bind) -> int:
    try:
        return os.open(bind.source, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise EngineFailure(
            f"the bind's source {bind.source} can't be opened: {error.strerror}",
            remedy="Make it, or correct the node's binds.",
        ) from error


def _base(new: str, name: str) -> None:
    entries = [(entry, _link(entry)) for entry in os.scandir("/") if entry.name not in _OWN]
    linux.mount(MARK + name, new, "tmpfs", 0, "mode=0755")
    for entry, link in entries:
        _show(f"{new}/{entry.name}", link, entry.path, entry.is_dir(follow_symlinks=False))
    for folder in sorted(_OWN):
        os.mkdir(f"{new}/{folder}")
    _own_kernel_files(new)
    linux.mount("tmpfs", f"{new}/run", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755")
    os.makedirs(f"{new}/run/lock", mode=0o755)
    linux.mount("tmpfs", f"{new}/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=1777")
    if os.path.isdir(f"{new}/dev/shm"):
        linux.mount("tmpfs", f"{new}/dev/shm", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=1777")


def _own_kernel_files(new: str) -> None:
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    try:
        linux.mount("proc", f"{new}/proc", "proc", flags)
        linux.mount("sysfs", f"{new}/sys", "sysfs", flags)
    except PermissionError as error:
        raise EngineFailure(
            f"the node can't have a /proc and /sys of its own: {error}",
            remedy="Where labprov runs in a container, run that one with --privileged,"
            " or with --security-opt systempaths=unconfined and CAP_SYS_ADMIN.",
        ) from error


def _point(path: str, folder: bool) -> None:
    if folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _bind(bind: Bind, source: int) -> None:
    _prepare(bind.target, stat.S_ISDIR(os.fstat(source).st_mode))
    linux.mount(f"/proc/self/fd/{source}", bind.target, flags=linux.MS_BIND | linux.MS_REC)
    if bind.read_only:
        found = os.statvfs(bind.target).f_flag
        kept = sum(flag for have, flag in _KEPT.items() if found & have)
        flags = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | kept
        linux.mount("", bind.target, flags=flags)


def _prepare(target: str, folder: bool) -> None:
    """Make the mount point *target*, where it is missing, without writing to the host."""
    if os.path.exists(target):
        return
    existing = os.path.dirname(target)
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    existing = os.path.realpath(existing)
    if not _is_own(existing):
        shadow(existing)
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    _point(target, folder)


def _is_own(folder: str) -> bool:
    """Whether *folder* lies on a tmpfs that only this node has."""
    device = os.stat(folder).st_dev
    own = {os.stat(path).st_dev for path in ("/", "/run", "/tmp", *_shadows)}
    return device in own


_shadows: list[str] = []


def shadow(folder: str, without: Collection[str] = ()) -> None:
    """Put a tmpfs over *folder* that shows all that is in it, but for the entries *without*."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    entries = [(entry, _link(entry)) for entry in os.scandir(folder) if entry.name not in without]
    linux.mount("labprov-shadow", folder, "tmpfs", 0, f"mode={mode:o}")
    for entry, link in entries:
        _show(entry.path, link, f"/proc/self/fd/{fd}/{entry.name}", entry.is_dir(follow_symlinks=False))
    os.close(fd)
    _shadows.append(folder)


def _link(entry: os.DirEntry[str]) -> str | None:
    return os.readlink(entry.path) if entry.is_symlink() else None


def _show(target: str, link: str | None, source: str, folder: bool) -> None:
    """Show at *target* what is at *source*: the same symbolic link, or the thing itself."""
    if link is not None:
        os.symlink(link, target)
        return
    _point(target, folder)
    linux.mount(source, target, flags=linux.MS_BIND | linux.MS_REC)
