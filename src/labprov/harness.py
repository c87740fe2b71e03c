"""What a provider lends the contract suite: the means to observe nodes and to break things."""

from __future__ import annotations

from typing import Protocol

from labprov.engine import ObservedNode, Scope
from labprov.model import Endpoint


class Harness(Protocol):
    """The contract suite's hands. Every call works from outside labprov, as an accident would."""

    def send(self, scope: Scope, end: Endpoint, frame: bytes) -> None:
        """Send one raw Ethernet frame (without checksum) from inside the node, on that interface."""

    def sniff(self, scope: Scope, end: Endpoint, seconds: float) -> list[bytes]:
        """Give the raw frames, with every VLAN tag, that arrived at the interface in that time."""

    def kill_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the node's process by the engine's own means; return when it is dead."""

    def remove_node(self, scope: Scope, node: ObservedNode) -> None:
        """Remove the node from the engine, behind labprov's back."""

    def make_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Make something in the engine that has this name and none of our labels."""

    def remove_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Remove what :meth:`make_foreign` made."""

    def break_engine(self, scope: Scope) -> None:
        """Make every query of the engine fail, until :meth:`mend_engine`."""

    def mend_engine(self, scope: Scope) -> None:
        """Undo :meth:`break_engine`."""

    def restart_engine(self, scope: Scope) -> None:
        """Restart the engine's daemon and the switch; return when they answer again."""
