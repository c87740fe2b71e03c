"""Wires over a real Open vSwitch: what is plugged, seen, re-pointed and taken away again."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from attrs import evolve

from labprov import wires
from labprov.contract.suite.frames import kinds
from labprov.engine import (
    Alone,
    BridgeType,
    Far,
    Joined,
    Namespace,
    ObservedInterface,
    Place,
    Port,
    Scope,
    Tap,
)
from labprov.errors import Conflict, EngineFailure, ForeignResource, Unavailable
from labprov.host import Host
from labprov.identity import device_name
from labprov.model import Endpoint
from labprov.wires import Helper, SeenTap, SpaceAlias, ovsdb
from labprov.wires.alias import ON
from tests.engines.netns.rig import mac_of
from tools.engines import ENGINES, restart

pytestmark = pytest.mark.engine("root", "ovs")


def run(*words: str) -> str:
    """Run a program that has to succeed."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


class Lab:
    """Namespaces of our own, as somebody else's engine would make them, and their ports."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.places: dict[str, Namespace] = {}

    def node(self, name: str) -> None:
        path = f"lpt-{self.scope.lab}-{name}"
        run("ip", "netns", "add", path)
        self.places[name] = Namespace(f"/run/netns/{path}")
        alias = SpaceAlias("node", self.scope.lab or "", name, "lpt", self.scope.workspace_id, power=ON)
        assert wires.label(self.scope, [(self.places[name], alias)]) == [None]

    def lose(self, name: str) -> None:
        """Lose a namespace with all that is in it."""
        run("ip", "netns", "delete", f"lpt-{self.scope.lab}-{name}")

    def port(self, end: str, tag: int, far: Far | None = None) -> tuple[Port, Namespace]:
        node, _, name = end.partition(":")
        found = Endpoint(node, name)
        joined = far or Joined(self.scope.bridge, BridgeType.OVS)
        return Port(end=found, index=0, mac=mac_of(found), tag=tag, far=joined), self.places[node]

    def plug(self, *ports: tuple[Port, Place]) -> None:
        outcomes = wires.plug(self.scope, ports, "test", alone=BridgeType.OVS)
        assert outcomes == [place for _, place in ports], [str(outcome) for outcome in outcomes]

    def link(self, a: str, b: str, tag: int) -> None:
        self.plug(self.port(a, tag), self.port(b, tag))

    def interface(self, end: str) -> ObservedInterface | None:
        node, _, name = end.partition(":")
        seen = wires.observe(self.scope, self.places)
        found = seen[node].interfaces if node in seen else ()
        return next((item for item in found if item.name == name), None)

    def far(self, end: str) -> Far | None:
        found = self.interface(end)
        return found.far if found else None

    def kinds(self, sender: str, receiver: str) -> dict[str, bytes]:
        """One frame of each kind from the one to the other."""
        macs = [mac_of(Endpoint(*end.split(":"))) for end in (sender, receiver)]
        return kinds(macs[0], macs[1])

    def carries(self, sender: str, receiver: str) -> bool:
        """Whether all kinds of frames come from the one to the other, once and bit for bit."""
        frames = self.kinds(sender, receiver)
        return self.heard(sender, receiver, frames) == list(frames)

    def heard(self, sender: str, receiver: str, frames: dict[str, bytes]) -> list[str]:
        """The frames of those sent by the one that come to the other, each once and unchanged."""
        helper = wires.helper(self.scope)
        node, _, name = receiver.partition(":")
        with Helper(self.scope.workspace_id, self.scope.workspace, 60.0) as ears:
            number = ears.request("listen", place=self.places[node].path, interface=name)
            node, _, name = sender.partition(":")
            place = self.places[node].path
            for frame in frames.values():
                helper.request("send", place=place, interface=name, frame=_said(frame))
            got: list[str] = []
            while len(got) < len(frames):
                part = ears.request("heard", listener=number, seconds=1.0)
                if not part:
                    break
                got += part
        return [kind for kind, frame in frames.items() if got.count(_said(frame)) == 1]


def _said(frame: bytes) -> str:
    return base64.b64encode(frame).decode()


@pytest.fixture
def scope(tmp_path: Path) -> Iterator[Scope]:
    """Give a lab's scope; its bridge must be gone at the end."""
    name = uuid.uuid4().hex[:8]
    with Host() as host:
        yield Scope(host=host, workspace_id=name, workspace=tmp_path, lab=f"sw{name}", bridge=f"lp-{name}")
        left = [row for row in ovsdb.read(host).ports.values() if row.ids.get("labprov.workspace") == name]
        for bridge in {row.bridge for row in left}:
            run("ovs-vsctl", "--if-exists", "del-br", bridge)
    assert left == []


@pytest.fixture
def lab(scope: Scope) -> Iterator[Lab]:
    """Give a lab, and take it away."""
    lab = Lab(scope)
    yield lab
    for name in lab.places:
        subprocess.run(["ip", "netns", "delete", f"lpt-{scope.lab}-{name}"], check=False, capture_output=True)
    wires.remove_ports(scope, list(lab.places))
    wires.remove_lab(scope, "test")


def test_a_link_over_the_switch_is_a_wire(lab: Lab) -> None:
    """All kinds of frames arrive once, bit for bit, both ways, and a third port hears none."""
    for name in "abc":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    lab.plug(lab.port("c:eth1", 101, Alone()))
    for one, two in (("a:eth1", "b:eth1"), ("b:eth1", "a:eth1")):
        assert lab.carries(one, two)
        assert lab.heard(one, "c:eth1", lab.kinds(one, two)) == []


def test_the_host_is_not_on_the_wire(lab: Lab) -> None:
    """The host answers nobody who asks for its own addresses, and takes no address from a router there."""
    for name in "ab":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    shown = json.loads(run("ip", "-json", "-4", "address", "show", "scope", "global"))
    own = [socket.inet_aton(item["local"]) for link in shown for item in link["addr_info"]]
    assert own, "the host has no address to ask for"
    mac = bytes.fromhex(mac_of(Endpoint("a", "eth1")).replace(":", ""))
    asked = {
        socket.inet_ntoa(address): b"\xff" * 6
        + mac
        + struct.pack("!HHHBBH6s4s6s4s", 0x0806, 1, 0x0800, 6, 4, 1, mac, bytes(4), bytes(6), address)
        for address in own
    }
    with Helper(lab.scope.workspace_id, lab.scope.workspace, 60.0) as ears:
        number = ears.request("listen", place=lab.places["a"].path, interface="eth1")
        assert lab.heard("a:eth1", "b:eth1", asked) == list(asked)
        heard = [base64.b64decode(text) for text in ears.request("heard", listener=number, seconds=0.5)]
    assert [frame for frame in heard if frame[12:14] == b"\x08\x06"] == []
    device = lab.interface("a:eth1")
    assert device is not None
    setting = Path(f"/proc/sys/net/ipv6/conf/{device.device}/disable_ipv6")
    assert not setting.exists() or setting.read_text().strip() == "1"


def test_what_is_plugged_is_seen(lab: Lab) -> None:
    """Each interface is seen with the MAC, tag, MTU and far that it was given."""
    for name in "ab":
        lab.node(name)
    segment = Joined(lab.scope.bridge, BridgeType.OVS, learn=True)
    wanted = [
        lab.port("a:eth1", 100),
        lab.port("a:eth2", 101, Alone()),
        lab.port("a:eth10", 102, segment),
        lab.port("b:eth1", 100),
    ]
    lab.plug(*wanted)
    seen = wires.observe(lab.scope, lab.places)
    assert [item.name for item in seen["a"].interfaces] == ["eth1", "eth2", "eth10"]
    for port, _ in wanted:
        item = lab.interface(str(port.end))
        assert item is not None
        assert (item.mac, item.tag, item.far, item.mtu, item.up) == (
            port.mac,
            port.tag,
            port.far,
            port.mtu,
            True,
        )
    assert seen["a"].owner is not None
    assert (seen["a"].owner.node, seen["a"].owner.power) == ("a", ON)
    bridge = ovsdb.read(lab.scope.host).bridges[lab.scope.bridge]
    assert bridge.flood == {100, 101}
    before = ovsdb.read(lab.scope.host)
    lab.plug(*wanted)
    assert ovsdb.read(lab.scope.host) == before, "plugging what is plugged changes nothing"


def test_another_tag_moves_no_device(lab: Lab) -> None:
    """A port gets its new tag in place: the device on the host, and what the node has, stay."""
    for name in "abc":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    lab.plug(lab.port("c:eth1", 101, Alone()))
    before = lab.interface("a:eth1")
    lab.plug(lab.port("a:eth1", 101), lab.port("c:eth1", 101), lab.port("b:eth1", 102, Alone()))
    after = lab.interface("a:eth1")
    assert before is not None
    assert after == evolve(before, tag=101)
    assert lab.far("b:eth1") == Alone()
    assert lab.carries("a:eth1", "c:eth1")
    assert lab.heard("a:eth1", "b:eth1", lab.kinds("a:eth1", "c:eth1")) == []


def test_a_lost_bridge_comes_back(lab: Lab) -> None:
    """Where the bridge was deleted the ends lead nowhere, and are whole when plugged again."""
    for name in "ab":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    run("ovs-vsctl", "del-br", lab.scope.bridge)
    assert lab.far("a:eth1") is None
    lab.link("a:eth1", "b:eth1", 100)
    assert lab.carries("a:eth1", "b:eth1")


def test_a_lost_node_comes_back(lab: Lab) -> None:
    """A namespace made anew gets a port with a device that the switch has never seen."""
    for name in "ab":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    for _ in range(3):
        lab.lose("a")
        lab.node("a")
        lab.plug(lab.port("a:eth1", 100))
        assert lab.carries("b:eth1", "a:eth1")
    assert len(ovsdb.read(lab.scope.host).bridges[lab.scope.bridge].ports) == 3


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
def test_a_restart_of_the_switch_is_survived(lab: Lab, daemon: str) -> None:
    """Once the switch runs again, the links do."""
    for name in "ab":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    restart(ENGINES["ovs"], daemon)
    lab.plug(lab.port("a:eth1", 100), lab.port("b:eth1", 100))
    assert lab.far("a:eth1") == lab.far("b:eth1") == Joined(lab.scope.bridge, BridgeType.OVS)
    assert lab.carries("a:eth1", "b:eth1")


def test_carrier(lab: Lab) -> None:
    """A port that was taken down is seen so, and keeps its tag."""
    for name in "ab":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    ends = [(Endpoint("a", "eth1"), lab.places["a"])]
    assert wires.set_carrier(lab.scope, ends, False) == [None]
    item = lab.interface("a:eth1")
    assert item is not None
    assert (item.up, item.tag) == (False, 100)
    assert wires.set_carrier(lab.scope, ends, True) == [None]
    assert lab.carries("a:eth1", "b:eth1")


def test_unplug_leaves_the_other_end_alone(lab: Lab) -> None:
    """The interface and its port are gone; those of the other node stay."""
    for name in "ab":
        lab.node(name)
    lab.link("a:eth1", "b:eth1", 100)
    assert wires.unplug(lab.scope, [(Endpoint("a", "eth1"), lab.places["a"])]) == [None]
    assert lab.interface("a:eth1") is None
    assert lab.interface("b:eth1") is not None
    assert len(ovsdb.read(lab.scope.host).bridges[lab.scope.bridge].ports) == 2
    assert wires.unplug(lab.scope, [(Endpoint("a", "eth1"), lab.places["a"])]) == [None]


def test_a_tap_is_an_end_of_a_wire(lab: Lab) -> None:
    """What a machine writes into its tap comes to the other end unchanged, and the other way; a tap stays."""
    lab.node("a")
    end = Endpoint("vm", "eth1")
    port = evolve(lab.port("a:eth1", 100)[0], end=end, mac=mac_of(end))
    tap = Tap(device_name(lab.scope.workspace_id, lab.scope.lab or "", end))
    wanted: list[tuple[Port, Place]] = [lab.port("a:eth1", 100), (port, tap)]
    lab.plug(*wanted)
    frames = kinds(mac_of(Endpoint("a", "eth1")), mac_of(end))
    with borrowed(tap.name) as machine:
        assert lab.heard("a:eth1", "a:eth1", frames) == []
        got = set()
        with suppress(BlockingIOError):
            while True:
                got.add(os.read(machine, 1 << 16))
        assert [kind for kind, frame in frames.items() if frame not in got] == []
    seen = {(lab.scope.lab, end): SeenTap(tap.name, port.mtu, 100, port.far, True)}
    assert wires.observe_taps(lab.scope) == seen, "it is there without the machine"
    before = ovsdb.read(lab.scope.host)
    lab.plug(*wanted)
    assert ovsdb.read(lab.scope.host) == before
    lab.plug((evolve(port, tag=101, far=Alone()), tap))
    assert [(item.tag, item.far) for item in wires.observe_taps(lab.scope).values()] == [(101, Alone())]
    assert wires.unplug(lab.scope, [(end, tap)]) == [None]
    assert wires.observe_taps(lab.scope) == {}
    assert tap.name not in ovsdb.read(lab.scope.host).ports
    lab.plug((port, tap))
    wires.remove_ports(lab.scope, ["vm"])
    assert wires.observe_taps(lab.scope) == {}


@contextmanager
def borrowed(name: str) -> Iterator[int]:
    """Open the tap as a virtual machine does."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))
        yield fd
    finally:
        os.close(fd)


def test_a_foreign_device_is_no_tap(lab: Lab) -> None:
    """A device of the host's that has the tap's name is a conflict, and stays."""
    end = Endpoint("vm", "eth1")
    tap = Tap(device_name(lab.scope.workspace_id, lab.scope.lab or "", end))
    run("ip", "link", "add", "name", tap.name, "type", "bridge")
    try:
        far = Joined(lab.scope.bridge, BridgeType.OVS)
        port = Port(end=end, index=0, mac=mac_of(end), tag=100, far=far)
        (outcome,) = wires.plug(lab.scope, [(port, tap)], "test")
        assert isinstance(outcome, Conflict)
        assert outcome.node == "vm"
    finally:
        run("ip", "link", "delete", tap.name)


def test_a_foreign_bridge_is_not_taken(lab: Lab) -> None:
    """A bridge of that name that is not the lab's is a conflict, and stays as it is."""
    lab.node("a")
    run(
        "ovs-vsctl",
        "add-br",
        lab.scope.bridge,
        "--",
        "set",
        "bridge",
        lab.scope.bridge,
        "datapath_type=netdev",
    )
    before = ovsdb.read(lab.scope.host).bridges[lab.scope.bridge]
    try:
        with pytest.raises(ForeignResource):
            lab.plug(lab.port("a:eth1", 100))
        wires.remove_lab(lab.scope, "test")
        assert ovsdb.read(lab.scope.host).bridges[lab.scope.bridge] == before
    finally:
        run("ovs-vsctl", "del-br", lab.scope.bridge)


def test_a_shared_bridge_keeps_its_settings(lab: Lab) -> None:
    """On a bridge that somebody named for several labs, labprov changes its own ports and nothing else."""
    lab.node("a")
    name = lab.scope.bridge
    run("ovs-vsctl", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev")
    told: list[str] = []
    lab.scope = evolve(lab.scope, shared=True, emit=lambda event: told.append(event.message))
    run("ip", "link", "add", "name", f"t{name[3:]}", "type", "veth", "peer", "name", f"u{name[3:]}")
    try:
        run("ovs-vsctl", "add-port", name, f"t{name[3:]}")
        before = ovsdb.read(lab.scope.host).bridges[name]
        lab.plug(lab.port("a:eth1", 100))
        now = ovsdb.read(lab.scope.host).bridges[name]
        assert (now.config, now.flood, now.ids) == (before.config, before.flood, before.ids)
        assert any(f"t{name[3:]}" in text for text in told), "who hears every link is named"
        assert any("STP" in text for text in told)
        assert wires.switch(evolve(lab.scope, workspace_id="another"), "test").foreign_ports
        wires.remove_ports(lab.scope, ["a"])
        wires.remove_lab(lab.scope, "test")
        assert ovsdb.read(lab.scope.host).bridges[name] == before
    finally:
        run("ovs-vsctl", "del-br", name)
        run("ip", "link", "delete", f"t{name[3:]}")


def test_a_device_that_is_not_there_is_an_error(lab: Lab) -> None:
    """The switch only logs that it has no such device; labprov tells."""
    from labprov.wires import ovs

    lab.node("a")
    port, _ = lab.port("a:eth1", 100)
    (outcome,) = ovs.put(lab.scope, [(port, "lp-not-there")], "test")
    assert isinstance(outcome, EngineFailure)
    assert outcome.node == "a"


def test_without_a_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Open vSwitch does not answer, that is said, and never taken for an empty switch."""
    monkeypatch.setenv("OVS_RUNDIR", str(tmp_path))
    with Host() as host:
        problem = wires.ovs_problem(host)
        assert isinstance(problem, Unavailable)
        with pytest.raises(Unavailable):
            ovsdb.read(host)
        assert [item.serious for item in wires.ovs_check(host)] == [True]
