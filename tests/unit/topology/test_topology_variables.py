"""Variables of the environment, as containerlab replaces them."""

from __future__ import annotations

from pathlib import Path

import pytest

from labprov.errors import InvalidTopology
from labprov.topology.source import Source
from labprov.topology.variables import substitute
from tests.unit.topology.conftest import Read

ENV = {"A": "one", "B": "two", "EMPTY": "", "_x": "under"}

TABLE = [
    ("$A", "one"),
    ("${A}", "one"),
    ("a${A}b$B.", "aoneb" + "two."),
    ("$AB ${AB}", "$AB $AB"),
    ("$EMPTY ${EMPTY}", "$EMPTY $EMPTY"),
    ("${A:-x} ${A:=x} ${A-x} ${A=x}", "one one one one"),
    ("${N:-x} ${N:=x} ${N-x} ${N=x}", "x x x x"),
    ("${EMPTY:-x} ${EMPTY:=x}", "x x"),
    ("${EMPTY-x} ${EMPTY=x}", "$EMPTY $EMPTY"),
    ("${A:+x} ${A+x} ${EMPTY:+x}", "x x x"),
    ("${N:+x}|${N+x}|", "||"),
    ("${N:=}", "$N"),
    ('${N:=""}', '""'),
    ("${N:=a:b-c=d+e}", "a:b-c=d+e"),
    ("${N:=$B}", "two"),
    ("${N:=$M}", "$M"),
    ("${N:=x$B}", "x$B"),
    ("${A.b}", "one"),
    ("$$A $$", "$A $"),
    ("$1 ${1} P4s$w0rd!", "$1 ${1} P4s$w0rd!"),
    ("$(cmd) $ ${} ${-x} $_ ${_}", "$(cmd) $ ${} ${-x} $_ ${_}"),
    ("$_x ${_x}", "under under"),
]


@pytest.mark.parametrize(("text", "wanted"), TABLE)
def test_substitute(text: str, wanted: str) -> None:
    """A variable is replaced by containerlab's rules; what has no value stays, without its braces."""
    assert substitute(text, Source("f", Path("/"), ENV))[0] == wanted


@pytest.mark.parametrize(
    ("text", "said"), [("${A", "not closed"), ("a\n${A\n}", "not closed"), ("${N:=${A}}", "stands inside")]
)
def test_broken_variables_are_refused(text: str, said: str) -> None:
    """A brace that is not closed on its line, and a variable inside another, are refused with their line."""
    with pytest.raises(InvalidTopology, match=said) as caught:
        substitute(text, Source("f", Path("/"), ENV))
    assert caught.value.line == text.count("\n", 0, text.index("$")) + 1


def test_variables_are_replaced_everywhere(read: Read) -> None:
    """Names, keys and values are all made of the text in which variables were replaced."""
    file = read("{name: $LAB, topology: {nodes: {$NODE: {kind: '${K:=linux}'}}}}", LAB="lab", NODE="r1")
    assert (file.topology.name, [*file.topology.by_name]) == ("lab", ["r1"])
    assert file.warnings == ()


def test_a_variable_without_a_value_is_warned_of_once(read: Read) -> None:
    """A variable that is not set is named in one warning with its line; comments are nobody's concern."""
    file = read("""\
        # $schema is editors' business
        name: lab
        topology:
          nodes:
            r1: {kind: linux, cmd: echo $GREETING, image: "a:${GREETING}"}
        """)
    assert file.warnings == ("lab.clab.yml:5: the variable GREETING is not set and stays as $GREETING",)
    assert file.topology.nodes[0].cmd == "echo $GREETING"
