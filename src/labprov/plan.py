"""What will be done, as a value: reconcile makes it, the executor carries it out, ``--dry-run`` shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve, field, frozen

from labprov.engine import Alone, HostEnd, Joined, NodeSpec, ObservedNode, Peer, Port
from labprov.model import Allocations, Endpoint, Topology
from labprov.saved import Saved


@frozen(kw_only=True)
class Plan:
    """Everything that one operation changes, in the order in which it is done.

    :param prefix: what runtime names begin with.
    :param saved: the topology to keep on disk; None: there shall be none.
    :param document: the allocations to keep on disk; None: there shall be none.
    :param persist: whether either differs from what is there.
    :param prepare: providers that make what belongs to the lab and to no node.
    :param park: ports of nodes that stay, whose peer goes: they are made :class:`Alone` first.
    :param forget: providers that remove what belongs to the lab and to no node.
    :param commands: nodes whose ``exec`` lines are run.
    :param reasons: why a node is replaced, by node.
    :param dropped: interfaces whose allocation is dropped.
    """

    lab: str
    operation: str
    prefix: str
    topology: Topology | None
    saved: Saved | None = None
    document: Allocations | None = None
    persist: bool = False
    prepare: tuple[str, ...] = ()
    park: tuple[Port, ...] = ()
    parked_for: Mapping[Endpoint, Endpoint] = field(factory=dict)
    """For each parked port, its peer that goes."""
    remove: tuple[ObservedNode, ...] = ()
    unplug: tuple[tuple[str, Endpoint], ...] = ()
    create: tuple[NodeSpec, ...] = ()
    plug: tuple[Port, ...] = ()
    start: tuple[NodeSpec, ...] = ()
    commands: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    providers: Mapping[str, str] = field(factory=dict)
    """The provider of each node that this plan touches."""
    reasons: Mapping[str, str] = field(factory=dict)
    recovered: int = 0
    allocated: int = 0
    dropped: tuple[Endpoint, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no engine is written to."""
        return not any(
            (
                self.park,
                self.remove,
                self.unplug,
                self.create,
                self.plug,
                self.start,
                self.commands,
                self.forget,
            )
        )

    @property
    def replaced(self) -> tuple[str, ...]:
        """Nodes that are there and are made anew, with another definition or on another provider."""
        return tuple(name for name in self.reasons)

    def without(self, failed: Collection[str]) -> Plan:
        """The rest of the plan, when the nodes *failed* could not be removed or made.

        Nothing more is done with them, and their peers stand alone.
        """
        ports = tuple(
            evolve(port, far=Alone()) if isinstance(port.far, Peer) and port.far.end.node in failed else port
            for port in self.plug
            if port.end.node not in failed
        )
        return evolve(
            self,
            create=tuple(spec for spec in self.create if spec.name not in failed),
            plug=ports,
            start=tuple(spec for spec in self.start if spec.name not in failed),
            commands=tuple(name for name in self.commands if name not in failed),
        )

    def without_parked(self, failed: Collection[Endpoint]) -> Plan:
        """The rest of the plan, when the ports *failed* could not be parked: what they lead to stays."""
        ends = {self.parked_for[end] for end in failed if end in self.parked_for}
        nodes = {end.node for end in ends}
        return evolve(
            self,
            remove=tuple(node for node in self.remove if node.node not in nodes),
            unplug=tuple(item for item in self.unplug if item[1] not in ends),
        )

    def lines(self) -> list[str]:
        """One sentence for each thing that will be done."""
        going = {node.node for node in self.remove}
        made = [spec.name for spec in self.create]
        lines = [f"remove {node.node} ({node.provider})" for node in self.remove if node.node not in made]
        lines += [f"unplug {end}" for _, end in self.unplug]
        for spec in self.create:
            if spec.name in self.reasons:
                lines.append(f"replace {spec.name}: {self.reasons[spec.name]}")
            else:
                lines.append(f"{'make anew' if spec.name in going else 'create'} {spec.name}")
        lines += _plug_lines(self.plug)
        lines += [f"start {spec.name}" for spec in self.start]
        lines += [f"run the commands of {name}" for name in self.commands]
        lines += [f"drop the allocation of {end}" for end in self.dropped]
        return lines

    def json(self) -> dict[str, Any]:
        """The plan as JSON values; stable."""
        return {
            "lab": self.lab,
            "operation": self.operation,
            "remove": [node.node for node in self.remove],
            "create": [spec.name for spec in self.create if spec.name not in self.reasons],
            "replace": dict(self.reasons),
            "unplug": [str(end) for _, end in self.unplug],
            "plug": [
                {"end": str(port.end), "vlan": port.tag, "mac": port.mac, "far": far_text(port)}
                for port in self.plug
            ],
            "start": [spec.name for spec in self.start],
            "commands": list(self.commands),
            "recovered": self.recovered,
            "allocated": self.allocated,
            "dropped": [str(end) for end in self.dropped],
            "warnings": list(self.warnings),
        }


def far_text(port: Port) -> str | None:
    """What the port leads to, for people; None where it leads nowhere."""
    match port.far:
        case Peer(end):
            return str(end)
        case HostEnd(name):
            return f"host:{name}"
        case Joined(bridge=bridge):
            return f"bridge {bridge}"
        case _:
            return None


def _plug_lines(ports: Collection[Port]) -> list[str]:
    """A pair is one line, not two."""
    lines, told = [], set()
    for port in ports:
        if port.end in told:
            continue
        if isinstance(port.far, Peer):
            told.add(port.far.end)
        far = far_text(port)
        lines.append(f"plug {port.end} {'-- ' + far if far else 'without a link'} (vlan {port.tag})")
    return lines
