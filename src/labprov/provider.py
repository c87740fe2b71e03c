"""The one typed handle through which a provider is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from labprov.engine import (
    ConsoleCommand,
    Namespace,
    NodeSpec,
    Observed,
    ObservedNode,
    Place,
    Port,
    Problem,
    ProviderInfo,
    Readiness,
    Result,
    Scope,
    Tap,
)
from labprov.errors import LabprovError, NotSupported, ProviderFault
from labprov.events import Watch
from labprov.harness import Harness
from labprov.host import Host
from labprov.model import Endpoint, Topology

T = TypeVar("T")
OUTCOMES = (type(None), LabprovError)
"""What an item of a batch may come to, where there is nothing to say of a success."""
INFO_HOOK = "labprov_provider_info"
"""What makes a plugin a provider."""


class Provider:
    """One provider's hooks, typed. Everything that calls a provider calls it here.

    Every method raises :class:`NotSupported` where nobody answers, :class:`ProviderFault` for an exception
    that is no :class:`LabprovError` and for an answer that breaks the hook's contract.
    """

    def __init__(self, name: str, caller: Callable[[str], Callable[..., Any]]) -> None:
        self.name = name
        self._caller = caller

    def info(self, host: Host) -> ProviderInfo:
        """What the provider says of itself; a provider that raises here is unavailable, and says why."""
        try:
            return self._call(INFO_HOOK, ProviderInfo, host=host)
        except LabprovError as error:
            return ProviderInfo(name=self.name, version="", reason=error.message, remedy=error.remedy)

    def check(self, host: Host) -> Sequence[Problem]:
        """The host's problems; none where the provider looks for none."""
        return self._call("labprov_check", Sequence, default=(), host=host)

    def observe(self, scope: Scope, names: frozenset[str] = frozenset()) -> Observed:
        """Everything that exists, and who holds *names*."""
        return self._call("labprov_observe", Observed, scope=scope, names=names)

    def capture_vlans(self, scope: Scope, observed: Observed) -> Mapping[Endpoint, int]:
        """The tags really carried; derived from *observed* where the provider has no better way."""
        derived = {
            Endpoint(node.node, item.name): item.tag
            for node in observed.nodes
            if node.lab == scope.lab and node.workspace == scope.workspace_id
            for item in node.interfaces
            if item.tag is not None
        }
        return self._call("labprov_capture_vlans", Mapping, default=derived, scope=scope)

    def validate_nodes(self, scope: Scope, nodes: Sequence[str], observed: Observed) -> Mapping[str, bool]:
        """Which of *nodes* exist with their full identity; derived from *observed* by default."""
        there = {
            node.node
            for node in observed.nodes
            if (node.lab, node.workspace) == (scope.lab, scope.workspace_id)
        }
        derived = {node: node in there for node in nodes}
        return self._call("labprov_validate_nodes", Mapping, default=derived, scope=scope, nodes=nodes)

    def prepare_lab(self, scope: Scope, topology: Topology) -> None:
        """Make what belongs to the lab and to no node."""
        self._call("labprov_prepare_lab", bool, default=True, scope=scope, topology=topology)

    def remove_lab(self, scope: Scope) -> None:
        """Remove that again."""
        self._call("labprov_remove_lab", bool, default=True, scope=scope)

    def accept_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        """Whether nodes can be made as they are written; a provider that does not look accepts all."""
        default = [None] * len(nodes)
        return self._batch("labprov_accept_nodes", nodes, default=default, scope=scope, nodes=nodes)

    def create_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        """Make nodes, not running."""
        return self._batch("labprov_create_nodes", nodes, scope=scope, nodes=nodes)

    def start_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        """Run nodes."""
        return self._batch("labprov_start_nodes", nodes, scope=scope, nodes=nodes)

    def stop_nodes(
        self, scope: Scope, nodes: Sequence[ObservedNode], grace: float
    ) -> Sequence[LabprovError | None]:
        """End nodes' processes."""
        return self._batch("labprov_stop_nodes", nodes, scope=scope, nodes=nodes, grace=grace)

    def remove_nodes(self, scope: Scope, nodes: Sequence[ObservedNode]) -> Sequence[LabprovError | None]:
        """Remove nodes with all that is theirs."""
        return self._batch("labprov_remove_nodes", nodes, scope=scope, nodes=nodes)

    def plug(self, scope: Scope, ports: Sequence[Port]) -> Sequence[Place | LabprovError]:
        """Make or re-point ports."""
        return self._batch(
            "labprov_plug", ports, kinds=(Namespace, Tap, LabprovError), scope=scope, ports=ports
        )

    def unplug(self, scope: Scope, ends: Sequence[Endpoint]) -> Sequence[LabprovError | None]:
        """Remove ports from nodes that stay."""
        return self._batch("labprov_unplug", ends, scope=scope, ends=ends)

    def set_carrier(self, scope: Scope, ends: Sequence[Endpoint], up: bool) -> Sequence[LabprovError | None]:
        """Take the carrier away, or give it back."""
        return self._batch("labprov_set_carrier", ends, scope=scope, ends=ends, up=up)

    def exec(self, scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float) -> Result:
        """Run a command in a node."""
        return self._call("labprov_exec", Result, scope=scope, node=node, command=command, timeout=timeout)

    def logs(self, scope: Scope, node: ObservedNode) -> bytes:
        """The node's output since power-on."""
        return self._call("labprov_logs", bytes, scope=scope, node=node)

    def ready(self, scope: Scope, node: ObservedNode) -> Readiness:
        """Whether the node is ready."""
        return self._call("labprov_ready", Readiness, scope=scope, node=node)

    def watch(self, scope: Scope) -> Watch:
        """The engine's own events."""
        return self._call("labprov_watch", Watch, scope=scope)

    def console(self, scope: Scope, node: ObservedNode, method: str) -> ConsoleCommand:
        """How to reach the node's console."""
        return self._call("labprov_console", ConsoleCommand, scope=scope, node=node, method=method)

    def harness(self, scope: Scope) -> Harness:
        """The contract suite's hands."""
        return self._call("labprov_harness", Harness, scope=scope)

    def _batch(
        self, hook: str, items: Sequence[Any], kinds: tuple[type, ...] = OUTCOMES, **arguments: Any
    ) -> Sequence[Any]:
        if not items:
            return ()
        outcomes: Sequence[Any] = self._call(hook, Sequence, **arguments)
        if len(outcomes) != len(items):
            raise ProviderFault(f"{self.name}: {hook} gave {len(outcomes)} outcomes for {len(items)} items")
        for outcome in outcomes:
            if not isinstance(outcome, kinds):
                raise ProviderFault(f"{self.name}: {hook} gave {outcome!r} as an outcome")
        return outcomes

    def _call(self, hook: str, kind: type[T], default: T | None = None, **arguments: Any) -> T:
        try:
            answer = self._caller(hook)(**arguments)
        except LabprovError:
            raise
        except Exception as error:
            raise ProviderFault(f"{self.name}: {hook} raised {type(error).__name__}: {error}") from error
        if answer is None:
            answer = default
        if answer is None:
            raise NotSupported(f"{self.name} does not do this ({hook})", provider=self.name)
        if not isinstance(answer, kind):
            raise ProviderFault(f"{self.name}: {hook} gave a {type(answer).__name__}")
        return answer
