"""What the rules need to know beside the desired, the persisted and the observed."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from labprov.engine import NodeState, Observed, ObservedNode, ProviderInfo
from labprov.model import Endpoint
from labprov.saved import Saved


@frozen(kw_only=True)
class Facts:
    """What the rules need to know beside the three sources.

    :param lab: the lab's id.
    :param operation: what is being done, for reports.
    :param prefix: what runtime names begin with.
    :param workspace: the workspace's id.
    :param vlan_range: the lowest and the highest tag to issue.
    :param providers: what each provider that is needed says of itself.
    :param asked: the providers that were observed.
    :param saved: what was saved of the lab at its last deploy.
    :param kept: the tags to keep, by interface, as the recovery rule gave them.
    :param reserved: tags that others use on a bridge that labs share.
    :param foreign_tags: those of them that ports carry which are not labprov's.
    :param host_interfaces: interfaces of the host, by name.
    :param host_bridges: those of them that are bridges.
    :param bridge: the Open vSwitch bridge that links between providers meet on.
    :param shared_bridge: its name, if other labs may use it too; then it is remembered.
    :param keep: refuse to replace a node.
    :param reconfigure: replace every node.
    :param touch: nodes that may be made, replaced, started or removed; None: all.
    """

    lab: str
    operation: str = "deploy"
    prefix: str = "labprov"
    workspace: str = ""
    vlan_range: tuple[int, int] = (100, 4094)
    providers: Mapping[str, ProviderInfo] = field(factory=dict)
    asked: frozenset[str] = frozenset()
    saved: Saved | None = None
    kept: Mapping[Endpoint, int] = field(factory=dict)
    reserved: frozenset[int] = frozenset()
    foreign_tags: frozenset[int] = frozenset()
    host_interfaces: frozenset[str] = frozenset()
    host_bridges: frozenset[str] = frozenset()
    bridge: str = ""
    shared_bridge: str | None = None
    keep: bool = False
    reconfigure: bool = False
    touch: frozenset[str] | None = None


def mine(observed: Observed, facts: Facts) -> list[ObservedNode]:
    """The lab's nodes, as their labels say; foreign ones and other workspaces' are not among them."""
    return mine_of(observed, facts.lab, facts.workspace)


def mine_of(observed: Observed, lab: str, workspace: str) -> list[ObservedNode]:
    """The nodes of *lab* that belong to the workspace with that id."""
    return [
        node
        for node in observed.nodes
        if node.state != NodeState.FOREIGN and (node.lab, node.workspace) == (lab, workspace)
    ]
