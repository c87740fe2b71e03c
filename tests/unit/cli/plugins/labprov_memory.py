"""A provider whose nodes are lines in a file (``$LABPROV_MEMORY``): the smallest engine that remembers.

Its "machine" knows four commands: ``echo WORDS``, ``bytes`` (an output that is no text), ``fail TEXT`` (says
it on stderr, ends with 3) and ``wait FILE`` (ends once the file is there). ``$LABPROV_MEMORY_REFUSES`` names
a node that it can't make, ``$LABPROV_MEMORY_HOLDS`` a file that it waits for when it creates; with
``$LABPROV_MEMORY_IS_SILENT`` it tells no news.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import evolve

from labprov.engine import (
    Capability,
    Join,
    Namespace,
    NodeSpec,
    NodeState,
    Observed,
    ObservedInterface,
    ObservedNode,
    Place,
    Port,
    Problem,
    ProviderInfo,
    Readiness,
    Result,
    Scope,
)
from labprov.errors import DeadlineExceeded, EngineFailure, LabprovError, NodeNotRunning, Unavailable
from labprov.events import Event, Watch
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.model import Endpoint
from labprov.news import compare

Nodes = dict[tuple[str, str, str], ObservedNode]
"""By workspace, lab and node."""


def _file() -> Path | None:
    given = os.environ.get("LABPROV_MEMORY")
    return Path(given) if given else None


def _load() -> Nodes:
    file = _file()
    nodes: Nodes = pickle.loads(file.read_bytes()) if file and file.exists() else {}
    return nodes


def _save(nodes: Nodes) -> None:
    file = _file()
    assert file is not None
    written = file.with_name(f"{file.name}.{os.getpid()}")  # somebody may read meanwhile
    written.write_bytes(pickle.dumps(nodes))
    written.replace(file)


def _change(
    scope: Scope, names: Sequence[str], change: Callable[[ObservedNode], ObservedNode | None]
) -> list[None]:
    nodes = _load()
    for name in names:
        key = (scope.workspace_id, scope.lab or "", name)
        if key in nodes:
            changed = change(nodes.pop(key))
            if changed is not None:
                nodes[key] = changed
    _save(nodes)
    return [None] * len(names)


def _wait_for(file: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return file.exists()


@hookimpl
def labprov_provider_info(host: Host) -> ProviderInfo:
    """Available wherever the file is named."""
    missing = _file() is None
    return ProviderInfo(
        name="memory",
        version="1.0",
        engine="a file",
        engine_version="1",
        joins=frozenset({Join.PAIR}),
        capabilities=frozenset({Capability.CARRIER}),
        node_keys=frozenset({"image", "env"}),
        reason="LABPROV_MEMORY is not set" if missing else None,
        remedy="Set it to a file." if missing else None,
    )


@hookimpl
def labprov_check(host: Host) -> list[Problem]:
    """What the environment says is wrong."""
    found = [Problem(what="it forgets nothing", remedy="Remove the file.", serious=False)]
    if os.environ.get("LABPROV_MEMORY_PROBLEM"):
        found.append(Problem(what=os.environ["LABPROV_MEMORY_PROBLEM"], remedy="Solve it."))
    return found


@hookimpl
def labprov_observe(scope: Scope, names: frozenset[str]) -> Observed:
    """All nodes of the lab, or of all labs, and who has *names*."""
    found = [
        node
        for (_, lab, _), node in _load().items()
        if scope.lab in (None, lab) or node.runtime_name in names
    ]
    return Observed(nodes=tuple(found))


@hookimpl
def labprov_create_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Remember each node but the one that the environment refuses."""
    held = os.environ.get("LABPROV_MEMORY_HOLDS")
    if held:
        Path(held + ".reached").touch()
        _wait_for(Path(held), 60)
    there, outcomes = _load(), list[LabprovError | None]()
    for spec in nodes:
        if spec.name == os.environ.get("LABPROV_MEMORY_REFUSES"):
            outcomes.append(EngineFailure("out of memory\x1b[31m", remedy="Forget something."))
            continue
        there[scope.workspace_id, scope.lab or "", spec.name] = ObservedNode(
            lab=scope.lab or "",
            node=spec.name,
            provider="memory",
            runtime_name=spec.runtime_name,
            state=NodeState.DEFINED,
            prefix=spec.labels["labprov.prefix"],
            workspace=scope.workspace_id,
            kind=spec.node.kind,
            definition=spec.definition,
            interfaces=spec.replaces.interfaces if spec.replaces else (),
            management_address="192.0.2.1",
        )
        outcomes.append(None)
    _save(there)
    return outcomes


@hookimpl
def labprov_start_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[None]:
    """Say that they run."""
    names = [spec.name for spec in nodes]
    return _change(scope, names, lambda node: evolve(node, state=NodeState.RUNNING))


@hookimpl
def labprov_stop_nodes(scope: Scope, nodes: Sequence[ObservedNode], grace: float) -> list[None]:
    """Say that they don't."""
    names = [node.node for node in nodes]
    return _change(scope, names, lambda node: evolve(node, state=NodeState.STOPPED))


@hookimpl
def labprov_remove_nodes(scope: Scope, nodes: Sequence[ObservedNode]) -> list[None]:
    """Forget them."""
    return _change(scope, [node.node for node in nodes], lambda node: None)


@hookimpl
def labprov_plug(scope: Scope, ports: Sequence[Port]) -> list[Place]:
    """Remember each port with its node."""
    for port in ports:
        item = ObservedInterface(
            name=port.end.interface, mac=port.mac, tag=port.tag, far=port.far, mtu=port.mtu
        )
        _change(scope, [port.end.node], lambda node, item=item: _with(node, item))  # type: ignore[misc]  # mypy can't infer a lambda with a default
    return [Namespace(f"/memory/{port.end.node}") for port in ports]


def _with(node: ObservedNode, item: ObservedInterface) -> ObservedNode:
    others = [other for other in node.interfaces if other.name != item.name]
    return evolve(node, interfaces=tuple(sorted([*others, item], key=lambda one: one.name)))


@hookimpl
def labprov_unplug(scope: Scope, ends: Sequence[Endpoint]) -> list[None]:
    """Forget ports."""
    for end in ends:
        _change(scope, [end.node], lambda node, end=end: _without(node, end))  # type: ignore[misc]  # as above
    return [None] * len(ends)


def _without(node: ObservedNode, end: Endpoint) -> ObservedNode:
    return evolve(node, interfaces=tuple(item for item in node.interfaces if item.name != end.interface))


@hookimpl
def labprov_set_carrier(scope: Scope, ends: Sequence[Endpoint], up: bool) -> list[None]:
    """Remember it."""
    for end in ends:
        _change(scope, [end.node], lambda node, end=end: _raised(node, end, up))  # type: ignore[misc]  # as above
    return [None] * len(ends)


def _raised(node: ObservedNode, end: Endpoint, up: bool) -> ObservedNode:
    items = (evolve(item, up=up) if item.name == end.interface else item for item in node.interfaces)
    return evolve(node, interfaces=tuple(items))


@hookimpl
def labprov_exec(scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float) -> Result:
    """Run one of the four commands."""
    if node.state is not NodeState.RUNNING:
        raise NodeNotRunning("it does not run", lab=node.lab, node=node.node)
    name, *words = command
    match name:
        case "echo":
            return Result(0, " ".join(words).encode() + b"\n")
        case "bytes":
            return Result(0, b"\xff\x00\r\n\x1b[0m")
        case "fail":
            return Result(3, b"", " ".join(words).encode() + b"\n")
        case "wait":
            if _wait_for(Path(words[0]), timeout):
                return Result(0)
            raise DeadlineExceeded("waited in vain", lab=node.lab, node=node.node)
    return Result(127, b"", f"{name}: not found\n".encode())


@hookimpl
def labprov_logs(scope: Scope, node: ObservedNode) -> bytes:
    """What a node would print."""
    return b"booting " + node.node.encode() + b"\xff\n"


@hookimpl
def labprov_watch(scope: Scope) -> Watch | None:
    """Compare what the file says with what it said, until the watch is closed or the file is gone."""
    if os.environ.get("LABPROV_MEMORY_IS_SILENT"):
        return None
    closed = threading.Event()
    return Watch(_news(scope, labprov_observe(scope, frozenset()), closed), closed.set)


def _news(scope: Scope, before: Observed, closed: threading.Event) -> Iterator[Event]:
    while not closed.wait(0.01):
        file = _file()
        if file is None or not file.parent.exists():
            raise Unavailable("the memory is gone", provider="memory", remedy="Remember.")
        after = labprov_observe(scope, frozenset())
        yield from compare(scope, before, after)
        before = after


@hookimpl
def labprov_ready(scope: Scope, node: ObservedNode) -> Readiness:
    """Always, once it runs."""
    return Readiness(node.state is NodeState.RUNNING, "it does not run")
