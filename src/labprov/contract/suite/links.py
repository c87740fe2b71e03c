"""Links: a wire is a wire, to its two ends and to nobody else."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from attrs import evolve

from labprov.contract.bench import Bench, Killed
from labprov.contract.clauses import clause
from labprov.contract.collect import target_of
from labprov.contract.outcomes import NotClaimed
from labprov.contract.suite import transfer
from labprov.contract.suite.frames import MARK, SILENCE, Ears, ethernet, faults, kinds, octets
from labprov.contract.targets import Target
from labprov.engine import Alone, Capability, Join, Peer, Port
from labprov.errors import LabprovError
from labprov.harness import Harness
from labprov.identity import macs
from labprov.kinds import load_catalogue
from labprov.lab import Lab
from labprov.model import Link, Topology, endpoint
from labprov.plugins import Plugins

BROADCAST = octets("ff:ff:ff:ff:ff:ff")


class TestLinks:
    """W: what is between two interfaces."""

    @clause("W1", Capability.FRAMES)
    def test_link_joins_two_and_nobody_else(self, bench: Bench) -> None:
        """Two linked interfaces reach each other; no third interface ever sees a frame.

        Neither one of this lab, nor one of another, nor the host's own bridge port.
        """
        lab = bench.lab(bench.topology("one", "a:eth1 b:eth1", "b:eth2 c:eth1", c=["eth2"]))
        other = bench.lab(bench.topology("two", "a:eth1 b:eth1", b=["eth2"]))
        for each in (lab, other):
            each.deploy().raise_failures()
        links = {(each.name, link) for each in (lab, other) for link in _links(each)}
        with _ears(bench, lab, other) as ears, _host_port(bench, lab.name, other.name) as overheard:
            for each in (lab, other):
                ears.settle(each.name, *_links(each))
            wanted: dict[tuple[str, str], list[bytes]] = {}
            for name, link in sorted(links):
                mac = bench.macs(name)
                for near, far in (link, link[::-1]):
                    sent = [ethernet(to, octets(mac[near])) for to in (octets(mac[far]), BROADCAST)]
                    wanted[name, far] = sent
                    for frame in sent:
                        ears.send(name, near, frame)
            heard = ears.hear(wanted)
            assert {place: sorted(frames) for place, frames in heard.items() if frames} == {
                place: sorted(frames) for place, frames in wanted.items()
            }
            assert overheard() == []

    @clause("W2", Capability.FRAMES)
    def test_link_is_a_wire(self, bench: Bench) -> None:
        """A link is a wire: all 20 kinds of frames arrive once, bit for bit, in both directions."""
        lab = bench.lab(bench.topology("wire", "a:eth1 b:eth1"))
        lab.deploy().raise_failures()
        assert _wire(bench, lab, bench.macs(lab.name)) == {}

    @clause("W3", Capability.FRAMES)
    def test_mixed_lab_has_wires_too(self, bench: Bench, request: pytest.FixtureRequest) -> None:
        """The same for every pair of providers in one mixed lab, in either start order."""
        partners = _partners(bench, request)
        if not partners:
            raise NotClaimed(f"no other provider is tested whose ports can meet those of {bench.name}")
        for partner in partners:
            _mixed(bench, partner)

    @clause("W4", Capability.FRAMES)
    def test_interface_without_a_link_is_alone(self, bench: Bench) -> None:
        """An interface without a link is up, and alone."""
        lab = bench.lab(bench.topology("alone", "c:eth1 d:eth1", a=["eth1", "eth2"], b=["eth1"]))
        lab.deploy().raise_failures()
        free = ("a:eth1", "a:eth2", "b:eth1")
        assert {end: bench.interface(lab.name, end).far for end in free} == dict.fromkeys(free, Alone())
        assert all(bench.interface(lab.name, end).up for end in free)
        if bench.claims(Capability.IP):
            assert {end: _carrier(lab, end) for end in free} == dict.fromkeys(free, "1")
        with _ears(bench, lab) as ears:
            ears.settle(lab.name, ("c:eth1", "d:eth1"))
            mac = bench.macs(lab.name)
            sent = {end: ethernet(BROADCAST, octets(mac[end])) for end in (*free, "c:eth1")}
            for end, frame in sent.items():
                ears.send(lab.name, end, frame)
            heard = ears.hear({(lab.name, "d:eth1"): [sent["c:eth1"]]})
            assert {end for (_, end), frames in heard.items() if frames} == {"d:eth1"}

    @clause("W5")
    def test_connect_and_disconnect(self, bench: Bench) -> None:
        """Connect and disconnect on a running lab; failure on the second end restores the first.

        A freed tag is not reused while any port still carries it.
        """
        _connect_and_disconnect(bench)
        _second_end_fails(bench)
        _freed_tag_still_carried(bench)

    @clause("W7", Capability.CARRIER)
    def test_carrier(self, bench: Bench) -> None:
        """labprov's link down is seen at both ends, link up restores both, nothing cascades."""
        lab = bench.lab(bench.topology("carrier", "a:eth1 b:eth1", "b:eth2 c:eth1"))
        lab.deploy().raise_failures()
        before = bench.processes(lab.name), bench.macs(lab.name), bench.captured(lab.name)
        pulled = {"a:eth1", "b:eth1"}
        for first, second in (("a:eth1", "b:eth1"), ("b:eth1", "a:eth1"), ("a:eth1", "a:eth1")):
            lab.set_link(first, False).raise_failures()
            _check_carriers(bench, lab, down=pulled)
            lab.set_link(second, True).raise_failures()
            _check_carriers(bench, lab, down=set())
        assert (bench.processes(lab.name), bench.macs(lab.name), bench.captured(lab.name)) == before

    @clause("W8")
    def test_interfaces_are_there_before_the_node(self, bench: Bench) -> None:
        """Interfaces exist before the node's own process or firmware starts, in order, with their names."""
        topology = bench.topology("order", "a:eth10 b:eth1", "a:eth2 b:eth2", a=["eth1"])
        tells = bench.claims(Capability.IP) and "cmd" in bench.info.node_keys
        if tells:
            command = f"sh -c '{transfer.SHOW_INTERFACES}; exec sleep 1000000'"
            nodes = [evolve(node, cmd=command, entrypoint=None) for node in topology.nodes]
            topology = evolve(topology, nodes=tuple(nodes))
        lab = bench.lab(topology)
        seen: list[dict[str, list[str]]] = []

        def look(hook: str, arguments: Mapping[str, Any]) -> None:
            if hook == "labprov_start_nodes":
                nodes = bench.nodes(lab.name)
                seen.append({name: [item.name for item in nodes[name].interfaces] for name in nodes})

        with bench.before_each_call(look):
            lab.deploy().raise_failures()
            bench.harness.remove_node(bench.scope(lab.name), bench.nodes(lab.name)["b"])
            lab.recover().raise_failures()
        wanted = {"a": ["eth1", "eth2", "eth10"], "b": ["eth1", "eth2"]}
        assert seen == [wanted, wanted]
        if tells:
            assert {name: _shown(lab[name].logs()) for name in wanted} == wanted

    @clause("W9")
    def test_reserved_cards_are_no_data_interfaces(self, bench: Bench) -> None:
        """Reserved NICs are not data interfaces: data interface i is the kind's i-th port."""
        names = ["eth1", "eth2", "eth3"]
        links = [f"a:{name} {node}:eth1" for name, node in zip(names, "bcd", strict=True)]
        topology = bench.topology("ports", *links)
        lab = bench.lab(topology)
        ports: dict[str, Port] = {}

        def look(hook: str, arguments: Mapping[str, Any]) -> None:
            if hook == "labprov_plug":
                ports.update((str(port.end), port) for port in arguments["ports"])

        with bench.before_each_call(look):
            lab.deploy().raise_failures()
        known = load_catalogue().lookup(topology.by_name["a"].kind).interfaces
        observed = [item.name for item in bench.nodes(lab.name)["a"].interfaces]
        assert known.management not in observed
        assert observed == names
        assert [ports[f"a:{name}"].index for name in names] == [0, 1, 2]
        assert bench.macs(lab.name) == {str(end): mac for end, mac in macs(topology).items()}
        if bench.claims(Capability.FRAMES):
            with _ears(bench, lab) as ears:
                ears.settle(lab.name, *_links(lab))
                for name, node in zip(names, "bcd", strict=True):
                    sent = {name: ethernet(BROADCAST, octets(bench.macs(lab.name)[f"a:{name}"]))}
                    ears.send(lab.name, f"a:{name}", sent[name])
                    heard = ears.hear({(lab.name, f"{node}:eth1"): list(sent.values())})
                    assert {end for (_, end), frames in heard.items() if frames} == {f"{node}:eth1"}

    @clause("W10", Capability.IP)
    def test_tcp_and_udp(self, bench: Bench) -> None:
        """TCP moves 10 MB each way and UDP datagrams arrive with valid checksums."""
        lab = bench.lab(bench.topology("ip", "a:eth1 b:eth1"))
        lab.deploy().raise_failures()
        transfer.address(lab, "a", "eth1", transfer.LEFT)
        transfer.address(lab, "b", "eth1", transfer.RIGHT)
        for server, client, at in (("a", "b", transfer.LEFT), ("b", "a", transfer.RIGHT)):
            assert transfer.tcp(lab, server, client, at) == (transfer.MOVED,) * 2
            assert transfer.udp(lab, server, client, at) == (transfer.DATAGRAMS,) * 2


# -- W3 ---------------------------------------------------------------------------------------------------


def _partners(bench: Bench, request: pytest.FixtureRequest) -> list[Target]:
    """The other providers of this run that claim frames and meet this one's ports on a bridge."""
    found = {target.name: target for target in map(target_of, request.session.items) if target is not None}
    return [
        found[name]
        for name in sorted(found)
        if name != bench.name
        and Capability.FRAMES in found[name].info.capabilities
        and Join.BRIDGE in found[name].info.joins & bench.info.joins
    ]


def _mixed(bench: Bench, partner: Target) -> None:
    """A link between a node of each; then each is started alone before the other."""

    def plugins() -> Plugins:
        found = bench.new_plugins()
        found.register(partner.plugin, partner.name)
        return found

    hands = {"b": plugins().provider(partner.name).harness(bench.scope(None))}
    near = evolve(bench.harness.node("a"), interfaces=("eth2",), provider=bench.name)
    far = evolve(hands["b"].node("b"), interfaces=("eth2",), provider=partner.name)
    link = Link(endpoint("a:eth1"), endpoint("b:eth1"))
    name = bench.name_of(f"mixed-{partner.name}")
    lab = Lab(Topology(name=name, nodes=(near, far), links=(link,)), bench.settings, plugins=plugins())
    mac = {str(end): mac for end, mac in macs(_topology(lab)).items()}
    try:
        lab.deploy().raise_failures()
        assert _wire(bench, lab, mac, hands) == {}
        for first, second in ("ab", "ba"):
            lab.stop().raise_failures()
            lab.start([first]).raise_failures()
            lab.start([second]).raise_failures()
            assert _wire(bench, lab, mac, hands) == {}
    finally:
        lab.destroy().raise_failures()


# -- W5 ---------------------------------------------------------------------------------------------------


def _connect_and_disconnect(bench: Bench) -> None:
    lab = bench.lab(bench.topology("plugs", a=["eth1", "eth2"], b=["eth1", "eth2"]))
    lab.deploy().raise_failures()
    before, processes, macs = bench.tags(lab.name), bench.processes(lab.name), bench.macs(lab.name)
    for _ in range(2):
        lab.connect("a:eth1", "b:eth1").raise_failures()
        assert bench.interface(lab.name, "a:eth1").far == Peer(endpoint("b:eth1")) or not _pairs(bench)
        _check_tags(bench, lab)
        assert bench.tags(lab.name)["a:eth1"] == before["a:eth1"]
        lab.disconnect("a:eth1", "b:eth1").raise_failures()
        assert bench.interface(lab.name, "a:eth1").far == Alone()
        assert bench.interface(lab.name, "b:eth1").far == Alone()
        _check_tags(bench, lab)
        assert bench.tags(lab.name)["a:eth1"] == before["a:eth1"]
    lab.connect("a:eth3", "b:eth2").raise_failures()  # an interface that was not there
    _check_tags(bench, lab)
    assert bench.processes(lab.name) == processes
    assert {end: mac for end, mac in bench.macs(lab.name).items() if end != "a:eth3"} == macs


def _pairs(bench: Bench) -> bool:
    return Join.PAIR in bench.info.joins


def _check_tags(bench: Bench, lab: Lab) -> None:
    """The engine carries what the document says, and exactly the ends of a link share a tag."""
    tags = bench.captured(lab.name)
    assert tags == bench.tags(lab.name)
    sharing = {tag: {end for end in tags if tags[end] == tag} for tag in tags.values()}
    linked = {frozenset(map(str, link.ends)) for link in _topology(lab).links}
    assert {frozenset(ends) for ends in sharing.values() if len(ends) > 1} == linked


def _second_end_fails(bench: Bench) -> None:
    """The second node vanishes when it is to be plugged: the first must be as it was."""
    lab = bench.lab(bench.topology("half", a=["eth1"], b=["eth1"]))
    lab.deploy().raise_failures()
    interface, tags = bench.interface(lab.name, "a:eth1"), bench.tags(lab.name)
    gone: list[str] = []

    def remove(hook: str, arguments: Mapping[str, Any]) -> None:
        if hook == "labprov_plug" and not gone:
            gone.append("b")
            bench.harness.remove_node(bench.scope(lab.name), bench.nodes(lab.name)["b"])

    with bench.before_each_call(remove):
        assert not lab.connect("a:eth1", "b:eth1").ok
    assert gone
    assert bench.interface(lab.name, "a:eth1") == interface
    assert bench.captured(lab.name) == {"a:eth1": tags["a:eth1"]}
    again = bench.attach(lab.name)
    again.recover().raise_failures()
    _check_tags(bench, again)
    assert bench.interface(lab.name, "a:eth1") == interface
    assert bench.interface(lab.name, "b:eth1").far == Alone()


def _freed_tag_still_carried(bench: Bench) -> None:
    """labprov dies between freeing a tag and unplugging its ports: whoever needs one gets another."""
    settings = evolve(bench.settings, vlan_range=(100, 102))
    wired = bench.topology("freed", "a:eth1 b:eth1", a=["eth2"])
    lab = bench.lab(wired, settings)
    lab.deploy().raise_failures()
    tags = bench.tags(lab.name)

    def die(hook: str, arguments: Mapping[str, Any]) -> None:
        if hook == "labprov_unplug":
            raise Killed

    with bench.before_each_call(die), suppress(Killed):
        bench.lab(evolve(wired, links=()), settings).deploy()
        raise AssertionError("nothing was unplugged")
    freed = {tags["a:eth1"]} - set(bench.tags(lab.name).values())
    assert freed == {tags["a:eth1"]}
    shared: list[str] = []

    def look(hook: str, arguments: Mapping[str, Any]) -> None:
        if hook == "labprov_plug":
            shared.extend(_shared(bench.captured(lab.name), arguments["ports"]))

    with bench.before_each_call(look), suppress(LabprovError):
        for number in (3, 4):
            bench.attach(lab.name, settings).connect(f"a:eth{number}", f"b:eth{number}")
    assert shared == []
    again = bench.lab(evolve(wired, links=(Link(endpoint("a:eth5"), endpoint("b:eth5")),)))
    again.deploy().raise_failures()
    _check_tags(bench, again)


def _shared(carried: Mapping[str, int], ports: list[Port]) -> list[str]:
    """The ports that would get a tag which another interface still carries."""
    moving = {str(port.end) for port in ports}
    return [
        f"{port.end} gets {port.tag}, which {end} carries"
        for port in ports
        for end, tag in carried.items()
        if tag == port.tag and end not in moving
    ]


# -- looking ----------------------------------------------------------------------------------------------


def _topology(lab: Lab) -> Topology:
    assert lab.topology is not None
    return lab.topology


def _links(lab: Lab) -> list[tuple[str, str]]:
    return [(str(link.a), str(link.b)) for link in _topology(lab).links]


def _ears(bench: Bench, *labs: Lab) -> Ears:
    """Listen to every data interface of *labs*."""
    return Ears(bench, {lab.name: sorted(bench.macs(lab.name)) for lab in labs})


def _wire(
    bench: Bench, lab: Lab, mac: Mapping[str, str], hands: Mapping[str, Harness] | None = None
) -> dict[str, list[str]]:
    """What is wrong with the lab's one wire, by direction; no other interface may hear anything.

    :param hands: the harnesses of nodes of other providers.
    """
    wrong: dict[str, list[str]] = {}
    ((a, b),) = _links(lab)
    with Ears(bench, {lab.name: sorted(mac)}, hands) as ears:
        ears.settle(lab.name, (a, b))
        for near, far in ((a, b), (b, a)):
            sent = kinds(mac[near], mac[far])
            for frame in sent.values():
                ears.send(lab.name, near, frame)
            heard = ears.hear({(lab.name, far): list(sent.values())})
            found = faults(sent, heard.pop((lab.name, far)))
            found += [fault for frames in heard.values() for fault in faults({}, frames)]
            if found:
                wrong[f"{near} to {far}"] = found
    return wrong


def _shown(logs: bytes) -> list[str]:
    """The data interfaces that the node's first process saw."""
    return [name for name in logs.decode().split() if name.startswith("eth") and name != "eth0"]


def _carrier(lab: Lab, end: str) -> str:
    node, _, name = end.partition(":")
    return lab.exec(node, ["cat", f"/sys/class/net/{name}/carrier"]).text.strip()


def _check_carriers(bench: Bench, lab: Lab, *, down: set[str]) -> None:
    """Exactly the ends *down* have no carrier; frames pass where there is one."""
    nodes = bench.nodes(lab.name)
    seen = {f"{node}:{item.name}": item.up for node in nodes for item in nodes[node].interfaces}
    assert seen == {end: end not in down for end in seen}
    if bench.claims(Capability.IP):
        assert {end: _carrier(lab, end) for end in seen} == {end: "0" if end in down else "1" for end in seen}
    if not bench.claims(Capability.FRAMES):
        return
    far = {near: other for link in _links(lab) for near, other in (link, link[::-1])}
    sent = {near: ethernet(BROADCAST, octets(bench.macs(lab.name)[near])) for near in far}
    with _ears(bench, lab) as ears:
        ears.settle(lab.name, *(link for link in _links(lab) if not down.intersection(link)))
        for near, frame in sent.items():
            with suppress(LabprovError) if near in down else ExitStack():
                ears.send(lab.name, near, frame)
        wanted = {far[near]: [frame] for near, frame in sent.items() if near not in down}
        heard = ears.hear({(lab.name, end): frames for end, frames in wanted.items()})
        assert {end: frames for (_, end), frames in heard.items() if frames} == wanted


@contextmanager
def _host_port(bench: Bench, *labs: str) -> Iterator[Any]:
    """Hear the host's own ports of the labs' bridges, where there are such; whoever has them is root."""
    with ExitStack() as stack:
        ports = []
        for name in {bench.scope(lab).bridge for lab in labs} & {name for _, name in socket.if_nameindex()}:
            port = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)))
            port.bind((name, 0x0003))
            port.settimeout(SILENCE)
            ports.append(port)

        def overheard() -> list[bytes]:
            return [frame for port in ports for frame in _frames(port) if MARK in frame]

        yield overheard


def _frames(port: socket.socket) -> Iterator[bytes]:
    with suppress(TimeoutError):
        while True:
            try:
                frame = port.recv(1 << 16)
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # said once of a port that is down; it may come up later
                    raise
            else:
                yield frame
