"""What the provider is, whether it can work here, and what would bite."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from labprov import wires
from labprov.engine import Capability, Join, Problem, ProviderInfo
from labprov.errors import LabprovError, Unavailable
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.wires.switches import denied

NAME = "netns"

CAPABILITIES = frozenset(
    {
        Capability.FRAMES,
        Capability.IP,
        Capability.PROCESSES,
        Capability.EXTERNAL_RESTART,
        Capability.CARRIER,
        Capability.CONSOLE,
        Capability.JSON_STORE,
    }
)

NODE_KEYS = frozenset({"kind", "cmd", "entrypoint", "env", "binds", "exec", "hostname", "sysctls", "labels"})

_NET_ADMIN, _SYS_ADMIN = 12, 21


@hookimpl
def labprov_provider_info(host: Host) -> ProviderInfo:
    """Linux with the privileges, or with user namespaces for everybody."""
    problem = _unavailable()
    # a plain user may have pairs only, whatever there is
    no_switch = wires.ovs_problem(host) if os.geteuid() == 0 else None
    return ProviderInfo(
        name=NAME,
        version=_version(),
        engine="linux",
        engine_version=platform.release(),
        joins=_joins(no_switch),
        capabilities=CAPABILITIES,
        node_keys=NODE_KEYS,
        runs_images=False,
        present=problem is None,  # where this user may make no namespaces, none of its labs can exist
        reason=problem.message if problem else None,
        remedy=problem.remedy if problem else None,
        no_links=no_switch,
    )


def _joins(no_switch: LabprovError | None) -> frozenset[Join]:
    """Pairs for everybody; what ends on the host or on its switch for root, where there is a switch."""
    if os.geteuid() != 0:
        return frozenset({Join.PAIR})
    bridged = {Join.BRIDGE} if no_switch is None else set()
    return frozenset({Join.PAIR, Join.HOST, *bridged})


def _version() -> str:
    try:
        return version("labprov")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def _unavailable() -> LabprovError | None:
    if sys.platform != "linux":
        return Unavailable("network namespaces exist on Linux only", remedy="Use a Linux machine.")
    if shutil.which("nsenter") is None:
        return Unavailable("nsenter is missing", remedy="Install util-linux.")
    return _without_privileges() if os.geteuid() == 0 else _without_user_namespaces()


def _without_privileges() -> LabprovError | None:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("CapEff:"))
    have = int(line.split()[1], 16)
    if have >> _NET_ADMIN & 1 and have >> _SYS_ADMIN & 1:
        return None
    return Unavailable(
        "this root has not the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN",
        remedy="Run the container that this is in with --privileged.",
    )


def _without_user_namespaces() -> LabprovError | None:
    """Try it: what a distribution's security module thinks of it can't be read anywhere."""
    command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "true"]
    try:
        tried = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        return Unavailable(
            f"unshare can't be run: {error.strerror}", remedy="Install util-linux; see this process's limits."
        )
    return denied(tried.stderr.decode(errors="replace").strip()) if tried.returncode else None


@hookimpl
def labprov_check(host: Host) -> Sequence[Problem]:
    """Only what hinders this provider; its links never touch the host's own network."""
    problem = _unavailable()
    found = [Problem(what=problem.message, remedy=problem.remedy or "")] if problem else []
    if os.geteuid() != 0 and problem is None:
        found.append(
            Problem(
                what="labs of an unprivileged user can't be linked to the host or to its bridges",
                remedy="Run labprov as root for links to the host.",
                serious=False,
            )
        )
    return found
