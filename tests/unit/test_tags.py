"""Which tags are kept, freed and issued when a topology changes."""

from __future__ import annotations

from labprov.allocation import Allocator
from labprov.builder import TopologyBuilder
from labprov.model import Allocations, Endpoint, Topology
from labprov.tags import Recovery, decide


def lab(*links: str, **unlinked: list[str]) -> Topology:
    """A topology of those links, each written ``a:eth1 b:eth1``, and those unlinked interfaces."""
    pairs = [tuple(link.split()) for link in links]
    names = {end.partition(":")[0] for pair in pairs for end in pair} | set(unlinked)
    builder = TopologyBuilder("lab")
    for name in sorted(names):
        if name.startswith("sw"):
            builder.add_node(name, kind="bridge")
        else:
            builder.add_node(name, interfaces=unlinked.get(name, []))
    for a, b in pairs:
        builder.add_link(a, b)
    return builder.build()


def after(old: Topology, new: Topology) -> tuple[dict[str, int], dict[str, int]]:
    """The tags of a first deploy of *old*, and those of *new* after it."""
    first = decide(old, [old], {}, Allocator((100, 4094)))
    taken = set(first.tags.values())
    second = decide(new, [old], first.tags, Allocator((100, 4094), first.next_vlan, taken))
    return (
        {str(end): tag for end, tag in first.tags.items()},
        {str(end): tag for end, tag in second.tags.items()},
    )


def test_two_ends_share_a_tag_and_nothing_else_does() -> None:
    """Both ends of a link have one tag, every other interface has one of its own."""
    first, _ = after(lab("a:eth1 b:eth1", c=["eth1"]), lab())
    assert first == {"a:eth1": 100, "b:eth1": 100, "c:eth1": 101}


def test_ports_of_a_bridge_node_share_one_tag() -> None:
    """All ports of a segment carry one tag, at the place of its first link."""
    first, _ = after(lab("a:eth1 sw:p1", "a:eth2 b:eth1", "sw:p2 c:eth1"), lab())
    assert first == {"a:eth1": 100, "c:eth1": 100, "a:eth2": 101, "b:eth1": 101}


def test_the_same_topology_keeps_everything() -> None:
    """Nothing moves in a redeploy, in whatever order the file now has its links."""
    first, second = after(lab("a:eth1 b:eth1", "b:eth2 c:eth1"), lab("b:eth2 c:eth1", "a:eth1 b:eth1"))
    assert first == second


def test_a_node_that_grows_keeps_its_tags() -> None:
    """New interfaces get new tags, at the end or in the middle; no other one moves."""
    first, second = after(
        lab("a:eth1 b:eth1", "a:eth3 b:eth3"), lab("a:eth1 b:eth1", "a:eth2 b:eth2", "a:eth3 b:eth3")
    )
    assert {end: second[end] for end in first} == first
    assert second["a:eth2"] == second["b:eth2"] == 102


def test_parted_ends() -> None:
    """After a disconnect the first end keeps the tag, the second gets a new one."""
    _, second = after(lab("a:eth1 b:eth1"), lab(a=["eth1"], b=["eth1"]))
    assert second == {"a:eth1": 100, "b:eth1": 101}


def test_joined_ends() -> None:
    """A new link between two interfaces that have tags keeps its first endpoint's."""
    _, second = after(lab(a=["eth1"], b=["eth1"]), lab("b:eth1 a:eth1"))
    assert second == {"a:eth1": 101, "b:eth1": 101}


def test_a_freed_tag_is_not_reused_at_once() -> None:
    """The tag that a joined end gives up goes to nobody while ports may still carry it."""
    _, second = after(lab(a=["eth1"], b=["eth1"]), lab("a:eth1 b:eth1", c=["eth1"]))
    assert second == {"a:eth1": 100, "b:eth1": 100, "c:eth1": 102}


def test_crossed_links() -> None:
    """Two links that swap their far ends: the first ends keep their tags, no tag is at two wires."""
    _, second = after(lab("a:eth1 b:eth1", "c:eth1 d:eth1"), lab("a:eth1 d:eth1", "c:eth1 b:eth1"))
    assert second == {"a:eth1": 100, "d:eth1": 100, "c:eth1": 101, "b:eth1": 101}


def test_an_end_that_moves_on_leaves_the_tag_with_the_first() -> None:
    """The second end of a link goes elsewhere: the first, now alone, keeps the tag."""
    _, second = after(lab("a:eth1 b:eth1", c=["eth1"]), lab("b:eth1 c:eth1", a=["eth1"]))
    assert second == {"a:eth1": 100, "b:eth1": 101, "c:eth1": 101}


def test_recovery_lets_the_document_decide_and_the_engine_fill_in() -> None:
    """Wanted interfaces keep the document's tag, else the one they really carry."""
    document = Allocations({"a": (100,), "gone": (105,)}, 106, {"a": ("eth1",), "gone": ("eth1",)})
    captured = {Endpoint("a", "eth1"): 200, Endpoint("b", "eth1"): 201}
    kept = Recovery().labprov_recover_allocations(
        document, lab(a=["eth1"], b=["eth1"]), frozenset({"a", "b"}), captured
    )
    assert kept == {Endpoint("a", "eth1"): 100, Endpoint("b", "eth1"): 201}


def test_recovery_of_an_unknown_lab_keeps_what_exists() -> None:
    """Where nobody knows what is wanted, the entries of nodes that are gone are dropped."""
    document = Allocations({"a": (100,), "gone": (105,)}, 106, {"a": ("eth1",), "gone": ("eth1",)})
    assert Recovery().labprov_recover_allocations(document, None, frozenset({"a"}), {}) == {
        Endpoint("a", "eth1"): 100
    }
