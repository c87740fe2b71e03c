"""Sizes, published ports and files of variables, as containerlab and Docker read them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labprov.errors import InvalidInput
from labprov_docker.environment import variables
from labprov_docker.units import PublishedPort, published, size

SIZES = [
    ("100", 100),
    ("100b", 100),
    ("1k", 1000),
    ("1Ki", 1024),
    ("512Mb", 512 * 10**6),
    ("1gb", 10**9),
    ("2GiB", 2 * 2**30),
    ("1.5 gib", 3 * 2**29),
    (".5kb", 500),
    ("1,024 kb", 1024 * 1000),
    ("0", 0),
]


@pytest.mark.parametrize(("text", "wanted"), SIZES)
def test_size(text: str, wanted: int) -> None:
    """A size is so many bytes, as containerlab reads it: kb is 1000, kib is 1024, in any letters."""
    assert size(text) == wanted


@pytest.mark.parametrize("text", ["", "gb", "1 gigabyte", "-1", "1e3", "1.2.3", "1ib", "1bb", "9eib", "٣"])
def test_no_size(text: str) -> None:
    """What is no size, or too large for the engine, is refused."""
    with pytest.raises(InvalidInput, match="size"):
        size(text)


@given(st.integers(0, 2**40), st.sampled_from(["b", "kb", "kib", "MB", "MiB"]))
def test_sizes_keep_their_order(number: int, unit: str) -> None:
    """A whole number of units is exactly that many times one unit."""
    assert size(f"{number}{unit}") == number * size(f"1{unit}")


PORTS = [
    ("80", [PublishedPort("80/tcp")]),
    ("8080:80", [PublishedPort("80/tcp", "8080")]),
    ("8080:80/UDP", [PublishedPort("80/udp", "8080")]),
    ("127.0.0.1:8080:80", [PublishedPort("80/tcp", "8080", "127.0.0.1")]),
    ("127.0.0.1::80", [PublishedPort("80/tcp", "", "127.0.0.1")]),
    ("[::1]:8080:80/sctp", [PublishedPort("80/sctp", "8080", "::1")]),
    ("::1:8080:80", [PublishedPort("80/tcp", "8080", "::1")]),
    ("8000-8001:80-81", [PublishedPort("80/tcp", "8000"), PublishedPort("81/tcp", "8001")]),
    ("8000-8009:80", [PublishedPort("80/tcp", "8000-8009")]),
    ("80-81", [PublishedPort("80/tcp"), PublishedPort("81/tcp")]),
]


@pytest.mark.parametrize(("text", "wanted"), PORTS)
def test_published(text: str, wanted: list[PublishedPort]) -> None:
    """A port is published as ``docker run -p`` would."""
    assert list(published(text)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "80:", "a:80", "80/icmp", "80/", "70000:80", "80:70000", "9-8:9-8", "1-2:1-3", "1:2-3"),
        *("0", "1.2.3:80:80", "x:80:80", "80:80:80:80", "-80", "80-", "8080:80/tcp/udp", "٨٠"),
    ],
)
def test_not_published(text: str) -> None:
    """What publishes nothing is refused, and the message says what was read."""
    with pytest.raises(InvalidInput, match="publishes no port"):
        published(text)


@given(st.text(max_size=30))
def test_any_text_as_a_port(text: str) -> None:
    """Any text is a port or is refused; nothing else comes out."""
    with suppress(InvalidInput):
        assert all(port.container for port in published(text))


FILE = r"""
# a comment
PLAIN=value
export EXPORTED = spaced out   # and a comment
HASH=a#b
EMPTY=
LITERAL='$PLAIN "as it is" # all of it'  # but this
QUOTED="line\nbreak and ${PLAIN} and \$PLAIN and \"quotes\""
LINES="one
two"
REFERENCE=$PLAIN-$NOBODY
FROM_HOST
NOT_ON_HOST
URL=postgres://u:p@h/d?x=1
"""


def test_variables() -> None:
    """A file of variables is read with its comments, quotes and references."""
    assert variables(FILE, "f", {"FROM_HOST": "host's", "PLAIN": "not this"}) == {
        "PLAIN": "value",
        "EXPORTED": "spaced out",
        "HASH": "a#b",
        "EMPTY": "",
        "LITERAL": '$PLAIN "as it is" # all of it',
        "QUOTED": 'line\nbreak and value and $PLAIN and "quotes"',
        "LINES": "one\ntwo",
        "REFERENCE": "value-$NOBODY",
        "FROM_HOST": "host's",
        "URL": "postgres://u:p@h/d?x=1",
    }


@pytest.mark.parametrize("line", ["two words", "=x", "A='open", 'A="open', "A='a' b", "'A'=b"])
def test_no_variable(line: str) -> None:
    """A line that sets nothing is refused with its number."""
    with pytest.raises(InvalidInput, match=r"^/files/env:3 is no NAME=value"):
        variables(f"A=1\n# fine\n{line}\n", "/files/env")


@given(st.text(max_size=60))
def test_any_text_as_variables(text: str) -> None:
    """Any text is variables or is refused."""
    with suppress(InvalidInput):
        assert all(variables(text, "f", {}))


@given(
    st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text().filter(lambda t: "'" not in t))
)
def test_literal_values_come_back(wanted: dict[str, str]) -> None:
    """What stands in single quotes is taken as it is, but for Windows' ends of lines."""
    wanted = {name: value.replace("\r\n", "\n") for name, value in wanted.items()}
    text = "\n".join(f"{name}='{value}'" for name, value in wanted.items())
    assert variables(text, "f", {}) == wanted
