"""What is mounted into a node: folders and files of the host, volumes, memory, devices."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from labprov.errors import InvalidInput
from labprov.model import Node
from labprov_docker.reading import mapping, texts

_EXCLUSIVE = (
    {"ro", "rw"},
    {"z", "Z"},
    {"shared", "rshared", "slave", "rslave", "private", "rprivate"},
    {"consistent", "cached", "delegated"},
    {"nocopy"},
)
"""Docker's options of a bind; of each set there can be one."""
_VOLUME_OPTIONS = {"ro", "rw", "nocopy", "volume-nocopy"}
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
_PERMISSIONS = re.compile(r"[rwm]{1,3}")


@frozen
class Bind:
    """A file or folder of the host's, as the node sees it."""

    source: str
    target: str
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Bind:
        """Read ``source:target[:options]``.

        :raises InvalidInput: it is not that, or Docker has no such options.
        """
        source, _, rest = text.partition(":")
        target, _, said = rest.partition(":")
        options = tuple(word for word in said.split(",") if word)
        if not (source.startswith("/") and _is_target(target)):
            raise InvalidInput(
                f"the bind {text!r} is not source:target[:options] with absolute paths",
                remedy="Correct the node's binds; / can't be a target.",
            )
        unknown = set(options).difference(*_EXCLUSIVE)
        if unknown or any(sum(word in few for word in options) > 1 for few in _EXCLUSIVE):
            raise InvalidInput(
                f"the bind {text!r} has options that Docker has not, or not together",
                remedy="Options are ro or rw, z or Z, rshared, rslave or rprivate, separated by commas.",
            )
        return cls(source, target, options)

    def __str__(self) -> str:
        return ":".join([self.source, self.target, *([",".join(self.options)] if self.options else [])])


def _is_target(path: str) -> bool:
    return path.startswith("/") and posixpath.normpath(path) not in ("/", "//")


def binds(node: Node) -> list[Bind]:
    """The node's binds.

    :raises InvalidInput: one of them makes no sense.
    """
    return [Bind.parse(text) for text in node.binds]


def check_sources(node: Node) -> None:
    """Look whether the binds' sources and the devices are there: Docker would make a missing one a folder.

    :raises InvalidInput: one is missing.
    """
    sources = [("bind's source", bind.source, "binds") for bind in binds(node)]
    sources += [("device", device["PathOnHost"], "devices") for device in devices(node)]
    for what, path, key in sources:
        try:
            os.stat(path)
        except PermissionError:
            continue  # this user may not look; the engine may
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InvalidInput(
                f"the {what} {path} can't be used: {reason}",
                remedy=f"Make it, or correct the node's {key}.",
            ) from error


def volumes(node: Node) -> list[dict[str, Any]]:
    """The node's volumes, in the engine's words; one without a name is the node's alone.

    :raises InvalidInput: one of them makes no sense.
    """
    return [_volume(text) for text in texts(node, "volumes")]


def _volume(text: str) -> dict[str, Any]:
    name, target, said = [*([""] if ":" not in text else []), *text.split(":"), ""][:3]
    options = {word for word in said.split(",") if word}
    wrong_name = name and not _VOLUME.fullmatch(name)
    if text.count(":") > 2 or not _is_target(target) or wrong_name or (":" in text and not name):
        raise InvalidInput(
            f"the volume {text!r} is not target or name:target[:options]",
            remedy="Correct the node's volumes; targets are absolute, paths of the host belong in binds.",
        )
    if options - _VOLUME_OPTIONS or {"ro", "rw"} <= options:
        raise InvalidInput(
            f"the volume {text!r} has options that it can't have",
            remedy="Options are ro or rw, and nocopy, separated by a comma.",
        )
    mount: dict[str, Any] = {"Type": "volume", "Target": target}
    if name:
        mount["Source"] = name
    if "ro" in options:
        mount["ReadOnly"] = True
    if options & {"nocopy", "volume-nocopy"}:
        mount["VolumeOptions"] = {"NoCopy": True}
    return mount


def tmpfs(node: Node) -> dict[str, str]:
    """File systems in memory: the options of each by its path.

    :raises InvalidInput: one of them is at no path that can be.
    """
    found = mapping(node, "tmpfs")
    for path in found:
        if not _is_target(path):
            raise InvalidInput(
                f"no tmpfs can be at {path!r}", remedy="Correct the node's tmpfs; paths are absolute."
            )
    return found


def check_targets(node: Node) -> None:
    """Look whether two things would lie at one path.

    :raises InvalidInput: they would, or one of them makes no sense.
    """
    targets: Sequence[str] = [
        *(bind.target for bind in binds(node)),
        *(volume["Target"] for volume in volumes(node)),
        *tmpfs(node),
    ]
    seen = set()
    for target in map(posixpath.normpath, targets):
        if target in seen:
            raise InvalidInput(
                f"two things are to lie at {target} in the node",
                remedy="Leave one of them out of the node's binds, volumes or tmpfs.",
            )
        seen.add(target)


def devices(node: Node) -> list[dict[str, str]]:
    """The host's devices that the node has: ``path[:path in the node[:permissions]]``, in the engine's words.

    :raises InvalidInput: one of them is not of that form.
    """
    return [_device(text) for text in texts(node, "devices")]


def _device(text: str) -> dict[str, str]:
    source, target, permissions = [*text.split(":"), "", ""][:3]
    target, permissions = target or source, permissions or "rwm"
    absolute = source.startswith("/") and target.startswith("/")
    if text.count(":") > 2 or not absolute or not _PERMISSIONS.fullmatch(permissions):
        raise InvalidInput(
            f"the device {text!r} is not path[:path in the node[:rwm]]",
            remedy="Correct the node's devices; paths are absolute.",
        )
    return {"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": permissions}
