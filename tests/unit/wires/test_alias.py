"""Labels in interface aliases: what is written is read back, and it always fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labprov.wires.alias import (
    HALF,
    LONGEST,
    NODE,
    PortAlias,
    SpaceAlias,
    bridge_alias,
    parse_bridge,
)

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True)
interfaces = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", fullmatch=True)
prefixes = st.from_regex(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})?", fullmatch=True)


@given(names, names, prefixes, st.sampled_from(["new", "on", "off"]))
def test_a_namespace_is_read_back(lab: str, node: str, prefix: str, power: str) -> None:
    """A namespace's label fits and is read back whole, whatever the names."""
    alias = SpaceAlias(NODE, lab, node, prefix, "f" * 32, "linux", "0" * 16, power)
    assert len(alias.text()) <= LONGEST
    assert SpaceAlias.parse(alias.text()) == alias


def test_only_the_kind_is_cut() -> None:
    """A label that would be too long loses the end of the kind, and nothing of the identity."""
    alias = SpaceAlias(NODE, "l" * 63, "n" * 63, "p" * 32, "f" * 32, "k" * 63, "0" * 16, "off")
    found = SpaceAlias.parse(alias.text())
    assert found is not None
    assert len(alias.text()) == LONGEST
    assert (found.same_owner(alias), found.definition, found.power) == (True, "0" * 16, "off")
    assert alias.kind.startswith(found.kind)
    assert found.kind


def test_too_long_is_an_error() -> None:
    """An identity that can't fit is an error, never cut."""
    with pytest.raises(ValueError, match="more than"):
        SpaceAlias(NODE, "l" * 63, "n" * 63, "p" * 32, "f" * 64, "k", "0" * 64).text()


def test_words_can_not_run_together() -> None:
    """A word with a space in it is an error, since it would be read as two."""
    with pytest.raises(ValueError, match="space"):
        SpaceAlias(NODE, "l", "n", "p", "f", "two words").text()


@given(names, names, interfaces, st.integers(1, 4094), st.booleans())
def test_a_port_is_read_back(lab: str, node: str, interface: str, tag: int, cut: bool) -> None:
    """A port's label fits and is read back whole, that of a half whose wire is down included."""
    alias = PortAlias(lab, node, interface, tag, HALF if cut else "", (node, interface) if cut else None)
    assert len(alias.text()) <= LONGEST
    assert PortAlias.parse(alias.text()) == alias
    assert parse_bridge(alias.text()) is None


@given(names, names)
def test_a_segment_is_read_back(lab: str, bridge: str) -> None:
    """A segment's label is read back, and is no port's."""
    assert parse_bridge(bridge_alias(lab, bridge)) == (lab, bridge)
    assert PortAlias.parse(bridge_alias(lab, bridge)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lo",
        "labprov 1",
        "labprov 2 node a b c d e f g",
        "lp a/b/c",
        "lp a/b/c vlan=x",
        "x lp a/b/c vlan=1",
    ],
)
def test_other_aliases_are_nobodys(text: str) -> None:
    """An alias that is not exactly one of ours is none of ours."""
    assert SpaceAlias.parse(text) is None
    assert PortAlias.parse(text) is None
    assert parse_bridge(text) is None
