"""The contract suite's hands on this provider.

Nodes of the suite run the host's own programs: their image has nothing but links, and ``/usr`` is the
host's. So they have a shell, Python and ``ip`` where the host has, and no registry is needed.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve

from labprov.engine import Namespace, ObservedNode, Scope
from labprov.errors import EngineFailure, LabprovError, NotSupported
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint, Node
from labprov.wires import no_place
from labprov.wires.lending import SpaceHarness
from labprov_docker.address import NAME, address
from labprov_docker.client import client
from labprov_docker.containers import pods_of_lab
from labprov_docker.places import places
from labprov_docker.translation import translated

REPOSITORY, TAG = "labprov/contract", "1"
IMAGE = f"{REPOSITORY}:{TAG}"
WAIT = """sh -c 'trap "exit 0" TERM; while :; do sleep 3600 & wait; done'"""
"""Waits, and ends at once when it is asked to, as a daemon that restarts asks."""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BACK_WITHIN = 90.0
"""Seconds until an engine that was restarted answers again."""
_FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var")


def _archive() -> bytes:
    """A root file system with the host's own links into ``/usr``, and empty folders."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in _FOLDERS:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(entry)
        for path in _unmerged(merged=True):
            entry = tarfile.TarInfo(path.name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{path.name}"
            tar.addfile(entry)
    return file.getvalue()


def _unmerged(*, merged: bool) -> list[Path]:
    """The folders with programs and libraries beside /usr: links into it, or folders of their own."""
    found = [Path("/", name) for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")]
    return [path for path in found if path.exists() and path.is_symlink() == merged]


class DockerHarness(SpaceHarness):
    """Accidents as Docker's and Open vSwitch's own tools make them."""

    def __init__(self) -> None:
        self._foreign: dict[str, str] = {}
        self._before: str | None = None
        self._refusing: tuple[socket.socket, tempfile.TemporaryDirectory[str]] | None = None

    def node(self, name: str) -> Node:
        """A container with the host's programs, which waits."""
        shared = ["/usr", *map(str, _unmerged(merged=False))]
        return Node(
            name=name,
            provider=NAME,
            image=IMAGE,
            cmd=WAIT,
            binds=tuple(f"{path}:{path}:ro" for path in shared),
        )

    def changed(self, node: Node) -> Node:
        """The same with something in its environment."""
        return evolve(node, env={**node.env, "CHANGED": "1"})

    def place(self, scope: Scope, end: Endpoint) -> Namespace:
        """The pod's network namespace."""
        found = places(scope, pods_of_lab(scope), [end.node])
        if end.node not in found:
            raise no_place(scope, end)
        return found[end.node]

    def kill_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the process, as the OOM killer would, and wait until the engine has noticed."""
        super().kill_node(scope, node)
        with translated(lab=node.lab, node=node.node):
            client(scope).wait(node.runtime_name)

    def restart_node(self, scope: Scope, node: ObservedNode) -> None:
        """``docker restart``."""
        with translated(lab=node.lab, node=node.node):
            client(scope).restart(node.runtime_name, timeout=0)

    def pause_node(self, scope: Scope, node: ObservedNode) -> None:
        """``docker pause``."""
        with translated(lab=node.lab, node=node.node):
            client(scope).pause(node.runtime_name)

    def remove_node(self, scope: Scope, node: ObservedNode) -> None:
        """``docker rm -f`` of the container and its holder."""
        pod = pods_of_lab(evolve(scope, lab=node.lab))[node.node]
        for part in pod.parts:
            with translated(lab=node.lab, node=node.node):
                client(scope).remove_container(part.id, force=True, v=True)

    def make_foreign(self, scope: Scope, runtime_name: str) -> None:
        """``docker create`` without a label."""
        with translated(lab=scope.lab):
            made = client(scope).create_container(IMAGE, shlex.split(WAIT), name=runtime_name)
        self._foreign[runtime_name] = made["Id"]

    def remove_foreign(self, scope: Scope, runtime_name: str) -> None:
        """``docker rm``, if it is still the one that was made, unlabelled and not started."""
        with translated(lab=scope.lab):
            found = client(scope).inspect_container(runtime_name)
            as_it_was = (found["Id"], found["State"]["Status"]) == (
                self._foreign.pop(runtime_name),
                "created",
            )
            if not as_it_was or found["Config"]["Labels"]:
                raise EngineFailure(f"the foreign container {runtime_name} is not as it was")
            client(scope).remove_container(runtime_name)

    def make_foreign_port(self, scope: Scope, bridge: str, tag: int) -> None:
        """``ovs-vsctl add-port``."""
        _ovs("add-port", bridge, _foreign_port(tag), f"tag={tag}", "--", *_internal(tag))

    def remove_foreign_port(self, scope: Scope, bridge: str, tag: int) -> None:
        """``ovs-vsctl del-port``, if it has its tag and no label."""
        found = _ovs("get", "Port", _foreign_port(tag), "tag", "external_ids").split()
        if found != [str(tag), "{}"]:
            raise EngineFailure(f"the foreign port {_foreign_port(tag)} is not as it was: {found}")
        _ovs("del-port", bridge, _foreign_port(tag))

    def break_engine(self, scope: Scope) -> None:
        """Lead this process to a socket that refuses every connection; the daemon is left in peace."""
        folder = tempfile.TemporaryDirectory()
        refusing = socket.socket(socket.AF_UNIX)
        refusing.bind(f"{folder.name}/docker.sock")
        self._refusing = (refusing, folder)
        self._before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = f"unix://{folder.name}/docker.sock"
        scope.host.close()

    def mend_engine(self, scope: Scope) -> None:
        """Lead it back."""
        if self._refusing is None:
            return
        refusing, folder = self._refusing
        self._refusing = None
        os.environ.pop("DOCKER_HOST", None)
        if self._before is not None:
            os.environ["DOCKER_HOST"] = self._before
        refusing.close()
        folder.cleanup()
        scope.host.close()

    def engine_accidents(self) -> dict[str, Callable[[Scope], None]]:
        """A restart of each daemon, and a bridge that somebody deletes."""
        return {
            "the Docker daemon was restarted": _restart_docker,
            "Open vSwitch was restarted": _restart_switch,
            "the bridge was deleted": _delete_bridge,
        }

    def leftovers(self, scope: Scope) -> set[str]:
        """Containers, networks and volumes by their labels; ports, bridges and devices; files."""
        labels = [f"labprov.lab={scope.lab}", f"labprov.workspace={scope.workspace_id}"]
        api = client(scope)
        with translated(lab=scope.lab):
            found = {
                f"container {item['Names']}" for item in api.containers(all=True, filters={"label": labels})
            }
            found |= {f"network {item['Name']}" for item in api.networks(filters={"label": labels})}
            volumes = api.volumes(filters={"label": labels})["Volumes"] or ()
            found |= {f"volume {item['Name']}" for item in volumes}
        return found | _on_switch(scope) | _devices(scope) | _files(scope)


def _foreign_port(tag: int) -> str:
    return f"foreign{tag}"


def _internal(tag: int) -> list[str]:
    return ["set", "Interface", _foreign_port(tag), "type=internal"]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailure(f"{shlex.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _ovs(*words: str) -> str:
    return _run("ovs-vsctl", "--timeout=30", *words)


def _on_switch(scope: Scope) -> set[str]:
    wanted = [f"external_ids:labprov.lab={scope.lab}", f"external_ids:labprov.workspace={scope.workspace_id}"]
    found = set()
    for table in ("Port", "Bridge"):
        names = _ovs("--bare", "--columns=name", "find", table, *wanted).split()
        found |= {f"{table.lower()} {name}" for name in names}
    return found


def _devices(scope: Scope) -> set[str]:

    links: list[dict[str, Any]] = json.loads(_run("ip", "-json", "link", "show"))
    return {
        f"device {link['ifname']}" for link in links if link.get("ifalias", "").startswith(f"lp {scope.lab}/")
    }


def _files(scope: Scope) -> set[str]:
    folders = (scope.workspace / name / (scope.lab or "") for name in ("disks", "logs"))
    return {f"folder {folder}" for folder in folders if folder.exists()}


def _restart(variable: str, usual: str) -> None:
    """Run the command in *variable*, or else systemd's."""
    subprocess.run(["sh", "-c", os.environ.get(variable) or usual], check=True, capture_output=True)


def _restart_docker(scope: Scope) -> None:
    """Restart the daemon; return when the old one has gone and the new one answers."""
    path = address(scope.host).socket
    if path is None:
        raise NotSupported("only a daemon on this host can be restarted")
    with socket.socket(socket.AF_UNIX) as watching:
        watching.connect(path)
        _restart("LABPROV_RESTART_DOCKER", "systemctl restart docker")
        watching.settimeout(BACK_WITHIN)
        watching.recv(1)  # it closes the connection when it ends
    scope.host.close()
    until = time.monotonic() + BACK_WITHIN
    while True:
        try:
            with translated():
                client(scope).ping()
            return
        except LabprovError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)  # a socket that does not listen yet can't be waited for


def _switch_process() -> str:
    return _run("ovs-appctl", "-t", "ovs-vswitchd", "--timeout=5", "version") and _run(
        "sh", "-c", 'cat "${OVS_RUNDIR:-/var/run/openvswitch}/ovs-vswitchd.pid"'
    )


def _restart_switch(scope: Scope) -> None:
    """Restart the switch; return when another process answers."""
    before = _switch_process()
    _restart("LABPROV_RESTART_OVS", "systemctl restart openvswitch-switch")
    until = time.monotonic() + BACK_WITHIN
    while True:
        try:
            if _switch_process() != before:
                return
        except EngineFailure:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)  # it has no means to tell that it is back


def _delete_bridge(scope: Scope) -> None:
    _ovs("del-br", scope.bridge)


@hookimpl
def labprov_harness(scope: Scope) -> DockerHarness:
    """Make the suite's image, once, and lend the hands."""
    api = client(scope)
    with translated():
        if not api.images(name=IMAGE):
            api.import_image_from_data(_archive(), repository=REPOSITORY, tag=TAG, changes=[f"ENV {PATH}"])
    return DockerHarness()
