"""A labprov provider to copy: nodes are processes of the host, wires are entries of a file.

Each hook stands here once, in the order in which labprov calls them; what they have done to the engine is
in :mod:`labprov_template.engine`. Put your engine's library there, and keep this shape.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from labprov.engine import (
    Capability,
    Join,
    Namespace,
    NodeSpec,
    NodeState,
    Observed,
    ObservedNode,
    Place,
    Port,
    ProviderInfo,
    Readiness,
    Result,
    Scope,
)
from labprov.errors import DeadlineExceeded, LabprovError, NodeNotRunning
from labprov.harness import Harness
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.model import Endpoint
from labprov_template.engine import MARK, NAME, Engine, end_marked, root
from labprov_template.suite import TemplateHarness


def _each(
    scope: Scope, items: Sequence[Any], work: Callable[[Engine, Any], None]
) -> list[LabprovError | None]:
    """Do *work* for each item: an error is that item's outcome, and stops no other item."""
    outcomes: list[LabprovError | None] = []
    with Engine().locked() as engine:
        for item in items:
            try:
                work(engine, item)
                outcomes.append(None)
            except LabprovError as error:
                outcomes.append(error)
    return outcomes


@hookimpl
def labprov_provider_info(host: Host) -> ProviderInfo:
    """Say what the provider is. Never raises: a missing engine is an answer, with its remedy."""
    return ProviderInfo(
        name=NAME,
        version="0.1.0",
        engine="processes of the host",
        engine_version=os.uname().release,
        joins=frozenset({Join.PAIR}),
        capabilities=frozenset({Capability.FRAMES, Capability.PROCESSES, Capability.JSON_STORE}),
        node_keys=frozenset({"cmd", "env"}),
        runs_images=False,
        reason=None if os.path.isdir("/proc/self") else "there is no /proc",
        remedy=None if os.path.isdir("/proc/self") else f"Mount it; nodes are noted in {root()}.",
    )


@hookimpl
def labprov_observe(scope: Scope, names: frozenset[str]) -> Observed:
    """Tell all there is, by labels, and whatever has one of the names."""
    with Engine().locked() as engine:
        seen = [(name, engine.observed(name)) for name in engine.names()]
    return Observed(
        tuple(node for name, node in seen if name in names or (node.lab and scope.lab in (None, node.lab)))
    )


@hookimpl
def labprov_create_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Make the nodes, not running; one that takes another's place keeps its ports."""
    return _each(scope, nodes, lambda engine, spec: engine.create(scope, spec))


@hookimpl
def labprov_plug(scope: Scope, ports: Sequence[Port]) -> list[Place | LabprovError]:
    """Make ports or re-point them; the place is for people only, as nobody else plugs here."""
    outcomes = _each(scope, ports, lambda engine, port: engine.plug(scope, port))
    return [
        outcome or Namespace(str(root() / port.end.node))
        for port, outcome in zip(ports, outcomes, strict=True)
    ]


@hookimpl
def labprov_start_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Run the nodes; their ports are there already."""
    return _each(scope, nodes, lambda engine, spec: engine.start(scope, spec))


@hookimpl
def labprov_ready(scope: Scope, node: ObservedNode) -> Readiness:
    """A process has nothing to boot."""
    return Readiness(node.state is NodeState.RUNNING, f"it is {node.state}")


@hookimpl
def labprov_stop_nodes(
    scope: Scope, nodes: Sequence[ObservedNode], grace: float
) -> list[LabprovError | None]:
    """End the processes; definition and ports stay."""
    return _each(scope, nodes, lambda engine, node: engine.stop(node.runtime_name, grace))


@hookimpl
def labprov_remove_nodes(scope: Scope, nodes: Sequence[ObservedNode]) -> list[LabprovError | None]:
    """Remove the nodes with all that is theirs."""
    return _each(scope, nodes, lambda engine, node: engine.remove(scope, node.node))


@hookimpl
def labprov_unplug(scope: Scope, ends: Sequence[Endpoint]) -> list[LabprovError | None]:
    """Remove ports of nodes that stay."""
    return _each(scope, ends, lambda engine, end: engine.unplug(scope, end))


@hookimpl
def labprov_exec(scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float) -> Result:
    """Run a command beside the node; at the deadline it is ended, with all that it started."""
    if node.state is not NodeState.RUNNING:
        raise NodeNotRunning(f"it is {node.state}", lab=node.lab, node=node.node, remedy="Start it.")
    mark = uuid.uuid4().hex
    # Files, not pipes: something that the command leaves behind holds nothing up.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**os.environ, MARK: mark},
            )
            process.wait(timeout)
        except OSError as error:
            return Result(127 if isinstance(error, FileNotFoundError) else 126, b"", str(error).encode())
        except subprocess.TimeoutExpired:
            end_marked(mark)
            process.wait()
            raise DeadlineExceeded(
                f"it did not end within {timeout:g} s", lab=node.lab, node=node.node
            ) from None
        output.seek(0)
        errors.seek(0)
        return Result(process.returncode, output.read(), errors.read())


@hookimpl
def labprov_logs(scope: Scope, node: ObservedNode) -> bytes:
    """Give what the process has written since it was started."""
    with Engine().locked() as engine:
        return engine.output(scope, node.node)


@hookimpl
def labprov_remove_lab(scope: Scope) -> bool:
    """Remove the lab's folder of logs."""
    with Engine().locked() as engine:
        engine.remove_logs(scope)
    return True


@hookimpl
def labprov_harness(scope: Scope) -> Harness:
    """Lend the contract suite its hands."""
    return TemplateHarness()
