"""What the provider is, whether it can work here, and what would bite."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from http.client import HTTPConnection, HTTPException
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import frozen

from labprov import wires
from labprov.engine import Capability, Join, Problem, ProviderInfo, Scope
from labprov.errors import LabprovError, Unavailable
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov_docker.address import NAME, Address, address
from labprov_docker.client import NO_LIBRARY, open_client
from labprov_docker.container import NODE_KEYS
from labprov_docker.delays import KEY as DELAY
from labprov_docker.translation import NOT_REACHED, translated, unreachable

ANSWER_WITHIN = 3.0  # seconds; a daemon that works answers in some milliseconds

CAPABILITIES = frozenset(
    {
        Capability.FRAMES,
        Capability.IP,
        Capability.PROCESSES,
        Capability.EXTERNAL_RESTART,
        Capability.ENGINE_RESTART,
        Capability.SHARED_BRIDGE,
        Capability.CARRIER,
        Capability.CONSOLE,
        Capability.JSON_STORE,
    }
)

_ROOTLESS = "name=rootless"
_NO_SOCKET = "There is no Docker engine here: install one (docker.io, docker-ce), or set DOCKER_HOST."


@frozen(kw_only=True)
class Engine:
    """The engine as it says itself, and whether this process can lay hands on its containers.

    :param links: None if links can be made; else the reason and remedy why not.
    :param local: whether the engine's processes are this machine's, in ``/proc``.
    """

    version: str = ""
    links: LabprovError | None = None
    local: bool = False

    @property
    def can_enter(self) -> bool:
        """Whether this process may look into the network namespaces of its containers."""
        return self.local and os.geteuid() == 0


class _UnixConnection(HTTPConnection):
    """HTTP over the Unix socket at *path*."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_WITHIN)
        self.sock.connect(self._path)

    def listener(self) -> int:
        """The process that listens at the other end, as this one numbers it; 0 if it can't be seen."""
        credentials = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])


@hookimpl
def labprov_provider_info(host: Host) -> ProviderInfo:
    """Ask the engine for its version, in one request and without the library."""
    present, problem, engine = True, None, Engine()
    try:
        where = address(host)
        present = where.socket is None or os.path.exists(where.socket)
        engine = look(host, where)
    except LabprovError as error:
        problem = error
    return ProviderInfo(
        name=NAME,
        version=_version(),
        engine="Docker",
        engine_version=engine.version,
        joins=frozenset({Join.BRIDGE, Join.HOST} if problem is None and engine.links is None else ()),
        capabilities=CAPABILITIES,
        node_keys=NODE_KEYS | {DELAY},
        present=present,
        reason=problem.message if problem else None,
        remedy=problem.remedy if problem else None,
        no_links=engine.links,
    )


def _version() -> str:
    try:
        return version("labprov-docker")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def look(host: Host, where: Address) -> Engine:
    """What can be said of the engine at *where*.

    :raises Unavailable: it does not answer, or the library to work with it is missing.
    """
    if where.socket is None:
        _check_library()
        return _remote(host, where)
    said, listener = _info(where.socket)
    _check_library()
    local = listener != 0 and said.get("KernelVersion") == os.uname().release
    return Engine(
        version=str(said.get("ServerVersion") or ""),
        links=_links(host, where, said, local),
        local=local,
    )


def _check_library() -> None:
    if find_spec("docker") is None:
        raise Unavailable("the Python library docker is missing", provider=NAME, remedy=NO_LIBRARY)


def _info(path: str) -> tuple[Mapping[str, Any], int]:
    """What the engine at a Unix socket says of itself, and the process that listens there."""
    if not os.path.exists(path):
        raise Unavailable(f"no Docker engine is at {path}", provider=NAME, remedy=_NO_SOCKET)
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/info")
        listener = connection.listener()
        said = json.loads(connection.getresponse().read())
    except OSError as error:
        raise unreachable(error) from error
    except (HTTPException, ValueError) as error:
        raise _nonsense(path) from error
    finally:
        connection.close()
    if not isinstance(said, dict) or not said.get("ServerVersion"):
        raise _nonsense(path)
    return said, listener


def _nonsense(path: str) -> Unavailable:
    return Unavailable(
        f"what answers at {path} does not answer as a Docker engine does", provider=NAME, remedy=NOT_REACHED
    )


def _remote(host: Host, where: Address) -> Engine:
    """An engine that the library alone knows how to reach: over TCP, TLS or ssh."""
    with translated():
        said = open_client(host).info()
    return Engine(version=str(said.get("ServerVersion") or ""), links=_elsewhere(where))


def _elsewhere(where: Address) -> LabprovError:
    return Unavailable(
        f"links can't be made: the Docker engine at {where.url} is not on this machine",
        provider=NAME,
        remedy="Run labprov on the engine's machine, as root.",
    )


def _links(host: Host, where: Address, said: Mapping[str, Any], local: bool) -> LabprovError | None:
    """Why links can't be made; None if they can."""
    if not local:
        return _elsewhere(where)
    if _ROOTLESS in (said.get("SecurityOptions") or ()):
        return Unavailable(
            "links can't be made: the Docker engine is a rootless one, and Open vSwitch is root's",
            provider=NAME,
            remedy="Use an engine that root runs, or the provider netns.",
        )
    if os.geteuid() != 0:
        return Unavailable(
            "links can't be made: only root can make them", provider=NAME, remedy="Run labprov as root."
        )
    return wires.ovs_problem(host)


def engine(scope: Scope) -> Engine:
    """As :func:`look`, once for an operation.

    :raises Unavailable: the engine does not answer.
    """
    return scope.host.connection("docker-engine", lambda: nullcontext(look(scope.host, address(scope.host))))


# ---------------------------------------------------------------------------------------------------------
# What would bite


@hookimpl
def labprov_check(host: Host) -> Sequence[Problem]:
    """The engine, the host's firewall where links pass it, and Open vSwitch."""
    found: list[Problem] = []
    try:
        where = address(host)
        engine = look(host, where)
    except LabprovError as error:
        return [Problem(what=error.message, remedy=error.remedy or "", serious=_is_wanted(host))]
    if engine.can_enter:
        found += [*_firewall(), *wires.ovs_check(host)]
    if engine.links is not None and engine.links.message not in [problem.what for problem in found]:
        found.append(Problem(what=engine.links.message, remedy=engine.links.remedy or ""))
    return found


def _is_wanted(host: Host) -> bool:
    """Whether somebody has said that there is an engine: where none is, nothing fails for that."""
    try:
        where = address(host)
    except LabprovError:
        return True
    return where.source != "default" or bool(where.socket and os.path.exists(where.socket))


_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_DROPPED = re.compile(r"^-P FORWARD DROP$", re.MULTILINE)


def _firewall() -> list[Problem]:
    """Docker's FORWARD policy also stops frames that cross Linux bridges, where br_netfilter is on."""
    try:
        filtered = _BRIDGE_FILTER.read_text().strip() == "1"
    except FileNotFoundError:
        return []
    iptables = shutil.which("iptables")
    if not filtered or iptables is None:
        return []
    shown = subprocess.run([iptables, "--list-rules", "FORWARD"], capture_output=True, text=True, check=False)
    if not _DROPPED.search(shown.stdout):
        return []
    return [
        Problem(
            what="Docker's firewall drops what crosses the host's Linux bridges (FORWARD policy DROP,"
            " br_netfilter)",
            remedy="Labs' own links are not concerned. For nodes of kind bridge: iptables -I DOCKER-USER -m"
            " physdev --physdev-is-bridged -j ACCEPT, or sysctl -w net.bridge.bridge-nf-call-iptables=0.",
            serious=False,
        )
    ]
