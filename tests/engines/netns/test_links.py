"""Links: bare veth pairs, raw frames over them, and what re-pointing leaves as it was."""

from __future__ import annotations

import subprocess

import pytest

from labprov import netns
from labprov.engine import DEFAULT_MTU, Alone, BridgeType, Far, HostEnd, Joined, ObservedInterface
from labprov.errors import Conflict, LabprovError, NodeNotFound, NotSupported
from labprov.model import Endpoint, Node
from labprov.netns.suite import NetnsHarness
from tests.engines.netns.rig import Lab, ep, mac_of, soon, until

A = bytes.fromhex("020000000a01")
B = bytes.fromhex("020000000b02")
BROADCAST = b"\xff" * 6
PAYLOAD = b"labprov" + bytes(range(80))


def tagged(*tags: tuple[int, int]) -> bytes:
    return b"".join(kind.to_bytes(2, "big") + value.to_bytes(2, "big") for kind, value in tags)


def group(last: str) -> bytes:
    return bytes.fromhex("0180c20000" + last)


FRAMES = {
    "unicast": B + A + b"\x88\xb5" + PAYLOAD,
    "broadcast": BROADCAST + A + b"\x88\xb5" + PAYLOAD,
    "multicast": bytes.fromhex("01005e000005") + A + b"\x88\xb5" + PAYLOAD,
    "stp": group("00") + A + b"\x00\x26\x42\x42\x03" + PAYLOAD,
    "pause": group("01") + A + b"\x88\x08\x00\x01\xff\xff" + bytes(44),
    "lacp": group("02") + A + b"\x88\x09\x01" + PAYLOAD,
    "802.1X": group("03") + A + b"\x88\x8e" + PAYLOAD,
    "lldp": group("0e") + A + b"\x88\xcc" + PAYLOAD,
    "cdp": bytes.fromhex("01000ccccccc") + A + b"\x00\x40\xaa\xaa\x03\x00\x00\x0c\x20\x00" + PAYLOAD,
    "pvst": bytes.fromhex("01000ccccccd") + A + b"\x00\x40\xaa\xaa\x03\x00\x00\x0c\x01\x0b" + PAYLOAD,
    "dot1q": B + A + tagged((0x8100, 42)) + b"\x88\xb5" + PAYLOAD,
    "priority": B + A + tagged((0x8100, 0xE000)) + b"\x88\xb5" + PAYLOAD,
    "qinq": B + A + tagged((0x88A8, 7), (0x8100, 42)) + b"\x88\xb5" + PAYLOAD,
    "three tags": B + A + tagged((0x88A8, 7), (0x8100, 42), (0x8100, 43)) + b"\x88\xb5" + PAYLOAD,
    "mpls": B + A + b"\x88\x47" + bytes.fromhex("00064140") + PAYLOAD,
    "source is destination": A + A + b"\x88\xb5" + PAYLOAD,
    "multicast source": B + bytes.fromhex("01005e000001") + b"\x88\xb5" + PAYLOAD,
    "zero source": B + bytes(6) + b"\x88\xb5" + PAYLOAD,
    "jumbo": B + A + b"\x88\xb5" + bytes(range(250)) * 36,
}


def ours(frames: list[bytes]) -> list[bytes]:
    """Without what the nodes' own IPv6 says."""
    return [frame for frame in frames if b"\x86\xdd" not in frame[12:14]]


def test_what_arrives_is_what_was_sent(lab: Lab, harness: NetnsHarness) -> None:
    """Every kind of frame arrives once, bit for bit, in both directions, and nowhere else."""
    lab.up("r1", "r2", "r3", "r4")
    lab.link("r1:eth1", "r2:eth1", 100)
    lab.link("r3:eth1", "r4:eth1", 101)
    for near, far in (("r1:eth1", "r2:eth1"), ("r2:eth1", "r1:eth1")):
        with (
            harness.listen(lab.scope, ep(far)) as there,
            harness.listen(lab.scope, ep("r3:eth1")) as elsewhere,
        ):
            for name, frame in FRAMES.items():
                harness.send(lab.scope, ep(near), frame)
                heard: list[bytes] = []
                while not heard:
                    heard = ours(soon(there))
                assert heard == [frame], name
            assert ours(there(0.2)) == []
            assert ours(elsewhere(0)) == []


def test_observed_as_plugged(lab: Lab) -> None:
    """A port is observed with exactly the MAC, tag, MTU and far that it was plugged with."""
    lab.create(Node(name="r1"), Node(name="r2"))
    lab.link("r1:eth2", "r2:eth1", 100)
    lab.link("r1:eth10", "r2:eth2", 200, mtu=1400)
    lab.link("r1:eth3", "r2:eth3", 201, mtu=9500)
    lab.alone("r1:eth1", 300)

    def seen(name: str, tag: int, far: Far, mtu: int = DEFAULT_MTU) -> ObservedInterface:
        return ObservedInterface(name=name, mac=mac_of(Endpoint("r1", name)), tag=tag, far=far, mtu=mtu)

    assert lab.node("r1").interfaces == (
        seen("eth1", 300, Alone()),
        seen("eth2", 100, lab.port("r1:eth2", "r2:eth1", 100).far),
        seen("eth3", 201, lab.port("r1:eth3", "r2:eth3", 100).far, 9500),
        seen("eth10", 200, lab.port("r1:eth10", "r2:eth2", 200).far, 1400),
    )


def test_plug_twice_changes_nothing(lab: Lab) -> None:
    """Plugging what is plugged already leaves the very same interface."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1")
    lab.alone("r1:eth2", 101)
    before = lab.ok("r1", "ip -o link")
    lab.link("r1:eth1", "r2:eth1")
    lab.alone("r1:eth2", 101)
    assert lab.ok("r1", "ip -o link") == before


def test_wire_within_one_node(lab: Lab) -> None:
    """Two interfaces of one node can be the two ends of a wire."""
    lab.up("r1")
    lab.link("r1:eth1", "r1:eth2")
    assert lab.interface("r1:eth1").far == lab.port("r1:eth1", "r1:eth2", 100).far
    assert lab.interface("r1:eth2").far == lab.port("r1:eth2", "r1:eth1", 100).far


def test_alone_is_up_and_hears_nothing(lab: Lab, harness: NetnsHarness) -> None:
    """An interface without a link has a carrier, and nobody sends to it or hears it."""
    lab.up("r1", "r2")
    lab.alone("r1:eth1", 100)
    lab.alone("r2:eth1", 101)
    assert "LOWER_UP" in lab.ok("r1", "ip -o link show eth1")
    with harness.listen(lab.scope, ep("r2:eth1")) as other, harness.listen(lab.scope, ep("r1:eth1")) as own:
        harness.send(lab.scope, ep("r1:eth1"), FRAMES["broadcast"])
        assert other(0.3) == []
        assert own(0) == []


def test_resources(lab: Lab) -> None:
    """The parking namespace is the lab's, and is reported as such."""
    lab.create(Node(name="r1"))
    lab.alone("r1:eth1")
    (found,) = lab.observe().resources
    assert (found.role, found.lab, found.workspace) == ("parking", lab.name, lab.workspace_id)


CONFIGURE = (
    "ip addr add 10.0.0.1/24 dev {i} && ip addr add 10.0.1.1/24 dev {i}"
    " && ip addr add fd00::1/64 dev {i} nodad"
    " && ip route add 10.9.0.0/16 via 10.0.0.9 && ip route add default via 10.0.1.9"
    " && ip -6 route add fd09::/48 via fd00::9 && ip route add 10.8.0.0/16 dev {i} metric 7 table 33"
)
SHOW = (
    "ip -br link show {i}; ip -o -4 addr show {i} | cut -c4-; ip -o -6 addr show {i} scope global | cut -c4-;"
    " ip -4 route show table all dev {i} | sort; ip -6 route show dev {i} | sort"
)


def configured(lab: Lab, node: str) -> str:
    """What the user of an interface would miss if it went."""
    shown = lab.ok(node, SHOW.format(i="eth1"))
    return "\n".join(
        line.replace("@if", "@").split("@")[0] if "@" in line else line for line in shown.splitlines()
    )


def test_repoint_keeps_addresses_at_every_end(lab: Lab) -> None:
    """An interface whose link changes keeps name, MAC, addresses and routes, whichever end it was."""
    lab.up("r1", "r2", "r3")
    lab.link("r1:eth1", "r2:eth1", 100)
    for node in ("r1", "r2"):
        lab.ok(node, CONFIGURE.format(i="eth1"))
    before = {node: configured(lab, node) for node in ("r1", "r2")}
    assert "fd09::/48" in before["r1"]
    assert "10.9.0.0/16" in before["r1"]

    def unchanged() -> bool:
        return {node: configured(lab, node) for node in before} == before

    lab.good(lab.port("r1:eth1", Alone(), 100), lab.port("r2:eth1", Alone(), 101))
    assert lab.interface("r1:eth1").far == lab.interface("r2:eth1").far == Alone()
    assert unchanged()
    lab.link("r1:eth1", "r2:eth1", 100)
    assert lab.interface("r1:eth1").far == lab.port("r1:eth1", "r2:eth1", 100).far
    assert unchanged()
    lab.good(
        lab.port("r2:eth1", "r3:eth1", 101),
        lab.port("r3:eth1", "r2:eth1", 101),
        lab.port("r1:eth1", Alone(), 100),
    )
    assert lab.interface("r3:eth1").far == lab.port("r3:eth1", "r2:eth1", 100).far
    assert unchanged()


def test_one_end_of_a_repointed_wire_is_untouched(lab: Lab) -> None:
    """When a link is made of two lone interfaces, one of them stays the very same interface."""
    lab.up("r1", "r2")
    lab.alone("r1:eth1", 100)
    lab.alone("r2:eth1", 101)
    before = lab.ok("r1", "ip -o link show eth1").split(":")[0]
    lab.link("r1:eth1", "r2:eth1", 100)
    assert lab.ok("r1", "ip -o link show eth1").split(":")[0] == before


def test_swap(lab: Lab, harness: NetnsHarness) -> None:
    """Two links can change their ends in one batch; frames follow."""
    nodes = ("r1", "r2", "r3", "r4")
    lab.up(*nodes)
    lab.link("r1:eth1", "r2:eth1", 100)
    lab.link("r3:eth1", "r4:eth1", 101)
    lab.good(
        lab.port("r1:eth1", "r3:eth1", 100),
        lab.port("r3:eth1", "r1:eth1", 100),
        lab.port("r2:eth1", "r4:eth1", 101),
        lab.port("r4:eth1", "r2:eth1", 101),
    )
    carries(lab, harness, "r1:eth1", "r3:eth1")
    carries(lab, harness, "r4:eth1", "r2:eth1")
    assert lab.interface("r2:eth1").far == lab.port("r2:eth1", "r4:eth1", 101).far


def carries(lab: Lab, harness: NetnsHarness, near: str, far: str) -> None:
    """A frame goes from one end to the other.

    It is sent until it is heard: the kernel tells an interface of its carrier up to a second later.
    """
    with harness.listen(lab.scope, ep(far)) as there:

        def heard() -> bool:
            harness.send(lab.scope, ep(near), FRAMES["lldp"])
            return FRAMES["lldp"] in soon(there)

        until(heard)


def test_the_third_end_is_alone(lab: Lab) -> None:
    """A re-pointed end's old peer that nobody mentions keeps its interface, alone."""
    lab.up("r1", "r2", "r3")
    lab.link("r1:eth1", "r2:eth1", 100)
    lab.ok("r2", CONFIGURE.format(i="eth1"))
    before = configured(lab, "r2")
    lab.link("r1:eth1", "r3:eth1", 100)
    assert lab.interface("r2:eth1").far == Alone()
    assert configured(lab, "r2") == before


def test_new_tag(lab: Lab) -> None:
    """A tag changes in place."""
    lab.create(Node(name="r1"), Node(name="r2"))
    lab.link("r1:eth1", "r2:eth1", 100)
    lab.link("r1:eth1", "r2:eth1", 200)
    assert lab.interface("r1:eth1").tag == lab.interface("r2:eth1").tag == 200


def test_unplug_leaves_the_peer(lab: Lab) -> None:
    """An interface that is removed leaves its peer's interface, alone; removing it again is no error."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1", 100)
    lab.ok("r2", CONFIGURE.format(i="eth1"))
    before = configured(lab, "r2")
    for _ in range(2):
        assert netns.labprov_unplug(lab.scope, [ep("r1:eth1"), ep("r9:eth1")]) == [None, None]
    assert lab.node("r1").interfaces == ()
    assert lab.interface("r2:eth1").far == Alone()
    assert configured(lab, "r2") == before


def test_renamed_in_the_node(lab: Lab) -> None:
    """An interface that was renamed inside its node is still the same port, and gets its name back."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1", 100)
    lab.ok("r1", "ip link set eth1 down && ip link set eth1 name wan0")
    assert lab.interface("r1:eth1").far == lab.port("r1:eth1", "r2:eth1", 100).far
    lab.link("r1:eth1", "r2:eth1", 100)
    assert "UP" in lab.ok("r1", "ip -br link show eth1")


def test_name_taken_in_the_node(lab: Lab) -> None:
    """An interface of the node's own making is in the way, not taken over; the other ports are made."""
    lab.up("r1", "r2")
    lab.ok("r1", "ip link add eth1 type bridge")
    one, two, three = lab.plug(
        lab.port("r1:eth1", "r2:eth1", 100),
        lab.port("r2:eth1", "r1:eth1", 100),
        lab.port("r2:eth2", Alone(), 101),
    )
    assert isinstance(one, Conflict)
    assert isinstance(two, Conflict)
    assert not isinstance(three, LabprovError)


def test_port_of_a_node_that_is_not_there(lab: Lab) -> None:
    """A port of a node that does not exist is an error of both ends of its wire only."""
    lab.create(Node(name="r1"))
    one, two, three = lab.plug(
        lab.port("r1:eth1", "r9:eth1", 100),
        lab.port("r9:eth1", "r1:eth1", 100),
        lab.port("r1:eth2", Alone(), 101),
    )
    assert isinstance(two, NodeNotFound)
    assert isinstance(one, LabprovError)
    assert not isinstance(three, LabprovError)


def test_segment(lab: Lab, harness: NetnsHarness) -> None:
    """Ports on a segment of labprov's hear each other, also STP, LACP and LLDP, and are observed so."""
    lab.up("r1", "r2", "r3")
    far = Joined("sw1", BridgeType.PARKING, learn=True)
    lab.good(*(lab.port(f"r{n}:eth1", far, 100) for n in (1, 2, 3)))
    assert lab.interface("r1:eth1").far == far
    with harness.listen(lab.scope, ep("r2:eth1")) as two, harness.listen(lab.scope, ep("r3:eth1")) as three:
        for kind in ("broadcast", "stp", "lacp", "lldp", "dot1q", "jumbo"):
            harness.send(lab.scope, ep("r1:eth1"), FRAMES[kind])
            for there in (two, three):
                heard: list[bytes] = []
                while not heard:
                    heard = ours(soon(there))
                assert heard == [FRAMES[kind]], kind
    lab.good(lab.port("r1:eth1", Joined("sw2", BridgeType.PARKING, learn=False), 100))
    assert lab.interface("r1:eth1").far == Joined("sw2", BridgeType.PARKING, learn=False)


def no_carrier(lab: Lab, node: str, interface: str = "eth1") -> bool:
    """Whether the interface is up and sees no carrier."""
    shown = lab.ok(node, f"ip -o link show {interface}")
    flags = shown.split("<")[1].split(">")[0].split(",")
    assert "UP" in flags
    assert ("LOWER_UP" in flags) != ("NO-CARRIER" in flags)
    return "NO-CARRIER" in flags


def test_carrier(lab: Lab, harness: NetnsHarness) -> None:
    """A link taken down has no carrier at either end and keeps everything else; up, it carries again."""
    lab.up("r1", "r2", "r3")
    lab.link("r1:eth1", "r2:eth1", 100)
    lab.link("r1:eth2", "r3:eth1", 101)
    for node in ("r1", "r2"):
        lab.ok(node, CONFIGURE.format(i="eth1"))
    plain = {node: configured(lab, node).replace(" linkdown", "") for node in ("r1", "r2")}
    ends = [ep("r1:eth1"), ep("r2:eth1")]
    for _ in range(2):
        for _ in range(2):
            assert netns.labprov_set_carrier(lab.scope, ends, up=False) == [None, None]
        assert no_carrier(lab, "r1")
        assert no_carrier(lab, "r2")
        assert not no_carrier(lab, "r1", "eth2")
        lab.again()
        assert [lab.interface(str(end)).up for end in ends] == [False, False]
        assert lab.interface("r1:eth1").far == lab.port("r1:eth1", "r2:eth1", 100).far
        assert lab.interface("r2:eth1").tag == 100
        for _ in range(2):
            assert netns.labprov_set_carrier(lab.scope, ends, up=True) == [None, None]
        assert [lab.interface(str(end)).up for end in ends] == [True, True]
        assert not no_carrier(lab, "r2")
        carries(lab, harness, "r1:eth1", "r2:eth1")
        carries(lab, harness, "r2:eth1", "r1:eth1")
        assert {node: configured(lab, node) for node in plain} == plain


def test_plug_leaves_a_link_down(lab: Lab) -> None:
    """Plugging what is plugged already does not bring up a link that was taken down."""
    lab.up("r1", "r2")
    lab.link("r1:eth1", "r2:eth1", 100)
    netns.labprov_set_carrier(lab.scope, [ep("r1:eth1"), ep("r2:eth1")], up=False)
    lab.link("r1:eth1", "r2:eth1", 100)
    assert no_carrier(lab, "r2")
    lab.good(lab.port("r1:eth1", Alone(), 100), lab.port("r2:eth1", Alone(), 101))
    assert not no_carrier(lab, "r1")
    assert not no_carrier(lab, "r2")


def test_carrier_of_a_lone_end(lab: Lab) -> None:
    """An interface without a link can lose its carrier too."""
    lab.up("r1")
    lab.alone("r1:eth1", 100)
    assert netns.labprov_set_carrier(lab.scope, [ep("r1:eth1")], up=False) == [None]
    assert no_carrier(lab, "r1")
    assert (lab.interface("r1:eth1").up, lab.interface("r1:eth1").far) == (False, Alone())
    assert netns.labprov_set_carrier(lab.scope, [ep("r1:eth1")], up=True) == [None]
    assert not no_carrier(lab, "r1")


@pytest.mark.rootless
def test_host_needs_root(lab: Lab) -> None:
    """An unprivileged user's link to the host is refused, with the remedy."""
    lab.create(Node(name="r1"))
    fars: tuple[Far, ...] = (HostEnd("lpt0"), Joined("lpt0", BridgeType.HOST, learn=True))
    for outcome in lab.plug(*(lab.port(f"r1:eth{n}", far, 100) for n, far in enumerate(fars))):
        assert isinstance(outcome, NotSupported)
        assert "as root" in str(outcome)


@pytest.mark.root
def test_host_end(lab: Lab, harness: NetnsHarness) -> None:
    """An end on the host has its name there, moves in place, and goes with its node."""
    lab.up("r1", "r2")
    lab.good(lab.port("r1:eth1", HostEnd(f"h{lab.name}"), 100))
    assert lab.interface("r1:eth1").far == HostEnd(f"h{lab.name}")
    assert "UP" in ip("-br", "link", "show", f"h{lab.name}")
    lab.good(lab.port("r2:eth1", HostEnd(f"h{lab.name}"), 100))
    assert lab.interface("r1:eth1").far == Alone()
    assert lab.interface("r2:eth1").far == HostEnd(f"h{lab.name}")
    netns.labprov_set_carrier(lab.scope, [ep("r2:eth1")], up=False)
    assert no_carrier(lab, "r2")
    netns.labprov_set_carrier(lab.scope, [ep("r2:eth1")], up=True)
    netns.labprov_remove_nodes(lab.scope, [lab.node("r2")])
    assert f"h{lab.name}" not in ip("-br", "link")


@pytest.mark.root
def test_host_name_taken(lab: Lab) -> None:
    """A name on the host that is not ours is a conflict, and stays."""
    lab.create(Node(name="r1"))
    before = ip("-o", "link", "show", "lo")
    (outcome,) = lab.plug(lab.port("r1:eth1", HostEnd("lo"), 100))
    assert isinstance(outcome, Conflict)
    assert ip("-o", "link", "show", "lo") == before
    assert lab.node("r1").interfaces == ()


@pytest.mark.root
def test_bridge_of_the_host(lab: Lab) -> None:
    """A port can be put on a bridge that the host has; one it has not is refused."""
    lab.up("r1")
    (outcome,) = lab.plug(lab.port("r1:eth1", Joined(f"b{lab.name}", BridgeType.HOST, learn=True), 100))
    assert isinstance(outcome, NodeNotFound)
    ip("link", "add", f"b{lab.name}", "type", "bridge")
    try:
        lab.good(lab.port("r1:eth1", Joined(f"b{lab.name}", BridgeType.HOST, learn=True), 100))
        assert lab.interface("r1:eth1").far == Joined(f"b{lab.name}", BridgeType.HOST, learn=True)
        (half,) = ip("-o", "link", "show", "master", f"b{lab.name}").splitlines()
        assert ip("-6", "addr", "show", "dev", half.split(": ")[1].partition("@")[0]) == ""
        lab.alone("r1:eth1")
        assert lab.interface("r1:eth1").far == Alone()
        assert f"master b{lab.name}" not in ip("-o", "link")
    finally:
        ip("link", "delete", f"b{lab.name}")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout
