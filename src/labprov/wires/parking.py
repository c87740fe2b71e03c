"""The lab's parking namespace: where the other ends of interfaces without a link lie, and its segments.

Helper side: standard library only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from labprov.wires import links
from labprov.wires.alias import PARKING, SpaceAlias, bridge_alias, parse_bridge
from labprov.wires.spaces import Kernel, Space

_SILENT = {
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}
"""A parked end is no host: it must not send a word of its own into the node's interface."""


def digest(*words: str) -> str:
    """Ten hex digits for a name in the kernel, out of a full identity."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Owner:
    """Whose lab it is."""

    lab: str
    workspace: str


class Parking:
    """The parking namespace of one lab, made when it is first needed."""

    def __init__(self, kernel: Kernel, owner: Owner) -> None:
        self._kernel = kernel
        self._owner = owner

    @property
    def name(self) -> str:
        """Its name under ``/run/netns``."""
        return "lp-parking-" + digest(self._owner.workspace, self._owner.lab)

    @property
    def alias(self) -> SpaceAlias:
        """Its label."""
        return SpaceAlias(PARKING, self._owner.lab, "", "", self._owner.workspace)

    def find(self) -> Space | None:
        """It, if it is there."""
        return self._kernel.owned(self.name, self.alias)

    def ensure(self) -> Space:
        """It, made if need be."""
        return self.find() or self._kernel.make(self.name, self.alias, _SILENT)

    def bridge(self, node: str) -> links.Link:
        """The segment called *node*, made if need be."""
        space = self.ensure()
        alias = bridge_alias(self._owner.lab, node)
        name = "lpb" + digest(self._owner.lab, node)
        if name not in space.links:
            space.run([links.new_bridge(name), links.change(name, alias=alias, up=True)])
        elif parse_bridge(space.links[name].alias) is None:
            space.run([links.change(name, alias=alias, up=True)])  # a kill fell between the two
        return space.links[name]
