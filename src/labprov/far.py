"""What the far side of each interface is: a peer, a bridge, the host, or nothing. Decided here alone."""

from __future__ import annotations

from labprov.engine import Alone, BridgeType, Far, HostEnd, Join, Joined, Peer, ProviderInfo
from labprov.errors import LabprovError, NotSupported, Unavailable
from labprov.facts import Facts
from labprov.model import HOST, MGMT_NET, Endpoint, Node, Topology

REMEDY = "Give both nodes a provider that can (see `labprov providers`); ends on the host take root."


def lacking(why: LabprovError, provider: str | None, lab: str, end: Endpoint) -> Unavailable:
    """The error for *end*, whose provider can't join it now for the reason *why*."""
    return Unavailable(
        why.message,
        provider=provider,
        lab=lab,
        node=end.node,
        interface=end.interface,
        remedy=why.remedy,
    )


def is_pair(provider: str, info: ProviderInfo, other: str | None) -> bool:
    """Whether a wire from a node of *provider* needs no bridge.

    :param other: the provider at its other end; None where that is no node of any.
    """
    return Join.PAIR in info.joins and other in (None, provider)


class Fars:
    """The rule, for one topology whose machines all have a provider."""

    def __init__(self, topology: Topology, facts: Facts) -> None:
        self._topology = topology
        self._facts = facts

    def _joins(self, end: Endpoint) -> frozenset[Join]:
        provider = self._provider(end.node)
        info = self._facts.providers.get(provider or "")
        return info.joins if info else frozenset()

    def far(self, end: Endpoint) -> Far:
        """What *end* shall lead to.

        :raises NotSupported: the link can't be made here.
        :raises Unavailable: it could be, but for something that is missing now.
        """
        if self._topology.by_name[end.node].settings.get("network-mode") == "host":
            raise self._refused(
                end, "a node in the host's own network has no links", "Remove one of the two."
            )
        link = self._topology.link_at.get(end)
        if link is None:
            return Alone()
        other = link.other(end)
        node = self._topology.by_name.get(other.node)
        if other.node == MGMT_NET:
            raise self._refused(end, "ends on the management network can't be made yet", "Remove the link.")
        if other.node == HOST or (node is not None and node.is_host):
            self._require(end, Join.HOST, f"an end on the host ({other.interface}) can't be made here")
            return HostEnd(other.interface)
        if node is not None and node.is_bridge:
            return self._segment(end, node)
        return self._wire(end, other)

    def _wire(self, end: Endpoint, other: Endpoint) -> Far:
        provider = self._provider(end.node) or ""
        info = self._facts.providers.get(provider)
        if info is not None and is_pair(provider, info, self._provider(other.node)):
            return Peer(other)
        if Join.BRIDGE in self._joins(end) and Join.BRIDGE in self._joins(other):
            return Joined(self._facts.bridge, BridgeType.OVS)
        providers = f"{self._provider(end.node)} and {self._provider(other.node)}"
        raise self._unjoined(end, f"{providers} have no way to share the link to {other}", end, other)

    def _segment(self, end: Endpoint, bridge: Node) -> Far:
        if bridge.kind == "ovs-bridge":
            raise self._refused(
                end, f"ports can't be put on the host's Open vSwitch bridge {bridge.name} yet"
            )
        if bridge.name in self._facts.host_bridges:
            self._require(end, Join.HOST, f"the host's bridge {bridge.name} can't be reached from here")
            return Joined(bridge.name, BridgeType.HOST, learn=True)
        machines = [
            link.other(other)
            for other, link in self._topology.link_at.items()
            if other.node == bridge.name and self._topology.is_machine(link.other(other).node)
        ]
        providers = {self._provider(other.node) for other in machines}
        if len(providers) == 1 and all(Join.PAIR in self._joins(other) for other in machines):
            return Joined(bridge.name, BridgeType.PARKING, learn=True)
        if all(Join.BRIDGE in self._joins(other) for other in machines):
            return Joined(self._facts.bridge, BridgeType.OVS, learn=True)
        raise self._unjoined(end, f"its providers have no way to share the segment {bridge.name}", *machines)

    def _require(self, end: Endpoint, join: Join, problem: str) -> None:
        if join not in self._joins(end):
            raise self._unjoined(end, problem, end)

    def _unjoined(self, end: Endpoint, problem: str, *ends: Endpoint) -> NotSupported | Unavailable:
        """The error for *end*, as the providers of *ends* don't join: what one of them lacks, if it says."""
        infos = (self._facts.providers.get(self._provider(one.node) or "") for one in ends)
        why = next((info.no_links for info in infos if info and info.no_links), None)
        if why is None:
            return self._refused(end, problem)
        return lacking(why, self._provider(end.node), self._topology.name, end)

    def _refused(self, end: Endpoint, problem: str, remedy: str = REMEDY) -> NotSupported:
        return NotSupported(
            problem,
            provider=self._provider(end.node),
            lab=self._topology.name,
            node=end.node,
            interface=end.interface,
            remedy=remedy,
        )

    def _provider(self, name: str) -> str | None:
        node = self._topology.by_name.get(name)
        return node.provider if node is not None else None
