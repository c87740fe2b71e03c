"""Saboteurs on a real kernel: netns, with one hook broken. The frames of these were never in our own code."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from attrs import evolve

from labprov import netns
from labprov.engine import (
    Alone,
    BridgeType,
    Far,
    Joined,
    Namespace,
    Observed,
    ObservedNode,
    Peer,
    Place,
    Port,
    Scope,
)
from labprov.errors import LabprovError
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint


class Netns:
    """All hooks of netns."""


for _name in netns.__all__:
    setattr(Netns, _name, staticmethod(getattr(netns, _name)))


class PullsTheWholeNode(Netns):
    """Takes the carrier of all the node's interfaces. Named by W7."""

    @hookimpl
    def labprov_set_carrier(
        self, scope: Scope, ends: Sequence[Endpoint], up: bool
    ) -> Sequence[LabprovError | None]:
        """Pull, or put back, all there are."""
        nodes = {end.node for end in ends}
        wider = [
            Endpoint(node.node, item.name)
            for node in netns.labprov_observe(scope, frozenset()).nodes
            for item in node.interfaces
            if node.node in nodes
        ]
        netns.labprov_set_carrier(scope, wider, up)
        return [None] * len(ends)


class RefusesLargeSegments(Netns):
    """A firewall that lets ping and every handshake pass, and no full segment. Named by W10."""

    @hookimpl
    def labprov_plug(self, scope: Scope, ports: Sequence[Port]) -> Sequence[Place | LabprovError]:
        """Plug, and set the firewall up."""
        places = netns.labprov_plug(scope, ports)
        for place in {place for place in places if isinstance(place, Namespace)}:
            rule = "-A INPUT -p tcp -m length --length 1000: -j REJECT --reject-with tcp-reset"
            command = ["nsenter", f"--net={place.path}", "iptables", "--wait", *rule.split()]
            subprocess.run(command, check=True)
        return places


class OnBridges(Netns):
    """Puts ports on Linux bridges, and tells that they are as they should be."""

    def __init__(self) -> None:
        self.wanted: dict[tuple[str, Endpoint], Far] = {}

    def bridge(self, port: Port) -> Joined | None:
        """The bridge for a port, None where it gets what it should."""
        raise NotImplementedError

    @hookimpl
    def labprov_plug(self, scope: Scope, ports: Sequence[Port]) -> Sequence[Place | LabprovError]:
        """Plug, and remember what should have been."""
        for port in ports:
            self.wanted[scope.lab or "", port.end] = port.far
        return netns.labprov_plug(scope, [evolve(port, far=self.bridge(port) or port.far) for port in ports])

    @hookimpl
    def labprov_observe(self, scope: Scope, names: frozenset[str]) -> Observed:
        """Look, and tell what should be."""
        observed = netns.labprov_observe(scope, names)
        return evolve(observed, nodes=tuple(map(self._as_wanted, observed.nodes)))

    def _as_wanted(self, node: ObservedNode) -> ObservedNode:
        interfaces = (
            evolve(item, far=self.wanted.get((node.lab, Endpoint(node.node, item.name)), item.far))
            if isinstance(item.far, Joined)
            else item
            for item in node.interfaces
        )
        return evolve(node, interfaces=tuple(interfaces))


class BridgeInTheWire(OnBridges):
    """Makes a wire of a Linux bridge, which keeps STP, LACP and pause for itself. Named by W2."""

    def bridge(self, port: Port) -> Joined | None:
        """One for each wire."""
        return Joined(f"wire-{port.tag}", BridgeType.PARKING) if isinstance(port.far, Peer) else None


class JoinsTheUnlinked(OnBridges):
    """Puts interfaces without a link on one bridge. Named by W4."""

    def bridge(self, port: Port) -> Joined | None:
        """One for all of them."""
        return Joined("unlinked", BridgeType.PARKING) if port.far == Alone() else None


EXPECTED: Mapping[str, frozenset[str]] = {
    "PullsTheWholeNode": frozenset({"W7"}),
    "RefusesLargeSegments": frozenset({"W10"}),
    "BridgeInTheWire": frozenset({"W2"}),
    "JoinsTheUnlinked": frozenset({"W4"}),
}
"""The clauses about links that must fail, by saboteur."""
