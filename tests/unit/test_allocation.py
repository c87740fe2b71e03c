"""The allocation document: its layout, its checks, and the order in which tags are issued."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labprov.allocation import (
    Allocator,
    JsonStore,
    by_endpoint,
    check_sharing,
    from_tags,
    named,
    parse,
    render,
    wires,
)
from labprov.builder import TopologyBuilder
from labprov.errors import DocumentCorrupt, TagsExhausted
from labprov.model import Allocations, Endpoint

PATH = Path("lab.json")
DOCUMENT = Allocations({"r1": (100, 101)}, 102, {"r1": ("eth1", "eth2")})

documents = st.dictionaries(
    st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True),
    st.lists(st.integers(1, 4094), max_size=4, unique=True),
    max_size=5,
).flatmap(
    lambda tags: st.builds(
        lambda next_vlan, unknown: Allocations(
            {node: tuple(values) for node, values in tags.items()},
            next_vlan,
            {node: tuple(f"eth{n}" for n in range(len(values))) for node, values in tags.items()},
            unknown,
        ),
        st.integers(1, 4094),
        st.dictionaries(st.sampled_from(["x-note", "version"]), st.none() | st.integers() | st.text()),
    )
)


@given(documents)
def test_vlan_file_roundtrip(document: Allocations) -> None:
    """What is written is what is read, unknown keys included, and writing it again gives the same bytes."""
    content = render(document)
    again = parse(content, PATH)
    assert again == document
    assert render(again) == content


def test_vlan_file_schema() -> None:
    """The document is byte for byte what every other tool expects."""
    assert json.loads(render(Allocations({"r1": (100, 101)}, 102))) == {
        "allocations": {"r1": [100, 101]},
        "next_vlan": 102,
    }
    tags = {Endpoint("r2", "eth1"): 7, Endpoint("r10", "eth10"): 9, Endpoint("r10", "eth2"): 8}
    document = from_tags({"r2": ["eth1"], "r10": ["eth10", "eth2"]}, tags, 10, {"note": "kept"})
    assert render(document) == (
        b'{\n  "allocations": {\n    "r10": [\n      8,\n      9\n    ],\n    "r2": [\n      7\n    ]\n  },\n'
        b'  "next_vlan": 10,\n'
        b'  "interfaces": {\n    "r10": [\n      "eth2",\n      "eth10"\n    ],\n    "r2": [\n      "eth1"\n'
        b"    ]\n  },\n"
        b'  "note": "kept"\n}\n'
    )


BAD = {
    "no JSON": b"{",
    "no object": b"[]",
    "not UTF-8": b"\xff",
    "no allocations": b'{"next_vlan": 1}',
    "no next_vlan": b'{"allocations": {}}',
    "allocations a list": b'{"allocations": [], "next_vlan": 1}',
    "tags no list": b'{"allocations": {"r1": 100}, "next_vlan": 1}',
    "tag a string": b'{"allocations": {"r1": ["100"]}, "next_vlan": 1}',
    "tag a boolean": b'{"allocations": {"r1": [true]}, "next_vlan": 1}',
    "tag a fraction": b'{"allocations": {"r1": [100.0]}, "next_vlan": 1}',
    "tag 0": b'{"allocations": {"r1": [0]}, "next_vlan": 1}',
    "tag 4095": b'{"allocations": {"r1": [4095]}, "next_vlan": 1}',
    "next_vlan a string": b'{"allocations": {}, "next_vlan": "1"}',
    "fewer names": b'{"allocations": {"r1": [100, 101]}, "next_vlan": 1, "interfaces": {"r1": ["eth1"]}}',
    "names without tags": b'{"allocations": {}, "next_vlan": 1, "interfaces": {"r1": ["eth1"]}}',
    "a name twice": b'{"allocations": {"r1": [1, 2]}, "next_vlan": 1, "interfaces": {"r1": ["a", "a"]}}',
    "deep": b'{"allocations": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_documents_are_named(content: bytes) -> None:
    """Whatever is not a document of ours is an error that names the file, never a half-read one."""
    with pytest.raises(DocumentCorrupt, match=r"lab\.json") as caught:
        parse(content, PATH)
    assert caught.value.path == PATH


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_an_error(content: bytes) -> None:
    """No bytes make the reader fail in any other way."""
    try:
        document = parse(content, PATH)
    except DocumentCorrupt:
        return
    assert parse(render(document), PATH) == document


def test_next_vlan_out_of_range_is_corrected_on_load() -> None:
    """A ``next_vlan`` outside the range starts at its bottom; everything else of the document stays."""
    document = parse(b'{"allocations": {"r1": [100]}, "next_vlan": 9999}', PATH)
    assert Allocator((100, 200), document.next_vlan, {100}).issue() == 101


def test_a_document_without_names_is_read_by_position() -> None:
    """Positions are the node's interfaces in natural order, as the topology knows them."""
    topology = TopologyBuilder("lab").add_node("r1", interfaces=["eth10", "eth2"]).build()
    document = Allocations({"r1": (100, 101, 102), "gone": (103,)}, 104)
    assert by_endpoint(named(document, [topology])) == {
        Endpoint("r1", "eth2"): 100,
        Endpoint("r1", "eth10"): 101,
        Endpoint("gone", "eth1"): 103,
    }


def test_order_of_issue() -> None:
    """Links as in the file, a bridge node's ports together, then unlinked ones by node and interface."""
    topology = (
        TopologyBuilder("lab")
        .add_node("r10", interfaces=["eth9"])
        .add_node("r2", interfaces=["eth10", "eth9"])
        .add_node("sw", kind="bridge")
        .add_link("r2:eth1", "sw:p1")
        .add_link("r10:eth1", "r2:eth2")
        .add_link("sw:p2", "r10:eth2")
        .add_link("r10:eth3", "host:out")
        .build()
    )
    assert wires(topology) == [
        (Endpoint("r2", "eth1"), Endpoint("r10", "eth2")),
        (Endpoint("r10", "eth1"), Endpoint("r2", "eth2")),
        (Endpoint("r10", "eth3"),),
        (Endpoint("r2", "eth9"),),
        (Endpoint("r2", "eth10"),),
        (Endpoint("r10", "eth9"),),
    ]


def test_sharing_needs_a_link_in_some_topology() -> None:
    """One tag at two places is bad, unless a link or a bridge node joins them in what is or was wanted."""
    joined = TopologyBuilder("lab").add_node("a").add_node("b").add_link("a:eth1", "b:eth1").build()
    parted = (
        TopologyBuilder("lab").add_node("a", interfaces=["eth1"]).add_node("b", interfaces=["eth1"]).build()
    )
    tags = {Endpoint("a", "eth1"): 100, Endpoint("b", "eth1"): 100}
    check_sharing(tags, [joined], None)
    check_sharing(tags, [parted, joined], None)
    check_sharing(tags, [], None)
    with pytest.raises(DocumentCorrupt, match="100 is at a:eth1, b:eth1"):
        check_sharing(tags, [parted], None)


def test_next_fit_wraps() -> None:
    """The first free tag at or after ``next_vlan``; the top wraps to the bottom."""
    allocator = Allocator((10, 13), 12, {13})
    assert [allocator.issue() for _ in range(3)] == [12, 10, 11]
    assert allocator.next_vlan == 12


def test_exhaustion_leaks_nothing() -> None:
    """When no tag is left the error says so, and nothing of the allocator has changed."""
    allocator = Allocator((10, 11), 11, {10, 11})
    for _ in range(2):
        with pytest.raises(TagsExhausted, match="2 VLAN tags from 10 to 11"):
            allocator.issue()
    assert allocator.next_vlan == 11


def test_store_says_none_for_a_missing_document(tmp_path: Path) -> None:
    """Load gives None and makes nothing; remove of a missing one is no error."""
    store = JsonStore()
    assert store.labprov_load_allocations(tmp_path / "w", "lab") is None
    store.labprov_remove_allocations(tmp_path / "w", "lab")
    assert list(tmp_path.iterdir()) == []
    store.labprov_save_allocations(tmp_path / "w", "lab", DOCUMENT)
    assert (tmp_path / "w" / "vlans" / "lab.json").is_file()
    assert store.labprov_load_allocations(tmp_path / "w", "lab") == DOCUMENT
    store.labprov_remove_allocations(tmp_path / "w", "lab")
    assert store.labprov_load_allocations(tmp_path / "w", "lab") is None
