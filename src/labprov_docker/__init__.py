"""The Docker provider of labprov. This version says what it finds, and runs nothing yet.

It implements no hook but :func:`labprov_provider_info`: whatever else is asked of it, labprov answers with
:class:`labprov.NotSupported`.
"""

from __future__ import annotations

import json
import os
import socket
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version

from labprov.engine import ProviderInfo
from labprov.hookspecs import hookimpl
from labprov.host import Host

DEFAULT_URL = "unix:///var/run/docker.sock"
ANSWER_WITHIN = 0.5  # seconds; a daemon that works answers in a few milliseconds


class _UnixConnection(HTTPConnection):
    """HTTP over the Unix socket at *path*."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_WITHIN)
        self.sock.connect(self._path)


def _engine_version(path: str) -> str | None:
    """The version of the daemon at the Unix socket *path*, None where none answers there."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/version")
        found = json.loads(connection.getresponse().read())["Version"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
    return str(found)


def _finding(url: str) -> tuple[str, str]:
    """What is known of the daemon at *url*: its version (or nothing), and a sentence for people."""
    if not url.startswith("unix://"):
        return "", f"The Docker daemon at {url} was not asked: this version looks at Unix sockets only."
    found = _engine_version(url.removeprefix("unix://"))
    if found is None:
        return "", f"No Docker daemon answers at {url}, or this user may not ask it."
    return found, f"A Docker daemon, version {found}, answers at {url}."


@hookimpl
def labprov_provider_info(host: Host) -> ProviderInfo:
    """Unavailable, whatever the host has; the remedy also tells whether a daemon answers."""
    url = host.options.get("docker_url") or os.environ.get("DOCKER_HOST") or DEFAULT_URL
    engine_version, finding = _finding(url)
    return ProviderInfo(
        name="docker",
        version=version("labprov-docker"),
        engine="Docker",
        engine_version=engine_version,
        present=False,  # whatever the engine holds, nothing of it can be this version's
        reason="this version of labprov-docker can't run containers yet",
        remedy=f"Use a later version, or the provider netns for nodes without an image. {finding}",
    )
