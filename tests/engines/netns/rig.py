"""A small lab on the real kernel, driven through the provider's hooks as core drives it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from labprov import netns
from labprov.engine import (
    DEFAULT_MTU,
    Alone,
    Far,
    NodeSpec,
    Observed,
    ObservedInterface,
    ObservedNode,
    Peer,
    Port,
    Result,
    Scope,
)
from labprov.errors import LabprovError
from labprov.host import Host
from labprov.model import Endpoint, Node

ROOT = os.geteuid() == 0


def mac_of(end: Endpoint) -> str:
    """A stable, locally administered address."""
    digits = hashlib.sha256(str(end).encode()).hexdigest()
    return "02:" + ":".join(digits[i : i + 2] for i in range(0, 10, 2))


class Lab:
    """One lab of one workspace; every :meth:`again` is another labprov process's view of it."""

    def __init__(self, workspace: Path, name: str, workspace_id: str) -> None:
        self.name = name
        self.workspace = workspace
        self.workspace_id = workspace_id
        self.prefix = "lpt"
        self.nodes: dict[str, Node] = {}
        self.definition = "d1"
        self.host = Host()

    @property
    def scope(self) -> Scope:
        return Scope(
            host=self.host,
            workspace_id=self.workspace_id,
            workspace=self.workspace,
            lab=self.name,
            prefix=self.prefix,
        )

    def again(self) -> None:
        """Forget everything, as when labprov ends and is started anew."""
        self.host.close()
        self.host = Host()

    def spec(self, node: str, replaces: ObservedNode | None = None) -> NodeSpec:
        return NodeSpec(
            node=self.nodes[node],
            runtime_name=self.runtime_name(node),
            definition=self.definition,
            labels={"labprov.kind": "linux", "labprov.prefix": self.prefix},
            replaces=replaces,
        )

    def runtime_name(self, node: str) -> str:
        return f"{self.prefix}-{self.name}-{node}"

    def create(self, *nodes: Node) -> list[LabprovError | None]:
        self.nodes |= {node.name: node for node in nodes}
        return netns.labprov_create_nodes(self.scope, [self.spec(node.name) for node in nodes])

    def start(self, *nodes: str) -> list[LabprovError | None]:
        return netns.labprov_start_nodes(self.scope, [self.spec(node) for node in nodes or self.nodes])

    def up(self, *nodes: Node | str) -> None:
        """Create and start nodes; all must succeed."""
        made = [Node(name=node) if isinstance(node, str) else node for node in nodes]
        assert self.create(*made) == [None] * len(made)
        assert self.start(*(node.name for node in made)) == [None] * len(made)

    def port(self, end: str, far: str | Far, tag: int, mtu: int = DEFAULT_MTU) -> Port:
        endpoint = ep(end)
        wanted = Peer(ep(far)) if isinstance(far, str) else far
        return Port(end=endpoint, index=0, mac=mac_of(endpoint), tag=tag, far=wanted, mtu=mtu)

    def plug(self, *ports: Port) -> list[object]:
        return list(netns.labprov_plug(self.scope, list(ports)))

    def link(self, a: str, b: str, tag: int = 100, mtu: int = DEFAULT_MTU) -> None:
        """Plug both ends of a wire; it must succeed."""
        self.good(self.port(a, b, tag, mtu), self.port(b, a, tag, mtu))

    def alone(self, end: str, tag: int = 100) -> None:
        self.good(self.port(end, Alone(), tag))

    def good(self, *ports: Port) -> None:
        outcomes = self.plug(*ports)
        assert not [str(outcome) for outcome in outcomes if isinstance(outcome, LabprovError)]

    def observe(self, names: Iterable[str] = ()) -> Observed:
        return netns.labprov_observe(self.scope, frozenset(names))

    def node(self, name: str) -> ObservedNode:
        return next(node for node in self.observe().nodes if node.node == name)

    def interface(self, end: str) -> ObservedInterface:
        found = self.node(ep(end).node).interface(ep(end).interface)
        assert found is not None
        return found

    def run(self, node: str, command: str, timeout: float = 20) -> Result:
        """Run a shell command in a running node."""
        return netns.labprov_exec(self.scope, self.node(node), ["sh", "-c", command], timeout)

    def ok(self, node: str, command: str) -> str:
        result = self.run(node, command)
        assert result.exit_code == 0, (command, result)
        return result.text

    def destroy(self) -> None:
        """Remove all that there is of the lab."""
        removed = netns.labprov_remove_nodes(self.scope, self.observe().nodes)
        assert not any(removed)
        netns.labprov_remove_lab(self.scope)


def ep(text: str) -> Endpoint:
    """``r1:eth1`` as an endpoint."""
    return Endpoint(*text.split(":"))


def soon(listening: Callable[[float], list[bytes]]) -> list[bytes]:
    """What has come when the first frame has, within five seconds."""
    end = time.monotonic() + 5
    while not (heard := listening(0.01)) and time.monotonic() < end:
        pass
    return heard


def named_namespaces() -> set[str]:
    """Root's named namespaces that tests make."""
    try:
        return {name for name in os.listdir("/run/netns") if name.startswith(("lpt-", "lp-parking-"))}
    except FileNotFoundError:
        return set()


def mounts() -> set[str]:
    """Mount points of this process's own mount namespace that tests make."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {path for path in (line.split()[4] for line in lines) if "/lpt-" in path or "/lp-parking" in path}


def processes(workspace_id: str) -> set[int]:
    """Holders of a workspace, and processes whose root is a node's."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{name}/environ").read_bytes()
        except OSError:
            continue
        if f"LABPROV_HOLDER={workspace_id}".encode() in environment.split(b"\0"):
            found.add(int(name))
        if f"LABPROV_TEST={workspace_id}".encode() in environment.split(b"\0"):
            found.add(int(name))
    return found


def host_interfaces() -> set[str]:
    """The interfaces of this process's own network namespace."""
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    return {line.split(": ")[1].partition("@")[0] for line in shown.stdout.splitlines()}


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that another process brings about.

    :raises AssertionError: it does not.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
