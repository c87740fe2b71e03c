"""Building a topology in Python, step by step."""

from __future__ import annotations

from typing import Any, Self

from labprov.model import Endpoint, Link, Node, Topology, endpoint


class TopologyBuilder:
    """Collects nodes and links; every method but :meth:`build` returns the builder.

    ::

        topology = (
            TopologyBuilder("pair")
            .add_node("r1")
            .add_node("r2", exec=["ip address add 10.0.0.2/24 dev eth1"])
            .add_link("r1:eth1", "r2:eth1")
            .build()
        )

    :param name: the lab's id.
    :param prefix: what runtime names begin with; None: the caller's settings decide.
    """

    def __init__(self, name: str, *, prefix: str | None = None) -> None:
        self._name = name
        self._prefix = prefix
        self._nodes: list[Node] = []
        self._links: list[Link] = []

    def add_node(self, name: str, **attributes: Any) -> Self:
        """Add a node.

        :param attributes: those of :class:`labprov.Node` (``kind``, ``image``, ``exec``, ``provider``, ...).
        :raises InvalidName: the name is not allowed.
        """
        self._nodes.append(Node(name=name, **attributes))
        return self

    def add_link(
        self,
        a: Endpoint | str,
        b: Endpoint | str,
        *,
        mtu: int | None = None,
        mac_a: str | None = None,
        mac_b: str | None = None,
    ) -> Self:
        """Join two interfaces, each given as ``node:interface``.

        :param mtu: in bytes, for both ends.
        :param mac_a: the first end's MAC; None: derived from its identity.
        :param mac_b: the second end's.
        """
        self._links.append(Link(endpoint(a), endpoint(b), mtu=mtu, mac_a=mac_a, mac_b=mac_b))
        return self

    def build(self) -> Topology:
        """The topology.

        :raises InvalidTopology: it makes no sense (see :class:`labprov.Topology`).
        """
        return Topology(
            name=self._name, prefix=self._prefix, nodes=tuple(self._nodes), links=tuple(self._links)
        )
