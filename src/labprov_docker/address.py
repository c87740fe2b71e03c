"""Where the engine is: found without the library, which takes half a second to import."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from labprov.errors import Unavailable
from labprov.host import Host

NAME = "docker"
"""This provider's name."""
OPTION = "docker_url"
DEFAULT_URL = "unix:///var/run/docker.sock"
DEFAULT_CONTEXT = "default"
_UNIX = ("unix://", "http+unix://")


@frozen
class Address:
    """The engine's address.

    :param url: as ``DOCKER_HOST`` has it.
    :param source: who said so: ``docker_url``, ``DOCKER_HOST``, ``context NAME``, or ``default``.
    :param context: the docker context that it comes from; empty where none is.
    """

    url: str
    source: str
    context: str = ""

    @property
    def socket(self) -> str | None:
        """The path of the Unix socket, None where it is reached in another way."""
        for scheme in _UNIX:
            if self.url.startswith(scheme):
                return "/" + self.url.removeprefix(scheme).lstrip("/")
        return None

    @property
    def environment(self) -> dict[str, str]:
        """What a child process must have in its environment to reach the same engine."""
        if self.context:
            return {"DOCKER_CONTEXT": self.context}
        return {"DOCKER_HOST": self.url}


def address(host: Host) -> Address:
    """The address in the order in which everybody looks: option, DOCKER_HOST, context, the usual socket.

    :raises Unavailable: the context in use is not there, or can't be read.
    """
    if url := host.options.get(OPTION):
        return Address(url, OPTION)
    if url := os.environ.get("DOCKER_HOST"):
        return Address(url, "DOCKER_HOST")
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser())
    context = os.environ.get("DOCKER_CONTEXT") or _current(folder)
    if context and context != DEFAULT_CONTEXT:
        return Address(_url(folder, context), f"context {context}", context)
    return Address(DEFAULT_URL, "default")


def _current(folder: Path) -> str:
    """The context that ``docker context use`` chose; "" for none."""
    found = _read(folder / "config.json")
    return "" if found is None else str(found.get("currentContext") or "")


def _url(folder: Path, context: str) -> str:
    digest = hashlib.sha256(context.encode()).hexdigest()
    path = folder / "contexts" / "meta" / digest / "meta.json"
    found = _read(path)
    if found is None:
        raise Unavailable(
            f"there is no docker context {context!r}",
            provider=NAME,
            remedy="See `docker context ls`; choose one with `docker context use`, or set DOCKER_HOST.",
        )
    try:
        return str(found["Endpoints"][NAME]["Host"])
    except (KeyError, TypeError) as error:
        raise _unreadable(path, "it names no engine") from error


def _read(path: Path) -> Mapping[str, Any] | None:
    """A file of docker's; None where there is none.

    :raises Unavailable: it can't be read: which engine is meant is then unknown.
    """
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(found, dict):
        raise _unreadable(path, "it is no JSON object")
    return found


def _unreadable(path: Path, why: str) -> Unavailable:
    return Unavailable(
        f"docker's file {path} can't be read: {why}",
        provider=NAME,
        remedy="Correct it, or set DOCKER_HOST.",
    )
