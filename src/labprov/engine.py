"""The words between core and a provider: what it is told to make, and what it says there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from labprov.errors import LabprovError
from labprov.events import Event
from labprov.host import Host
from labprov.model import Endpoint, Node
from labprov.timeouts import Timeouts

DEFAULT_MTU = 9500
"""Bytes; what a wire gets where the topology names none: 9000-byte frames pass, as with containerlab."""


def _unheard(_: Event) -> None:
    """Where nobody listens."""


@frozen(kw_only=True)
class Scope:
    """Whose things a hook is about: one lab's, or all of one workspace's.

    :param workspace_id: the workspace's random id, as it stands in every label.
    :param workspace: the workspace's folder, absolute; a provider keeps files only in ``disks/`` and
        ``logs/`` of it, in a folder of the lab's.
    :param lab: the lab's id; None: every lab.
    :param prefix: what runtime names begin with.
    :param bridge: the Open vSwitch bridge that ports meet on; empty where no lab is meant.
    :param shared: whether that bridge was named by somebody, to be shared between labs; labprov then changes
        no setting of one that it did not make.
    :param emit: tells the observers what happens meanwhile, as an image that is pulled.
    """

    host: Host
    workspace_id: str
    workspace: Path
    lab: str | None = None
    prefix: str = "labprov"
    bridge: str = ""
    shared: bool = False
    timeouts: Timeouts = field(factory=Timeouts)
    emit: Callable[[Event], None] = field(default=_unheard, eq=False, repr=False)


class NodeState(StrEnum):
    """What a node is doing, in the same words on every provider."""

    ABSENT = "absent"
    DEFINED = "defined"
    """Made, and never started."""
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """Ended because somebody asked for it."""
    CRASHED = "crashed"
    """Ended, and nobody asked for it."""
    FOREIGN = "foreign"
    """Something with our name and without our labels."""
    UNKNOWN = "unknown"


@frozen
class Peer:
    """The other end of the wire is this interface; both ends are namespaces of one provider: a veth pair."""

    end: Endpoint


class BridgeType(StrEnum):
    """Which kind of bridge a port is put on."""

    OVS = "ovs"
    """An Open vSwitch bridge that labprov made or an orchestrator named; ports meet by their tag."""
    PARKING = "parking"
    """A Linux bridge of labprov's, in the lab's parking namespace."""
    HOST = "host"
    """A bridge of the host's that was there before."""


@frozen
class Joined:
    """The port is put on that bridge with its tag.

    :param learn: whether the bridge may learn addresses: True on a segment of many ports, False on a wire.
    """

    bridge: str
    type: BridgeType
    learn: bool = False


@frozen
class HostEnd:
    """The other end is an interface of the host with this name; the node's provider makes both."""

    name: str


@frozen
class Alone:
    """No link: the interface is up, and nobody hears it."""


Far = Peer | Joined | HostEnd | Alone


@frozen(kw_only=True)
class Port:
    """One end of a wire, as it shall be.

    :param index: the position among the node's data interfaces, from 0.
    :param mac: six octets, lower case, colons.
    :param tag: VLAN tag, 1 to 4094.
    :param mtu: in bytes; what the topology asks for, else labprov's own default for a wire.
    :param device: what its device on the host is called, where a provider has to know that beforehand.
    """

    end: Endpoint
    index: int
    mac: str
    tag: int
    far: Far
    mtu: int = DEFAULT_MTU
    device: str = ""


@frozen
class Namespace:
    """A port's place: a network namespace, by the path of its file."""

    path: str


@frozen
class Tap:
    """A port's place: a tap device that a virtual machine borrows, by its name on the host."""

    name: str


Place = Namespace | Tap


@frozen(kw_only=True)
class NodeSpec:
    """One node as a provider shall make it.

    :param runtime_name: what the engine calls it; the provider computes no names of its own.
    :param holder_name: what the engine calls a thing beside the node that holds its network, where it needs
        one.
    :param definition: the hash of all that can't change in place; goes into the labels.
    :param labels: identity in the engine, ``labprov.*`` keys; complete, to be attached as they are.
    :param ports: every data interface, in order, with its MAC.
    :param replaces: the node of the same identity that this one takes the place of, None for a new node.
    :param changed: with ``replaces``, the containerlab keys whose values differ ("image", "cpu"), so that a
        provider knows what may stay (a disk, a holder); None: nobody knows, so nothing but the place may.
    """

    node: Node
    runtime_name: str
    holder_name: str = ""
    definition: str
    labels: Mapping[str, str]
    ports: tuple[Port, ...] = ()
    replaces: ObservedNode | None = None
    changed: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """The node's name in the lab."""
        return self.node.name


@frozen(kw_only=True)
class ObservedInterface:
    """A data interface as the engine really holds it.

    :param tag: the tag really carried; None where it carries none.
    :param far: what it is really joined to; None where it is dangling, or joined to something else.
    :param mtu: in bytes, as it really is.
    :param device: the device's name on the host, where it has one there.
    """

    name: str
    mac: str
    tag: int | None = None
    far: Far | None = None
    mtu: int = DEFAULT_MTU
    up: bool = True
    """Whether the link was not taken down by :meth:`labprov.Lab.set_link`."""
    device: str | None = None


@frozen(kw_only=True)
class ObservedNode:
    """A node as the engine really holds it, its identity read from its labels."""

    lab: str
    node: str
    provider: str
    runtime_name: str
    state: NodeState
    prefix: str = ""
    workspace: str = ""
    kind: str = ""
    definition: str = ""
    interfaces: tuple[ObservedInterface, ...] = ()
    process: int | None = None
    """The node's first process, as the host numbers it."""
    management_address: str | None = None

    def interface(self, name: str) -> ObservedInterface | None:
        """The data interface called *name*, or None."""
        return next((item for item in self.interfaces if item.name == name), None)


@frozen(kw_only=True)
class LabResource:
    """A thing that belongs to a lab and to no node: a network, a parking namespace, a disks folder."""

    lab: str
    provider: str
    role: str
    name: str
    workspace: str = ""


@frozen
class ForeignPort:
    """A port that is not labprov's, on a bridge that labs may share, and the tag that it carries."""

    bridge: str
    tag: int
    name: str = ""


@frozen
class Observed:
    """Everything of labprov's that one provider, or all of them, really hold.

    A query that failed is an exception, never an empty one of these.
    """

    nodes: tuple[ObservedNode, ...] = ()
    resources: tuple[LabResource, ...] = ()
    foreign_ports: tuple[ForeignPort, ...] = ()
    """Of a provider that claims ``shared_bridge``: what else carries a tag on its switch's bridges."""

    def __add__(self, other: Observed) -> Observed:
        return Observed(
            self.nodes + other.nodes,
            self.resources + other.resources,
            self.foreign_ports + other.foreign_ports,
        )


class Capability(StrEnum):
    """What a provider claims beyond the core of the contract; the suite proves each."""

    FRAMES = "frames"
    IP = "ip"
    PROCESSES = "processes"
    EXTERNAL_RESTART = "external_restart"
    ENGINE_RESTART = "engine_restart"
    SHARED_BRIDGE = "shared_bridge"
    CARRIER = "carrier"
    CONSOLE = "console"
    SSH = "ssh"
    EXTRACT = "extract"
    RESTORE = "restore"
    JSON_STORE = "json_store"


class Join(StrEnum):
    """How a provider's ports can meet others."""

    PAIR = "pair"
    """Two of its own ports can be the two ends of one veth pair."""
    BRIDGE = "bridge"
    """A port can be put on an Open vSwitch bridge of the host."""
    HOST = "host"
    """A port can end at an interface, or on a Linux bridge, of the host (which takes root)."""


@frozen(kw_only=True)
class ProviderInfo:
    """What a provider says of itself.

    :param present: whether its engine is on this host at all. Where it is not, nothing of it can exist; where
        it is and does not answer, nobody knows what exists, and what would need to know stops.
    :param reason: why it is unavailable, None if it is available.
    :param remedy: what to do about that.
    :param no_links: why it can't join now as it could otherwise, and what to do about that; None where
        nothing keeps it from that.
    :param node_keys: the containerlab node keys it honours; for every other one that a file uses, the user
        is warned.
    :param runs_images: whether its nodes run an ``image``; a node that has one never falls silently to a
        provider that doesn't.
    """

    name: str
    version: str
    engine: str = ""
    engine_version: str = ""
    joins: frozenset[Join] = frozenset()
    capabilities: frozenset[Capability] = frozenset()
    node_keys: frozenset[str] = frozenset()
    runs_images: bool = True
    present: bool = True
    reason: str | None = None
    remedy: str | None = None
    no_links: LabprovError | None = None

    @property
    def available(self) -> bool:
        """Whether its engine and its libraries are there."""
        return self.reason is None


@frozen
class Result:
    """How a command in a node ended. Output is bytes, whole and unchanged."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 become U+FFFD."""
        return self.stdout.decode(errors="replace")


@frozen
class Readiness:
    """Whether a node is ready; if not, why not yet."""

    ready: bool
    reason: str = ""


@frozen
class ConsoleCommand:
    """How to reach a console: run *argv* in a pseudo-terminal. Never holds a password in *argv*."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(factory=dict, repr=False)


@frozen(kw_only=True)
class Problem:
    """Something about the host that will bite, and its remedy."""

    what: str
    remedy: str
    serious: bool = True
    """False: a hint; nothing fails because of it."""
