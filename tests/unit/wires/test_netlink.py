"""The netlink codec, against messages as the kernel writes them."""

from __future__ import annotations

import errno
import struct

from hypothesis import given
from hypothesis import strategies as st

from labprov.wires import links, netlink
from labprov.wires.rootfs import Bind


@given(st.lists(st.tuples(st.integers(1, 100), st.binary(max_size=50))))
def test_attributes_are_read_back(pairs: list[tuple[int, bytes]]) -> None:
    """Attributes of any length are read back in order."""
    body = b"head" + b"".join(netlink.attribute(kind, value) for kind, value in pairs)
    assert list(netlink.attributes(body, 4)) == pairs


def test_a_cut_attribute_ends_the_reading() -> None:
    """An attribute whose length makes no sense ends the reading instead of running for ever."""
    assert list(netlink.attributes(struct.pack("=HH", 0, 1) + bytes(8), 0)) == []


def test_the_kernels_own_words_reach_the_error() -> None:
    """What the kernel says beside the error number is in the message."""
    with_words = struct.pack("=iIHHII", -errno.EEXIST, 36, 16, 5, 1, 0) + netlink.text(1, "taken already")
    found = netlink._error(0x300, with_words)
    assert found is not None
    assert found.errno == errno.EEXIST
    assert "taken already" in str(found)


def test_a_link_is_decoded() -> None:
    """Name, alias, MAC, MTU, peer, namespace and bridge of an interface are read."""
    body = struct.pack("=BxHiII", 0, 1, 7, 0x11043, 0) + b"".join(
        (
            netlink.text(links.IFNAME, "eth1"),
            netlink.text(links.IFALIAS, "lp a/b/eth1 vlan=1"),
            netlink.attribute(links.ADDRESS, bytes.fromhex("020000000001")),
            netlink.u32(links.MTU, 9500),
            netlink.u32(links.LINK, 3),
            netlink.u32(links.LINK_NETNSID, 4),
            netlink.u32(links.MASTER, 5),
            netlink.attribute(links.LINKINFO, netlink.text(1, "veth")),
        )
    )
    link = links.parse(body)
    assert (link.index, link.name, link.mac, link.mtu) == (7, "eth1", "02:00:00:00:00:01", 9500)
    assert (link.peer, link.nsid, link.master, link.kind, link.up) == (3, 4, 5, "veth", True)


def test_binds_are_read() -> None:
    """A bind is source, target and options."""
    assert Bind.parse("/a:/b/../c:ro,z") == Bind("/a", "/c", read_only=True)
    assert Bind.parse("/a:/b") == Bind("/a", "/b")
