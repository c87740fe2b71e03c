"""Network namespaces: by name under ``/run/netns`` as ``ip netns`` keeps them, opened, asked and changed.

Helper side: standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from labprov.errors import EngineFailure, ForeignResource, Unavailable
from labprov.wires import links, linux
from labprov.wires import netlink as nl
from labprov.wires.alias import LONGEST, SpaceAlias
from labprov.wires.links import Link

FOLDER = "/run/netns"


class Space:
    """One network namespace, held open.

    Its socket and its interfaces are read at first use; :meth:`forget` makes them be read anew.
    """

    def __init__(self, path: str, fd: int, socket: nl.Socket | None = None) -> None:
        self.path = path
        self.fd = fd
        self.inode = os.fstat(fd).st_ino
        self._socket = socket
        self._links: dict[str, Link] | None = None
        self._nsids: dict[int, int] = {}
        self.version = 0
        """Another one whenever the interfaces may have changed."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return os.path.basename(self.path)

    @property
    def socket(self) -> nl.Socket:
        """A netlink socket in it. Opening it leaves this process inside."""
        if self._socket is None:
            linux.setns(self.fd, linux.CLONE_NEWNET)
            self._socket = nl.Socket()
        return self._socket

    @property
    def links(self) -> dict[str, Link]:
        """Its interfaces by name."""
        if self._links is None:
            found = [links.parse(body) for body in self.socket.dump(links.get_all())]
            self._links = {link.name: link for link in found}
        return self._links

    @cached_property
    def owner(self) -> SpaceAlias | None:
        """Whose it is; None: not ours."""
        lo = self.links.get("lo")
        return SpaceAlias.parse(lo.alias) if lo else None

    def by_index(self, index: int) -> Link | None:
        """The interface with that number."""
        return next((link for link in self.links.values() if link.index == index), None)

    def forget(self) -> None:
        """Read the interfaces anew at the next use."""
        self._links = None
        self.version += 1
        self.__dict__.pop("owner", None)

    def run(self, messages: Sequence[nl.Message], restore: Sequence[nl.Message] = ()) -> None:
        """Send *messages*; whatever they change is read anew.

        :param restore: sent along in the same breath; of these, what is there already is no error.
        :raises OSError: the first that the kernel refused; the others were worked off.
        """
        self.forget()
        for number, answer in enumerate(self.socket.batch([*messages, *restore])):
            known = number >= len(messages) and answer is not None and answer.errno == errno.EEXIST
            if answer is not None and not known:
                raise answer

    def nsid(self, other: Space) -> int:
        """This namespace's number for *other*, -1 for itself, or if it has none."""
        if other.inode == self.inode:
            return -1
        if self._nsids.get(other.inode, -1) == -1:
            self._nsids[other.inode] = links.parse_nsid(self.socket.ask(links.get_nsid(other.fd)))
        return self._nsids[other.inode]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside; nothing is undone at the end, since every other use enters its own."""
        linux.setns(self.fd, linux.CLONE_NEWNET)
        yield

    def close(self) -> None:
        """Let go of it."""
        if self._socket is not None:
            self._socket.close()
        os.close(self.fd)


class Kernel:
    """All namespaces that one request touches, and the way home."""

    def __init__(self) -> None:
        fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.home = Space("/proc/self/ns/net", fd)
        self._open: dict[str, Space] = {}

    def close(self) -> None:
        """Go home and let go of everything."""
        linux.setns(self.home.fd, linux.CLONE_NEWNET)
        for space in self._open.values():
            space.close()
        self.home.close()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def space(self, path: str) -> Space | None:
        """The namespace at *path*; None where there is none (nothing, or a name without a mount on it).

        :raises Unavailable: it can't be opened.
        """
        if path not in self._open:
            try:
                found = self._opened(path)
            except OSError as error:
                raise Unavailable(f"the network namespace {path} can't be opened: {error}") from error
            if found is None:
                return None
            self._open[path] = found
        return self._open[path]

    def _opened(self, path: str) -> Space | None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            linux.setns(fd, linux.CLONE_NEWNET)
            return Space(path, fd, nl.Socket())
        except OSError as error:
            os.close(fd)
            if error.errno == errno.EINVAL:
                return None
            raise

    def forget(self) -> None:
        """Read every namespace's interfaces anew at the next use."""
        for space in (self.home, *self._open.values()):
            space.forget()

    def named(self, name: str) -> Space | None:
        """The namespace called *name*."""
        return self.space(f"{FOLDER}/{name}")

    def all(self) -> list[Space]:
        """Every named namespace, ours or not."""
        try:
            names = sorted(os.listdir(FOLDER))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"{FOLDER} can't be read: {error}") from error
        return [space for name in names if (space := self.named(name)) is not None]

    def bare(self) -> dict[str, SpaceAlias]:
        """Names of ours that no namespace is on, as a kill leaves them, and whose they were to be."""
        try:
            names = sorted(os.listdir(FOLDER))
        except FileNotFoundError:
            return {}
        owners = {name: _written(f"{FOLDER}/{name}") for name in names if self.named(name) is None}
        return {name: owner for name, owner in owners.items() if owner is not None}

    def owned(self, name: str, owner: SpaceAlias) -> Space | None:
        """The namespace *name*, if it is there and *owner*'s.

        :raises ForeignResource: it is there, and somebody else's.
        """
        space = self.named(name)
        if space is None:
            return None
        if space.owner is None or not space.owner.same_owner(owner):
            raise _foreign(name, owner, space.owner)
        return space

    def make(self, name: str, owner: SpaceAlias | None, sysctls: Mapping[str, str] | None = None) -> Space:
        """Make the namespace *name* with its label on; there is none of that name.

        The label is on before the name is, so that a kill at any moment leaves nothing unlabelled.

        :param owner: None leaves it without one, as if somebody else had made it.
        :param sysctls: settings that its first interface shall find; unknown ones are passed over.
        """
        prepare_folder()
        linux.unshare(linux.CLONE_NEWNET)
        fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        space = Space(f"{FOLDER}/{name}", fd, nl.Socket())
        self._open[space.path] = space
        for key, value in (sysctls or {}).items():
            with contextlib.suppress(FileNotFoundError):  # an interface's, or a feature this kernel lacks
                write_sysctl(key, value)
        space.run([links.change("lo", alias=owner.text() if owner else None, up=True)])
        _give_name("/proc/self/ns/net", space.path, owner)
        return space

    def relabel(self, space: Space, owner: SpaceAlias) -> None:
        """Write another label."""
        space.run([links.change("lo", alias=owner.text())])

    def rename(self, space: Space, name: str) -> Space:
        """Give *space* another name; between the two steps it has both."""
        _give_name(space.path, f"{FOLDER}/{name}", space.owner)
        self.remove(space)
        renamed = self.named(name)
        if renamed is None:
            raise EngineFailure(f"the network namespace {name} vanished while it got its name")
        return renamed

    def remove(self, space: Space) -> None:
        """Take the name away; the namespace goes when nothing is in it any more."""
        self._open.pop(space.path, None)
        with contextlib.suppress(FileNotFoundError):
            try:
                linux.umount(space.path)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
            os.unlink(space.path)
        space.close()


def _foreign(name: str, wanted: SpaceAlias, found: SpaceAlias | None) -> ForeignResource:
    whose = "is not labprov's"
    if found is not None:
        whose = f"belongs to node {found.node} of lab {found.lab} (workspace {found.workspace})"
    return ForeignResource(
        f"the network namespace {name} exists and {whose}",
        lab=wanted.lab,
        node=wanted.node or None,
        remedy=f"Remove it (ip netns delete {name}), or use another prefix.",
    )


def write_sysctl(key: str, value: str) -> None:
    """Set ``net.…`` of the network namespace that this process is in.

    :raises OSError: it does not exist, or the kernel does not take the value.
    """
    with open("/proc/sys/" + key.replace(".", "/"), "w") as file:
        file.write(value)


def hush(space: Space, name: str) -> None:
    """Keep the host's own network out of what comes through the device *name*, which is a switch's port.

    A switch in user space gets a copy of each frame, and the kernel goes on with the frame itself: it would
    answer for the host's addresses, and take up a router's advertisement. Without ARP
    (:func:`~labprov.wires.links.change`) and IPv6 it does not.

    :raises OSError: the kernel does not take it.
    """
    with space.entered(), contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        write_sysctl(f"net.ipv6.conf.{name}.disable_ipv6", "1")


def prepare_folder() -> None:
    """Make ``/run/netns`` as ``ip netns add`` does: a mount of its own that other mount namespaces share.

    Without it a namespace removed here would live on in mount namespaces that were copied before.
    """
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    fd = os.open(FOLDER, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # ip netns add takes the same lock
        _share_folder()
    finally:
        os.close(fd)


def _share_folder() -> None:
    try:
        linux.mount("", FOLDER, flags=linux.MS_SHARED | linux.MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        linux.mount(FOLDER, FOLDER, flags=linux.MS_BIND | linux.MS_REC)
        linux.mount("", FOLDER, flags=linux.MS_SHARED | linux.MS_REC)


def _give_name(source: str, path: str, owner: SpaceAlias | None) -> None:
    """Name a namespace. The file below says whose it is, so that a kill between the two leaves no riddle.

    The file appears with its content or not at all.
    """
    fd = os.open(FOLDER, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o444)
    try:
        os.write(fd, owner.text().encode() if owner else b"")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # a name without a namespace: the kernel refuses it for any other
        # with a folder, though an absolute path needs none: only then Python has the kernel follow the link
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)
    finally:
        os.close(fd)
    linux.mount(source, path, flags=linux.MS_BIND)


def _written(path: str) -> SpaceAlias | None:
    """Whose the name was to be, by what its file says; None: that is not known, or it is gone."""
    try:
        with open(path, "rb") as file:
            return SpaceAlias.parse(file.read(LONGEST).decode(errors="replace"))
    except OSError:  # gone, or a namespace's meanwhile, which can't be read
        return None
