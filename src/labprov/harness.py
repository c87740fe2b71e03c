"""What a provider lends the contract suite: nodes it can run, the means to observe them and to break things.

A provider gives one object of this kind from :func:`labprov.hookspecs.labprov_harness`. Every call works
from outside labprov, as an accident or another person would. What a provider does not claim (see
:class:`labprov.engine.Capability`) it need not implement: derive from :class:`Harness` and leave it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from labprov.engine import ObservedNode, Scope
from labprov.errors import NotSupported
from labprov.model import Endpoint, Node


class Harness:
    """The contract suite's hands.

    :meth:`node`, :meth:`kill_node`, :meth:`remove_node`, :meth:`make_foreign`, :meth:`remove_foreign`,
    :meth:`break_engine` and :meth:`mend_engine` are asked of every provider.
    """

    def node(self, name: str) -> Node:
        """A small node that the provider can run, quick to start, with a shell where ``ip`` is claimed.

        :param name: what it shall be called; everything else is the provider's choice.
        """
        return Node(name=name)

    def changed(self, node: Node) -> Node:
        """The same node with something different that can't change in place, and that can be run as well."""
        raise NotSupported("the harness can't change a node's definition")

    def kill_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the node's process by means that are not labprov's; return when it is dead."""
        raise NotSupported("the harness can't kill a node")

    def remove_node(self, scope: Scope, node: ObservedNode) -> None:
        """Remove the node from the engine with all that is its own, behind labprov's back."""
        raise NotSupported("the harness can't remove a node")

    def pause_node(self, scope: Scope, node: ObservedNode) -> None:
        """Pause a running node by means that are not labprov's, where the engine can do that."""
        raise NotSupported("the harness can't pause a node")

    def make_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Make something in the engine that has this name and none of our labels."""
        raise NotSupported("the harness can't make a foreign thing")

    def remove_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Remove what :meth:`make_foreign` made; raise if it is not there, or is no longer as it was."""
        raise NotSupported("the harness can't remove a foreign thing")

    def make_foreign_port(self, scope: Scope, bridge: str, tag: int) -> None:
        """Put a port that is not labprov's on the switch's bridge, with that tag (``shared_bridge``)."""
        raise NotSupported("the harness can't make a foreign port")

    def remove_foreign_port(self, scope: Scope, bridge: str, tag: int) -> None:
        """Remove what :meth:`make_foreign_port` made; raise if it is not there any more."""
        raise NotSupported("the harness can't remove a foreign port")

    def break_engine(self, scope: Scope) -> None:
        """Make every query of the engine fail, until :meth:`mend_engine`. What runs goes on."""
        raise NotSupported("the harness can't break the engine")

    def mend_engine(self, scope: Scope) -> None:
        """Undo :meth:`break_engine`."""
        raise NotSupported("the harness can't mend the engine")

    def leftovers(self, scope: Scope) -> set[str]:
        """Everything in the engine and on the host that belongs to the lab: names for people.

        Read by the engine's own tools and not by the provider's ``observe``, so that a thing which the
        provider has lost sight of is found.
        """
        raise NotSupported("the harness can't list what a lab has left behind")

    def restart_node(self, scope: Scope, node: ObservedNode) -> None:
        """Restart the node by the engine's own means (``external_restart``); return when it runs again."""
        raise NotSupported("the harness can't restart a node")

    def engine_accidents(self) -> dict[str, Callable[[Scope], None]]:
        """The accidents of the engine that can be had (``engine_restart``), by name.

        Each is called with the scope, and returns when the engine answers again.
        """
        raise NotSupported("the harness can't restart the engine")

    def listen(self, scope: Scope, end: Endpoint) -> AbstractContextManager[Callable[[float], list[bytes]]]:
        """Hear a data interface from inside its node (``frames``), from entering on.

        The context's value is called with the seconds to go on listening, at most, and gives the frames that
        have arrived since the last call, whole, in order, every VLAN tag in place (PACKET_AUXDATA has the
        outer one on Linux). Frames that the node itself sends are not among them.
        """
        raise NotSupported("the harness can't hear frames")

    def send(self, scope: Scope, end: Endpoint, frame: bytes) -> None:
        """Send one raw Ethernet frame (without checksum) from inside the node, on that interface."""
        raise NotSupported("the harness can't send frames")
