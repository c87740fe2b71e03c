"""A small lab on a real Docker engine, driven through the provider's hooks as core drives it."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from labprov import identity
from labprov.engine import (
    BridgeType,
    Far,
    Joined,
    NodeSpec,
    Observed,
    ObservedInterface,
    ObservedNode,
    Port,
    Result,
    Scope,
)
from labprov.errors import LabprovError
from labprov.events import Event
from labprov.host import Host
from labprov.model import Endpoint, Node, Topology
from labprov_docker.client import client
from labprov_docker.labs import labprov_prepare_lab, labprov_remove_lab
from labprov_docker.nodes import (
    labprov_create_nodes,
    labprov_remove_nodes,
    labprov_start_nodes,
    labprov_stop_nodes,
)
from labprov_docker.observing import labprov_observe
from labprov_docker.output import labprov_logs
from labprov_docker.ports import labprov_plug
from labprov_docker.running import labprov_exec
from tests.engines.netns.rig import mac_of

BUSYBOX = Path("/bin/busybox")
PREFIX = "lpt"
FOREVER = "sleep 1000000"


def files() -> bytes:
    """Make a tar of a root file system that is busybox under all of its names."""
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(BUSYBOX, "bin/busybox")
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
        for name in applets:
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            if name != "busybox":
                archive.addfile(entry)
    return buffer.getvalue()


def fine(outcomes: Sequence[object]) -> None:
    """See that nothing of a batch has failed."""
    assert not [str(outcome) for outcome in outcomes if isinstance(outcome, LabprovError)]


def failure(outcomes: Sequence[object], place: int = 0) -> LabprovError:
    """Give the one error of a batch, which has to be at *place*."""
    errors = [(number, item) for number, item in enumerate(outcomes) if isinstance(item, LabprovError)]
    assert [number for number, _ in errors] == [place], [str(item) for _, item in errors]
    return errors[0][1]


class Lab:
    """One lab of one workspace; every :meth:`again` is another labprov process's view of it."""

    def __init__(
        self, workspace: Path, image: str, name: str | None = None, owner: str | None = None
    ) -> None:
        self.name = name or "t" + uuid4().hex[:8]
        self.image = image
        self.workspace = workspace
        self.workspace_id = owner or uuid4().hex
        self.host = Host()
        self.heard: list[Event] = []
        self.bridge = identity.bridge_name(self.workspace_id, self.name)

    @property
    def scope(self) -> Scope:
        return Scope(
            host=self.host,
            workspace_id=self.workspace_id,
            workspace=self.workspace,
            lab=self.name,
            prefix=PREFIX,
            bridge=self.bridge,
            emit=self.heard.append,
        )

    @property
    def api(self) -> Any:
        return client(self.scope)

    def again(self) -> None:
        """Forget everything, as when labprov ends and is started anew."""
        self.host.close()
        self.host = Host()

    # -- what is wanted -----------------------------------------------------------------------------------

    def spec(
        self,
        name: str,
        *interfaces: str,
        definition: str = "d1",
        replaces: ObservedNode | None = None,
        changed: frozenset[str] | None = None,
        **keys: Any,
    ) -> NodeSpec:
        """Describe a node of that name with these interfaces, all on tag 100, and containerlab's *keys*."""
        said = {key.replace("_", "-"): value for key, value in keys.items()}
        attributes = {key: said.pop(key) for key in list(said) if key in {"cmd", "env", "hostname", "image"}}
        runtime_name = f"{PREFIX}-{self.name}-{name}"
        labels = identity.labels(
            lab=self.name,
            node=name,
            prefix=PREFIX,
            workspace=self.workspace_id,
            kind="linux",
            definition=definition,
        )
        return NodeSpec(
            node=Node(name=name, settings=said, **{"image": self.image, "cmd": FOREVER, **attributes}),
            runtime_name=runtime_name,
            holder_name=identity.holder_name(runtime_name),
            definition=definition,
            labels=labels,
            ports=tuple(self.port(f"{name}:{item}", number) for number, item in enumerate(interfaces)),
            replaces=replaces,
            changed=changed,
        )

    def port(self, end: str, index: int = 0, tag: int = 100, far: Far | None = None) -> Port:
        node, _, name = end.partition(":")
        found = Endpoint(node, name)
        joined = far or Joined(self.bridge, BridgeType.OVS)
        return Port(end=found, index=index, mac=mac_of(found), tag=tag, far=joined)

    # -- what core does -----------------------------------------------------------------------------------

    def prepare(self, *specs: NodeSpec, **mgmt: Any) -> None:
        labprov_prepare_lab(self.scope, Topology(name=self.name, nodes=tuple(s.node for s in specs), **mgmt))

    def create(self, *specs: NodeSpec) -> list[LabprovError | None]:
        self.prepare(*specs)
        return labprov_create_nodes(self.scope, specs)

    def plug(self, *specs: NodeSpec) -> None:
        fine(labprov_plug(self.scope, [port for spec in specs for port in spec.ports]))

    def start(self, *specs: NodeSpec) -> list[LabprovError | None]:
        return labprov_start_nodes(self.scope, specs)

    def deploy(self, *specs: NodeSpec) -> None:
        fine(self.create(*specs))
        self.plug(*specs)
        fine(self.start(*specs))

    def stop(self, *names: str, grace: float = 0) -> None:
        fine(labprov_stop_nodes(self.scope, [self.node(name) for name in names], grace))

    def remove(self, *names: str) -> None:
        fine(labprov_remove_nodes(self.scope, [self.node(name) for name in names]))

    def destroy(self) -> None:
        fine(labprov_remove_nodes(self.scope, self.observe().nodes))
        labprov_remove_lab(self.scope)

    def observe(self, *names: str) -> Observed:
        return labprov_observe(self.scope, frozenset(names))

    def node(self, name: str) -> ObservedNode:
        return next(node for node in self.observe().nodes if node.node == name)

    def interface(self, end: str) -> ObservedInterface:
        node, _, name = end.partition(":")
        found = self.node(node).interface(name)
        assert found is not None, f"{end} is not there"
        return found

    def run(self, name: str, *command: str, timeout: float = 60) -> Result:
        return labprov_exec(self.scope, self.node(name), command, timeout)

    def logs(self, name: str) -> str:
        return labprov_logs(self.scope, self.node(name)).decode().replace("\r", "")

    # -- the engine's own means ---------------------------------------------------------------------------

    def containers(self, role: str = "node") -> dict[str, str]:
        """The lab's containers in that role: ids by node."""
        labels = [f"labprov.lab={self.name}", f"labprov.role={role}"]
        found = self.api.containers(all=True, filters={"label": labels})
        return {item["Labels"]["labprov.node"]: item["Id"] for item in found}

    def id(self, name: str, role: str = "node") -> str:
        return self.containers(role)[name]

    def leftovers(self) -> list[str]:
        """Everything of the lab that the engine and Open vSwitch hold."""
        label = {"label": [f"labprov.workspace={self.workspace_id}"]}
        found = [item["Names"][0] for item in self.api.containers(all=True, filters=label)]
        found += [item["Name"] for item in self.api.networks(filters=label)]
        for table in ("port", "bridge"):
            words = ("--bare", "--columns=name", "find", table)
            found += ovs(*words, f'external_ids:"labprov.workspace"={self.workspace_id}').split()
        return found


def ovs(*words: str) -> str:
    """Ask Open vSwitch with its own tool."""
    return subprocess.run(["ovs-vsctl", *words], capture_output=True, text=True, check=True).stdout
