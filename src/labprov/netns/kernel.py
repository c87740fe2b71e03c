"""What the kernel holds, read without the helper: with iproute2 and in ``/proc``, for the contract suite.

The suite asks here what a lab has left behind, so that a thing which the helper has lost sight of is found.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

from labprov.engine import Scope
from labprov.errors import EngineFailure
from labprov.netns import naming
from labprov.wires import holder
from labprov.wires.alias import PortAlias, SpaceAlias
from labprov.wires.processes import read
from labprov.wires.rootfs import has_mark

Links = dict[str, str]
"""Aliases by interface."""

LIST = """
for path in /run/netns/*; do
    inode=$(stat --dereference --format %i "$path" 2>&-) || continue
    links=$(nsenter --net="$path" ip -json link show 2>&-) || links='[]'
    printf '%s %s %s\\n' "${path##*/}" "$inode" "$(echo $links)"
done
"""


def namespaces(scope: Scope) -> list[tuple[str, int, Links]]:
    """Every named namespace: name, inode, interfaces; a name with no namespace on it has none of these."""
    lines = (line.split(" ", 2) for line in _inside(scope, "sh", "-c", LIST).splitlines())
    return [(name, int(inode), _links(shown)) for name, inode, shown in lines]


def _inside(scope: Scope, *command: str) -> str:
    """The output of a command run where the workspace's namespaces have their names; "" if nowhere."""
    if os.geteuid() == 0:
        return _run(command)
    pid = holder.find(scope.workspace_id)
    return "" if pid is None else _run(_enter(pid, *command))


def _enter(pid: int, *command: str) -> list[str]:
    user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--mount"]
    return ["nsenter", f"--target={pid}", *user, "--net", "--", *command]


def _run(command: list[str] | tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailure(f"{command[0]} failed: {done.stderr.strip()}", remedy="Install iproute2.")
    return done.stdout


def _links(shown: str) -> Links:
    return {link["ifname"]: link.get("ifalias", "") for link in json.loads(shown or "[]")}


def first_processes(scope: Scope) -> dict[int, int]:
    """The first processes of nodes, of whatever lab: pid by inode of the network namespace."""
    return {inode: pid for pid in _pids() if (inode := _namespace(pid))}


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _namespace(pid: int) -> int | None:
    """The inode of its network namespace, if it is a node's first process."""
    try:
        numbers = read(pid, "status").partition(b"\nNSpid:")[2].partition(b"\n")[0].split()
        if len(numbers) < 2 or numbers[-1] != b"1" or not has_mark(read(pid, "mountinfo")):
            return None
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # gone, or another user's
        return None


def started_with(pid: int) -> dict[str, Any]:
    """What a node's first process was started with, as far as the kernel tells: no binds, no sysctls."""
    words = [os.fsdecode(word) for word in read(pid, "cmdline").split(b"\0")[:-1]]
    pairs = (os.fsdecode(entry).partition("=") for entry in read(pid, "environ").split(b"\0")[:-1])
    env = {name: value for name, _, value in pairs}
    return {"argv": words, "env": env, "hostname": env["HOSTNAME"], "binds": [], "sysctls": {}}


def leftovers(scope: Scope) -> set[str]:
    """All that belongs to the lab: names for people."""
    named = namespaces(scope)
    found = {f"namespace {name}" for name, _, links in named if _is_of(scope, links.get("lo", ""))}
    found |= {f"name {name} of no namespace" for name, _, links in named if not links and _like(scope, name)}
    found |= {f"interface {name}" for name, alias in _home(scope).items() if _is_port(scope, alias)}
    known = {inode for _, inode, _ in named}
    for inode, pid in first_processes(scope).items():
        if inode not in known and _is_of(scope, _lost(pid).get("lo", "")):
            found.add(f"process {pid} in a namespace without a name")
    logs = naming.logs(scope, scope.lab or "")
    return found | ({f"folder {logs}"} if logs.exists() else set())


def _is_of(scope: Scope, alias: str) -> bool:
    owner = SpaceAlias.parse(alias)
    return owner is not None and (owner.lab, owner.workspace) == (scope.lab, scope.workspace_id)


def _like(scope: Scope, name: str) -> bool:
    return name.startswith(f"{scope.prefix}-{scope.lab}-")


def _home(scope: Scope) -> Links:
    return _links(_inside(scope, "ip", "-json", "link", "show"))


def _is_port(scope: Scope, alias: str) -> bool:
    port = PortAlias.parse(alias)
    return port is not None and port.lab == scope.lab


def _lost(pid: int) -> Links:
    """The interfaces of a process's namespace; none if it has ended just now."""
    try:
        return _links(_run(_enter(pid, "ip", "-json", "link", "show")))
    except EngineFailure:
        if _namespace(pid) is None:
            return {}
        raise
