"""Links: the ways to write them, what their ends are called, and what is refused."""

from __future__ import annotations

import pytest

from labprov.errors import InvalidTopology
from labprov.model import Endpoint, Link, Topology
from tests.unit.topology.conftest import Read

NODES = """\
name: lab
topology:
  nodes:
    r1: {kind: linux}
    r2: {kind: linux}
    bare: {kind: linux, network-mode: none}
    srl: {kind: srl}
    xrd: {kind: cisco_xrd}
    n9: {kind: cisco_n9kv}
    c8: {kind: c8000v}
    iol: {kind: cisco_iol}
    sim: {kind: nokia_srsim}
    br: {kind: bridge}
    metal: {kind: host}
  links:
"""
FIRST = NODES.count("\n") + 1
"""The line of the first link."""


def topology(read: Read, *links: str) -> Topology:
    """The topology of NODES with these links, each on a line."""
    return read(NODES + "".join(f"    - {link}\n" for link in links)).topology


WRITTEN = [
    ("endpoints: [r1:eth1, r2:eth2]", Link(Endpoint("r1", "eth1"), Endpoint("r2", "eth2"))),
    (
        "{type: brief, endpoints: [r1:eth1, 'r2:eth2'], mtu: 1400}",
        Link(Endpoint("r1", "eth1"), Endpoint("r2", "eth2"), 1400),
    ),
    ("endpoints: [host:x, r1:eth1]", Link(Endpoint("host", "x"), Endpoint("r1", "eth1"))),
    ("endpoints: [r1:eth1, ' Host:x']", Link(Endpoint("r1", "eth1"), Endpoint("host", "x"))),
    ("endpoints: [r1:eth1, mgmt-net:x]", Link(Endpoint("r1", "eth1"), Endpoint("mgmt-net", "x"))),
    ("endpoints: [r1:eth1, br:any.1]", Link(Endpoint("r1", "eth1"), Endpoint("br", "any.1"))),
    ("endpoints: [r1:eth1, metal:x]", Link(Endpoint("r1", "eth1"), Endpoint("metal", "x"))),
    ("endpoints: [r1:eth1, r1:eth2]", Link(Endpoint("r1", "eth1"), Endpoint("r1", "eth2"))),
    ("endpoints: [bare:eth0, r1:eth1]", Link(Endpoint("bare", "eth0"), Endpoint("r1", "eth1"))),
    (
        "{type: veth, mtu: 9000, endpoints: [{node: r1, interface: eth1, mac: 'AA-C1-AB-00-00-01'}, "
        "{node: r2, interface: eth1, mac: aac1.ab00.0002}]}",
        Link(Endpoint("r1", "eth1"), Endpoint("r2", "eth1"), 9000, "aa:c1:ab:00:00:01", "aa:c1:ab:00:00:02"),
    ),
    (
        "{type: VETH, endpoints: [{node: host, interface: x}, {node: r2, interface: eth1}]}",
        Link(Endpoint("host", "x"), Endpoint("r2", "eth1")),
    ),
    (
        "{type: veth-stitch, endpoints: [{node: r1, interface: eth1}, {node: r2, interface: eth1}]}",
        Link(Endpoint("r1", "eth1"), Endpoint("r2", "eth1")),
    ),
    (
        "{type: host, host-interface: x, endpoint: {node: r1, interface: eth1, mac: '02:00:00:00:00:01'}}",
        Link(Endpoint("r1", "eth1"), Endpoint("host", "x"), None, "02:00:00:00:00:01"),
    ),
    (
        "{type: mgmt-net, host-interface: x, endpoint: {node: r1, interface: eth1}, mtu: 0}",
        Link(Endpoint("r1", "eth1"), Endpoint("mgmt-net", "x")),
    ),
]


@pytest.mark.parametrize(("written", "link"), WRITTEN)
def test_a_link_is_read(read: Read, written: str, link: Link) -> None:
    """Each way to write a link gives the link, its ends in the order of the file."""
    assert topology(read, written).links == (link,)


@pytest.mark.parametrize(
    ("end", "name"),
    [
        ("srl:e1-1", "e1-1"),
        ("srl:ethernet-1/1", "e1-1"),
        ("srl:ethernet-2/3/4", "e2-3-4"),
        ("xrd:Gi0-0-0-0", "Gi0-0-0-0"),
        ("xrd:GigabitEthernet0/0/0/5", "Gi0-0-0-5"),
        ("n9:eth7", "eth7"),
        ("n9:Ethernet1/1", "eth1"),
        ("n9:Et1/2", "eth2"),
        ("n9:Ethernet 1/3", "eth3"),
        ("c8:Gi2", "eth1"),
        ("c8:GigabitEthernet4", "eth3"),
        ("iol:Ethernet0/1", "eth1"),
        ("iol:e1/2", "eth6"),
        ("sim:1/1/c1/1", "e1-1-c1-1"),
        ("sim:1/x2/3/4", "e1-x2-3-4"),
        ("sim:e1-1-c1-1", "e1-1-c1-1"),
    ],
)
def test_names_become_canonical(read: Read, end: str, name: str) -> None:
    """A device's own port names become Linux names; the first data port is the first Linux name."""
    link = topology(read, f"endpoints: ['{end}', r1:eth1]").links[0]
    assert link.a == Endpoint(end.partition(":")[0], name)


REFUSED = {
    "unknown node": ("endpoints: [r1:eth1, r3:eth1]", "lab/r3:eth1: a link names a node that is not"),
    "nearest node": ("endpoints: [r1:eth1, srll:eth1]", "Did you mean 'srl'"),
    "itself": ("endpoints: [r1:eth1, r1:eth1]", "lab/r1:eth1: the interface is linked to itself"),
    "itself by its alias": ("endpoints: ['srl:e1-1', 'srl:ethernet-1/1']", "linked to itself"),
    "no colon": ("endpoints: [r1, r2:eth1]", "'r1' is not node:interface"),
    "no interface": ("endpoints: ['r1:', r2:eth1]", "'' is no name for an interface"),
    "a legal name that is no port": (
        "endpoints: [n9:swp1, r1:eth1]",
        "'swp1' is none of a node of kind cisco_n9kv.*Use Ethernet1/X, Et1/X or ethX",
    ),
    "an illegal name": ("endpoints: ['r1:eth1/1', r2:eth1]", "'eth1/1' is no name for an interface"),
    "too long a name": ("endpoints: [r1:abcdefghijklmnop, r2:eth1]", "'abcdefghijklmnop' is no name"),
    "the management port": ("endpoints: [r1:eth0, r2:eth1]", "'eth0' is the management interface"),
    "the management port by its own name": ("endpoints: [c8:Gi1, r2:eth1]", "'Gi1' is none of"),
    "port zero": ("endpoints: [n9:Ethernet1/0, r2:eth1]", "'Ethernet1/0' is none of"),
    "one end": ("endpoints: [r1:eth1]", "a link has two ends, and this one has 1"),
    "three ends": ("endpoints: [r1:eth1, r2:eth1, r2:eth2]", "has 3"),
    "no ends": ("mtu: 1500", "has 0"),
    "a word": ("r1:eth1", "a link must be a mapping"),
    "nothing": ("", "has 0"),
    "brief ends in an extended link": ("{type: veth, endpoints: [r1:eth1, r2:eth1]}", "must be a mapping"),
    "extended ends in a brief link": ("endpoints: [{node: r1, interface: eth1}, r2:eth1]", "must be text"),
    "no node": ("{type: veth, endpoints: [{interface: eth1}, {node: r2, interface: eth1}]}", "has no 'node'"),
    "no endpoint": ("{type: host, host-interface: x}", "has no 'node'"),
    "no host interface": ("{type: host, endpoint: {node: r1, interface: eth1}}", "'' is no name"),
    "unknown key": ("{endpoints: [r1:eth1, r2:eth1], mtuu: 1}", "'mtuu'.*Did you mean 'mtu'"),
    "unknown type": ("{type: vet, endpoints: []}", "'vet' is not known.*Did you mean 'veth'"),
    "small MTU": ("{endpoints: [r1:eth1, r2:eth1], mtu: 20}", "MTU 20"),
    "MTU in words": ("{endpoints: [r1:eth1, r2:eth1], mtu: big}", "must be a whole number"),
    "MAC": (
        "{type: veth, endpoints: [{node: r1, interface: eth1, mac: xx}, {node: r2, interface: eth1}]}",
        "'xx' is no MAC",
    ),
    "group MAC": (
        "{type: veth, endpoints: [{node: r1, interface: eth1, mac: '01:00:00:00:00:00'}, "
        "{node: r2, interface: eth1}]}",
        "is no MAC",
    ),
    "no machine": ("endpoints: [br:a, host:b]", "neither end"),
    "macvlan": (
        "{type: macvlan, host-interface: ens3, endpoint: {node: r1, interface: eth1}, mode: bridge}",
        "type macvlan are not supported",
    ),
    "brief macvlan": ("endpoints: [r1:eth1, macvlan:ens3]", "type macvlan are not supported"),
    "vxlan": (
        "{type: vxlan, endpoint: {node: r1, interface: eth1}, remote: 10.0.0.1, vni: 1, dst-port: 2}",
        "type vxlan are not supported",
    ),
    "vxlan-stitch": (
        "{type: vxlan-stitch, endpoint: {node: r1, interface: eth1}, vni: 1}",
        "type vxlan-stitch are not",
    ),
    "dummy on a bridge": (
        "{type: dummy, endpoint: {node: br, interface: eth1}}",
        "belongs to a node that runs",
    ),
    "dummy on the host": (
        "{type: dummy, endpoint: {node: host, interface: eth1}}",
        "belongs to a node that runs",
    ),
}


@pytest.mark.parametrize(("written", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_link_is_refused(read: Read, written: str, said: str) -> None:
    """A link that can't be is refused with file and line, and the other links are not blamed."""
    good = "endpoints: [r2:good1, bare:good1]"
    with pytest.raises(InvalidTopology, match=said) as caught:
        topology(read, good, written, "endpoints: [r2:good2, bare:good2]")
    assert (caught.value.file, caught.value.line) == ("lab.clab.yml", FIRST + 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("endpoints: [r1:eth1, r2:eth1]", "endpoints: [r1:eth1, r2:eth2]"),
        ("endpoints: ['n9:Ethernet1/1', r2:eth1]", "endpoints: [n9:eth1, r2:eth2]"),
        ("endpoints: ['n9:Ethernet1/1', r2:eth1]", "endpoints: ['n9:Et1/1', r2:eth2]"),
        ("endpoints: [host:x, r2:eth1]", "endpoints: [host:x, r2:eth2]"),
        ("endpoints: [r1:eth1, r2:eth1]", "{type: dummy, endpoint: {node: r1, interface: eth1}}"),
        (
            "{type: dummy, endpoint: {node: r1, interface: eth1}}",
            "{type: dummy, endpoint: {node: r1, interface: eth1}}",
        ),
    ],
)
def test_an_interface_used_twice_is_refused(read: Read, first: str, second: str) -> None:
    """An interface is used once, whatever it is called; the error names the second use's line."""
    with pytest.raises(InvalidTopology, match="used twice") as caught:
        topology(read, "endpoints: [r2:a, bare:a]", first, second, "endpoints: [r2:b, bare:b]")
    assert caught.value.line == FIRST + 2
    assert caught.value.interface in ("eth1", "x")


def test_an_interface_without_a_link(read: Read) -> None:
    """A dummy link is an interface without a link, by its canonical name."""
    found = topology(
        read,
        "{type: dummy, endpoint: {node: srl, interface: ethernet-1/2}}",
        "{type: dummy, endpoint: {node: r1, interface: eth9}}",
    )
    assert found.links == ()
    assert found.by_name["srl"].interfaces == ("e1-2",)
    assert found.by_name["r1"].interfaces == ("eth9",)


def test_gaps_between_counted_ports_are_filled(read: Read) -> None:
    """Where the n-th port is the n-th card, the ports between are there without a link; elsewhere not."""
    found = topology(
        read,
        "endpoints: [n9:Ethernet1/4, r1:eth4]",
        "{type: dummy, endpoint: {node: n9, interface: eth2}}",
    )
    assert found.interfaces["n9"] == ("eth1", "eth2", "eth3", "eth4")
    assert found.interfaces["r1"] == ("eth4",)


def test_gaps_are_filled_up_to_a_bound(read: Read) -> None:
    """A port of absurd number doesn't bring as many others."""
    assert len(topology(read, "endpoints: [n9:eth99999999, r1:eth1]").interfaces["n9"]) < 200


def test_what_a_link_says_in_vain_is_warned_of(read: Read) -> None:
    """Addresses, vars and labels of links are read, and warned of."""
    file = read(
        NODES
        + "    - {endpoints: [r1:eth1, r2:eth1], ipv4: [10.0.0.1/24], vars: {a: 1}, labels: {b: c}}\n"
        + "    - {type: veth, endpoints: [{node: r1, interface: eth2, ipv6: '::1/64'}, "
        + "{node: r2, interface: eth2}]}\n"
        + "    - {type: dummy, endpoint: {node: r1, interface: eth3}, mtu: 1400}\n"
        + "    - {type: veth-stitch, endpoints: [{node: r1, interface: eth4}, {node: r2, interface: eth4}]}\n"
    )
    said = "\n".join(file.warnings)
    for line, word in ((0, "ipv4"), (0, "vars"), (0, "labels"), (1, "ipv6"), (2, "mtu"), (3, "veth-stitch")):
        assert any(f":{FIRST + line}: " in warning and word in warning for warning in file.warnings), said


@pytest.mark.parametrize("name", ["host", "mgmt-net"])
def test_names_of_special_ends_are_reserved(read: Read, name: str) -> None:
    """A machine can't be called like the ends on the host."""
    with pytest.raises(InvalidTopology, match="reserved") as caught:
        read(f"name: lab\ntopology:\n  nodes:\n    r1: {{kind: linux}}\n    {name}: {{kind: linux}}\n")
    assert caught.value.line == 5


@pytest.mark.parametrize("links", ["", "[]"])
def test_no_links(read: Read, links: str) -> None:
    """A topology needs no links."""
    assert (
        read(f"{{name: lab, topology: {{nodes: {{r1: {{kind: linux}}}}, links: {links}}}}}").topology.links
        == ()
    )
