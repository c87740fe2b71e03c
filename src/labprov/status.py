"""How a lab looks: what the engines hold beside what the topology wants."""

from __future__ import annotations

from collections.abc import Sequence

from labprov.engine import NodeState, ObservedNode
from labprov.model import Endpoint, Node, Topology
from labprov.report import InterfaceStatus, NodeStatus


def statuses(lab: str, there: Sequence[ObservedNode], topology: Topology | None) -> tuple[NodeStatus, ...]:
    """How the lab stands: nodes in the topology's order, then those that it doesn't know."""
    found = {node.node: node for node in there}
    wanted = topology.machines if topology else ()
    absent = [_absent(lab, node) for node in wanted if node.name not in found]
    seen = [_status(node, topology) for node in there]
    order = {node.name: place for place, node in enumerate(wanted)}
    return tuple(
        sorted([*seen, *absent], key=lambda status: (order.get(status.node, len(order)), status.node))
    )


def _absent(lab: str, node: Node) -> NodeStatus:
    return NodeStatus(
        lab=lab,
        node=node.name,
        kind=node.kind,
        provider=node.provider or "",
        state=NodeState.ABSENT,
        runtime_name="",
    )


def _status(node: ObservedNode, topology: Topology | None) -> NodeStatus:
    interfaces = []
    for item in node.interfaces:
        end = Endpoint(node.node, item.name)
        link = topology.link_at.get(end) if topology else None
        interfaces.append(
            InterfaceStatus(
                name=item.name,
                mac=item.mac,
                vlan=item.tag,
                peer=link.other(end) if link else None,
                up=item.up,
            )
        )
    return NodeStatus(
        lab=node.lab,
        node=node.node,
        kind=node.kind,
        provider=node.provider,
        state=node.state,
        runtime_name=node.runtime_name,
        management_address=node.management_address,
        interfaces=tuple(interfaces),
    )
