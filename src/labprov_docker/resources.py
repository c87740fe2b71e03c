"""What of the machine a node may use: memory, processors, privileges."""

from __future__ import annotations

import re
from typing import Any

from labprov.errors import InvalidInput
from labprov.model import Node
from labprov_docker.reading import flag, text, texts
from labprov_docker.units import size

CPU_PERIOD = 100_000  # microseconds, the kernel's own default
_LEAST_CPU = 0.01  # the kernel takes no quota below a thousandth of a second
_LEAST_MEMORY = 6 * 2**20  # bytes; the engine refuses less
_CPU_SET = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", re.ASCII)
_CAPABILITY = re.compile(r"[A-Za-z_]+")
_PID_MODE = re.compile(r"host|container:[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)

LAB_CAPABILITIES = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN")
"""What a node has of which ``privileged`` is not said: enough to set interfaces up, and for routing daemons.

For containerlab such a node is privileged; with ``privileged: false`` it has what Docker gives by itself.
"""


def memory(node: Node) -> int:
    """Bytes; 0: no limit.

    :raises InvalidInput: it is no size, or less than the engine allows.
    """
    found = _size(node, "memory")
    if 0 < found < _LEAST_MEMORY:
        raise InvalidInput(
            f"a memory of {found} bytes is less than Docker allows", remedy="Give the node 6mib or more."
        )
    return found


def shm_size(node: Node) -> int:
    """Bytes of ``/dev/shm``; 0: the engine's default.

    :raises InvalidInput: it is no size.
    """
    return _size(node, "shm-size")


def _size(node: Node, key: str) -> int:
    said = node.settings.get(key)
    if isinstance(said, int) and not isinstance(said, bool) and said >= 0:
        return said
    found = text(node, key)
    try:
        return size(found) if found else 0
    except InvalidInput as error:
        raise InvalidInput(f"{key}: {error.message}", remedy=error.remedy) from error


def cpu_quota(node: Node) -> int:
    """Microseconds of each :data:`CPU_PERIOD`; 0: no limit.

    A quota, as for containerlab, and no number of processors: the engine refuses more of those than the
    machine has, and a lab written on a larger one shall run.

    :raises InvalidInput: it is no number, or too small a one.
    """
    said = node.settings.get("cpu") or 0
    if isinstance(said, bool) or not isinstance(said, int | float) or (said and not _LEAST_CPU <= said < 1e6):
        raise InvalidInput(
            f"cpu: {said!r} is no number of processors",
            remedy=f"Give the node {_LEAST_CPU} or more, or leave it.",
        )
    return int(said * CPU_PERIOD)


def cpu_set(node: Node) -> str:
    """Which processors, ``0-1,4``; ``""``: all.

    :raises InvalidInput: it is no such list.
    """
    found = text(node, "cpu-set")
    if found and not _CPU_SET.fullmatch(found):
        raise InvalidInput(f"cpu-set: {found!r} is no list of processors", remedy="Write it as 0-1,4.")
    return found


def capabilities(node: Node) -> dict[str, Any]:
    """``Privileged`` and ``CapAdd``, in the engine's words.

    :raises InvalidInput: a name that no capability can have, or a switch that is neither on nor off.
    """
    added = texts(node, "cap-add")
    for name in added:
        if not _CAPABILITY.fullmatch(name):
            raise InvalidInput(f"cap-add: {name!r} is no capability", remedy="Write it as NET_ADMIN.")
    privileged = flag(node, "privileged")
    usual = LAB_CAPABILITIES if privileged is None else ()
    return {"Privileged": privileged is True, "CapAdd": list(dict.fromkeys((*usual, *added)))}


def pid_mode(node: Node) -> str:
    """``host``, ``container:NAME``, or ``""`` for processes of its own.

    :raises InvalidInput: it is none of these.
    """
    found = text(node, "pid-mode")
    if found and not _PID_MODE.fullmatch(found):
        raise InvalidInput(f"pid-mode {found!r} is not one", remedy="There are: host, container:NAME.")
    return found


def cgroupns_mode(node: Node) -> str:
    """``host``, ``private``, or ``""`` for the engine's default.

    :raises InvalidInput: it is none of these.
    """
    found = text(node, "cgroupns-mode")
    if found not in ("", "host", "private"):
        raise InvalidInput(f"cgroupns-mode {found!r} is not one", remedy="There are: host, private.")
    return found


def runtime(node: Node) -> str:
    """The program that starts containers for the engine (``runsc``), ``""`` for the engine's default.

    For containerlab the key names the engine itself; ``docker`` is this one.

    :raises InvalidInput: it is podman.
    """
    found = text(node, "runtime")
    if found == "podman":
        raise InvalidInput(
            "the runtime podman is another engine than Docker",
            remedy="Leave it out; DOCKER_HOST can name the socket of Podman's Docker-compatible service.",
        )
    return "" if found == "docker" else found
