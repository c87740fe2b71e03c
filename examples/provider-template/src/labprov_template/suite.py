"""The contract suite's hands on this engine: accidents, and frames. None of it goes through the hooks."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import evolve

from labprov.engine import ObservedNode, Scope
from labprov.errors import ForeignResource
from labprov.harness import Harness
from labprov.model import Endpoint, Node
from labprov_template.engine import Engine, Machine, end, root


class TemplateHarness(Harness):
    """See :class:`labprov.harness.Harness`; what is not claimed is not here."""

    def node(self, name: str) -> Node:
        """Anything that goes on running will do."""
        return Node(name=name, cmd="sleep infinity")

    def changed(self, node: Node) -> Node:
        """Another command can't change in place."""
        return evolve(node, cmd="sleep 1000000")

    def kill_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the process as anybody might."""
        if node.process is not None:
            end(node.process, 0)

    def remove_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill it and delete its folder."""
        self.kill_node(scope, node)
        shutil.rmtree(root() / node.runtime_name)

    def make_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Make a node without labels."""
        (root() / runtime_name).mkdir(parents=True)
        Engine().write(runtime_name, {"labels": {}, "power": "never", "process": None, "ports": {}})

    def remove_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Remove it, if nobody has laid hands on it."""
        if runtime_name not in Engine().names() or Engine().read(runtime_name)["labels"]:
            raise ForeignResource(f"{runtime_name} is not as it was made")
        shutil.rmtree(root() / runtime_name)

    def break_engine(self, scope: Scope) -> None:
        """Let every query fail; processes run on."""
        (root() / ".broken").touch()

    def mend_engine(self, scope: Scope) -> None:
        """Let it answer again."""
        (root() / ".broken").unlink()

    def leftovers(self, scope: Scope) -> set[str]:
        """Folders with the lab's label, and logs."""
        mine = {"labprov.lab": scope.lab, "labprov.workspace": scope.workspace_id}
        folders = {name for name in Engine().names() if mine.items() <= Engine().read(name)["labels"].items()}
        return folders | {str(path) for path in (scope.workspace / "logs" / (scope.lab or "")).rglob("*")}

    @contextmanager
    def listen(self, scope: Scope, end: Endpoint) -> Iterator[Callable[[float], list[bytes]]]:
        """Hear a port: a frame is there as soon as it was sent, so there is nothing to wait for."""
        spool = root() / Engine().find(scope, end.node) / f"{end.interface}.{uuid.uuid4().hex}.heard"
        spool.touch()
        told = 0

        def heard(seconds: float) -> list[bytes]:
            nonlocal told
            frames = [bytes.fromhex(line) for line in spool.read_text().split()]
            new, told = frames[told:], len(frames)
            return new

        try:
            yield heard
        finally:
            spool.unlink(missing_ok=True)

    def send(self, scope: Scope, end: Endpoint, frame: bytes) -> None:
        """Hand a frame to every port that the engine's own files join with this one."""
        sender = Engine().read(Engine().find(scope, end.node))["ports"][end.interface]
        for name in Engine().names():
            machine = Engine().read(name)
            labels = machine["labels"]
            if (labels.get("labprov.lab"), labels.get("labprov.workspace")) != (
                scope.lab,
                scope.workspace_id,
            ):
                continue
            for port, its in machine["ports"].items():
                other = Endpoint(labels["labprov.node"], port)
                if other != end and _joined(sender, end, its, other):
                    for spool in (root() / name).glob(f"{port}.*.heard"):
                        with spool.open("a") as file:
                            file.write(f"{frame.hex()}\n")


def _joined(a: Machine, end_a: Endpoint, b: Machine, end_b: Endpoint) -> bool:
    """Whether two ports hear each other: a pair that names each other, or one bridge and one tag."""
    if a["far"][0] == "bridge":
        return bool(a["far"] == b["far"] and a["tag"] == b["tag"])
    return bool(a["far"] == ["peer", str(end_b)] and b["far"] == ["peer", str(end_a)])
