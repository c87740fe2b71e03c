"""Identity in the kernel: what labprov writes into interface aliases, and how it is read back.

The alias of ``lo`` says whose namespace it is, the alias of any other interface which end of which wire it
is. An alias has at most 255 bytes, so the words are positional; the alphabet of names (no space, no slash)
keeps them apart. Standard library only: both sides of the helper's pipe use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

LONGEST = 255
_VERSION = "labprov 1"
_EMPTY = "="

NODE, PARKING = "node", "parking"
"""Roles of a namespace."""

NEVER, ON, OFF = "new", "on", "off"
"""Power: never started, started, stopped because somebody asked for it."""


@dataclass(frozen=True)
class SpaceAlias:
    """Whose a namespace is. ``node`` is empty for a parking namespace."""

    role: str
    lab: str
    node: str
    prefix: str
    workspace: str
    kind: str = ""
    definition: str = ""
    power: str = NEVER

    def text(self) -> str:
        """The alias, the kind cut if it must be.

        :raises ValueError: it is longer than the kernel allows.
        """
        words = [self.role, self.lab, self.node, self.prefix, self.workspace, self.definition, self.power]
        start = " ".join([_VERSION, *(word or _EMPTY for word in words), ""])
        if any(word.split() not in ([word], []) for word in [*words, self.kind]):
            raise ValueError(f"a word of the identity has a space in it: {start + self.kind!r}")
        room = LONGEST - len(start.encode())
        if room < 1:
            raise ValueError(f"the identity has {-room} bytes more than the {LONGEST} of an interface alias")
        return start + (self.kind or _EMPTY)[:room]

    def same_owner(self, other: SpaceAlias) -> bool:
        """Whether both are the same thing, whatever it is at the moment."""
        return _owner(self) == _owner(other)

    def with_power(self, power: str) -> SpaceAlias:
        """The same with another power state."""
        return replace(self, power=power)

    @classmethod
    def parse(cls, alias: str) -> SpaceAlias | None:
        """Read an alias of ``lo``; None if it isn't one of ours."""
        words = alias.split(" ")
        if len(words) != 10 or " ".join(words[:2]) != _VERSION:
            return None
        role, lab, node, prefix, workspace, definition, power, kind = (
            "" if word == _EMPTY else word for word in words[2:]
        )
        return cls(role, lab, node, prefix, workspace, kind, definition, power)


def _owner(alias: SpaceAlias) -> tuple[str, ...]:
    return (alias.role, alias.lab, alias.node, alias.prefix, alias.workspace)


END, HALF, HOST_HALF = "", "half", "host"
"""Sides of a wire: the node's own interface; the other end where that is not a node's interface."""

_PORT = re.compile(
    r"lp ([^ /]+)/([^ /]+)/([^ /]+) vlan=([0-9]{1,4})(?: (half|host))?(?: cut=([^ /]+)/([^ /]+))?"
)
_BRIDGE = re.compile(r"lp ([^ /]+)/([^ /]+) bridge")


@dataclass(frozen=True)
class PortAlias:
    """Which end of which wire an interface is.

    ``cut`` is set on a half whose wire was taken down: the node and interface that it leads to when up.
    """

    lab: str
    node: str
    interface: str
    tag: int
    side: str = END
    cut: tuple[str, str] | None = None

    def text(self) -> str:
        """The alias."""
        end = f"lp {self.lab}/{self.node}/{self.interface} vlan={self.tag}"
        side = f" {self.side}" if self.side else ""
        return end + side + (" cut=" + "/".join(self.cut) if self.cut else "")

    @property
    def end(self) -> tuple[str, str]:
        """The node and interface that this belongs to."""
        return (self.node, self.interface)

    @classmethod
    def parse(cls, alias: str) -> PortAlias | None:
        """Read an interface's alias; None if it isn't a port of ours."""
        found = _PORT.fullmatch(alias)
        if found is None:
            return None
        lab, node, interface, tag, side, cut_node, cut_interface = found.groups()
        cut = (cut_node, cut_interface) if cut_node else None
        return cls(lab, node, interface, int(tag), side or END, cut)


def bridge_alias(lab: str, bridge: str) -> str:
    """The alias of a segment that labprov made."""
    return f"lp {lab}/{bridge} bridge"


def parse_bridge(alias: str) -> tuple[str, str] | None:
    """Lab and bridge node of a segment's alias; None if it isn't one."""
    found = _BRIDGE.fullmatch(alias)
    return (found[1], found[2]) if found else None
