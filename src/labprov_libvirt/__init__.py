"""The libvirt provider of labprov. This version says what it finds, and runs nothing yet.

It implements no hook but :func:`labprov_provider_info`: whatever else is asked of it, labprov answers with
:class:`labprov.NotSupported`.
"""

from __future__ import annotations

import socket
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from labprov.engine import ProviderInfo
from labprov.hookspecs import hookimpl
from labprov.host import Host

DEFAULT_URI = "qemu:///system"
SOCKETS = (Path("/run/libvirt/virtqemud-sock"), Path("/run/libvirt/libvirt-sock"))
"""Where the system's daemon listens: the modular one of QEMU, and the older one for all drivers."""
ANSWER_WITHIN = 0.5  # seconds


def _listens(path: Path) -> bool:
    """Whether a daemon takes connections at the Unix socket *path*."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_WITHIN)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _daemon(uri: str) -> str:
    """A sentence on the daemon behind *uri*."""
    parts = urlsplit(uri)
    given = parse_qs(parts.query).get("socket")
    if parts.netloc or (parts.path != "/system" and not given):
        return f"Whether a daemon answers at {uri} was not asked."
    if any(map(_listens, map(Path, given or SOCKETS))):
        return f"A libvirt daemon listens for {uri}."
    return f"No libvirt daemon listens for {uri}, or this user may not ask it."


def _library() -> str:
    """A sentence on the Python library."""
    if find_spec("libvirt") is None:
        return "The Python library libvirt-python is not installed."
    return f"The Python library libvirt-python {version('libvirt-python')} is installed."


@hookimpl
def labprov_provider_info(host: Host) -> ProviderInfo:
    """Unavailable, whatever the host has; the remedy also tells of the daemon and the library."""
    finding = f"{_daemon(host.options.get('libvirt_uri') or DEFAULT_URI)} {_library()}"
    return ProviderInfo(
        name="libvirt",
        version=version("labprov-libvirt"),
        engine="libvirt",
        present=False,  # whatever the engine holds, nothing of it can be this version's
        reason="this version of labprov-libvirt can't run virtual machines yet",
        remedy=f"Use a later version, or the provider netns for nodes without an image. {finding}",
    )
