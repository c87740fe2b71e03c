"""Names are for people, labels decide; MACs never change."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labprov import identity
from labprov.builder import TopologyBuilder
from labprov.errors import InvalidInput, InvalidName, InvalidTopology
from labprov.model import Endpoint, Node, checked_name

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
# a small alphabet, so that dashes and dots move across the border between lab and node
tangled = st.from_regex(r"[ab][ab.-]{0,5}", fullmatch=True)


def test_lab_part_has_at_most_20_characters() -> None:
    """A lab id up to 20 characters stays; a longer one becomes 13, a dash and 6 hex digits of its hash."""
    assert identity.short_lab("a" * 20) == "a" * 20
    assert identity.short_lab("a" * 21) == "aaaaaaaaaaaaa-" + hashlib.sha256(b"a" * 21).hexdigest()[:6]


def test_labs_with_the_same_first_20_characters_have_other_names() -> None:
    """Truncation never makes one name of two labs."""
    first, second = "x" * 20 + "one", "x" * 20 + "two"
    assert identity.plain_name("labprov", first, "r1") != identity.plain_name("labprov", second, "r1")


@pytest.mark.parametrize(
    ("prefix", "name"), [("labprov", "labprov-lab-r1"), ("", "r1"), ("__lab-name", "lab-r1")]
)
def test_prefix_means_what_containerlab_means(prefix: str, name: str) -> None:
    """An empty prefix gives the node's name alone, ``__lab-name`` gives lab and node."""
    assert identity.runtime_name(prefix, "lab", "r1", {}) == name


def test_newcomer_to_a_taken_name_gets_a_suffix() -> None:
    """(lab, a-b) and (lab-a, b) have one plain name; the second gets 6 hex digits appended."""
    taken = {"labprov-lab-a-b": identity.Owner("labprov", "lab", "a-b")}
    assert identity.runtime_name("labprov", "lab", "a-b", taken) == "labprov-lab-a-b"
    second = identity.runtime_name("labprov", "lab-a", "b", taken)
    assert second.startswith("labprov-lab-a-b-")
    assert len(second) == len("labprov-lab-a-b-") + 6
    assert second in identity.candidates("labprov", "lab-a", "b")


@given(st.lists(st.tuples(st.sampled_from(["", "labprov", "__lab-name"]), tangled, tangled), unique=True))
def test_distinct_pairs_never_share_a_name(pairs: list[tuple[str, str, str]]) -> None:
    """However dashes and dots lie, no two (prefix, lab, node) have one runtime name."""
    taken: dict[str, identity.Owner] = {}
    for prefix, lab, node in pairs:
        name = identity.runtime_name(prefix, lab, node, taken)
        assert name not in taken
        taken[name] = identity.Owner(prefix, lab, node)
    for name, owner in taken.items():
        assert identity.runtime_name(owner.prefix, owner.lab, owner.node, taken) in (name, *taken)


@given(names, names)
def test_plain_names_are_legal_names(lab: str, node: str) -> None:
    """What engines get consists of the letters that every engine takes."""
    assert set(identity.plain_name("labprov", lab, node)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
    )


HOSTILE = [
    "",
    "..",
    "a/b",
    "/etc",
    "a b",
    "a'b",
    'a"b',
    "a;b",
    "<a>",
    "a\n",
    "ä",
    "-a",
    ".a",
    "x" * 64,
    "x" * 300,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(name: str) -> None:
    """Nothing is built from a name with slashes, quotes, spaces, newlines, unicode, or without an end."""
    with pytest.raises(InvalidName, match="not allowed"):
        checked_name(name, "lab name")
    with pytest.raises(InvalidName, match="not allowed"):
        Node(name=name)
    with pytest.raises(InvalidName, match="not allowed"):
        TopologyBuilder(name).build()


@pytest.mark.parametrize("prefix", ["a/b", "-", "a b", "x" * 33])
def test_hostile_prefixes_are_refused(prefix: str) -> None:
    """A prefix is held to the rule of names, and to 32 characters."""
    with pytest.raises(InvalidInput, match="prefix"):
        identity.checked_prefix(prefix)


def test_macs_are_local_unicast_distinct_and_stable() -> None:
    """Derived MACs depend on lab, node and interface alone."""
    small = TopologyBuilder("lab").add_node("r1").add_node("r2").add_link("r1:eth1", "r2:eth1").build()
    large = (
        TopologyBuilder("lab")
        .add_node("r0")
        .add_node("r1", interfaces=["eth7"])
        .add_node("r2")
        .add_link("r0:eth1", "r2:eth9")
        .add_link("r1:eth1", "r2:eth1")
        .build()
    )
    before, after = identity.macs(small), identity.macs(large)
    assert {end: after[end] for end in before} == before
    assert len(set(after.values())) == len(after)
    assert all(int(mac[:2], 16) & 3 == 2 for mac in after.values())


def test_given_macs_are_kept_and_checked() -> None:
    """A MAC of the file's own is used as it is; twice the same, or a multicast one, is bad input."""

    def with_macs(first: str, second: str) -> dict[Endpoint, str]:
        builder = TopologyBuilder("lab").add_node("r1").add_node("r2")
        return identity.macs(builder.add_link("r1:eth1", "r2:eth1", mac_a=first, mac_b=second).build())

    assert with_macs("02:00:00:00:00:AA", "02:00:00:00:00:bb")[Endpoint("r1", "eth1")] == "02:00:00:00:00:aa"
    with pytest.raises(InvalidTopology, match="twice"):
        with_macs("02:00:00:00:00:aa", "02:00:00:00:00:AA")
    for bad in ("01:00:00:00:00:aa", "02:00:00:00:00", "nonsense"):
        with pytest.raises(InvalidTopology, match="no MAC"):
            with_macs(bad, "02:00:00:00:00:bb")


def test_device_names_fit_linux() -> None:
    """15 characters at most, whatever the names are."""
    assert len(identity.bridge_name("w" * 12, "x" * 63)) <= 15


def test_definition_follows_what_cant_change_in_place() -> None:
    """Image, env and the like change the definition; links, commands and the provider's name don't."""
    node = Node(name="r1", image="a", env={"K": "v"})
    same = Node(name="r1", image="a", env={"K": "v"}, exec=["ip link"], interfaces=["eth9"], provider="x")
    assert identity.definition(node, "p") == identity.definition(same, "p")
    for other in (Node(name="r1", image="b", env={"K": "v"}), Node(name="r1", image="a")):
        assert identity.definition(node, "p") != identity.definition(other, "p")
    assert identity.definition(node, "p") != identity.definition(node, "q")
    assert identity.changed_keys(node, Node(name="r1", image="b", startup_config="/x")) == (
        "env",
        "image",
        "startup-config",
    )
