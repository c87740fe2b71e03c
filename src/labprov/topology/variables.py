"""Variables of the environment in a topology's text, as containerlab replaces them.

containerlab runs hellt/envsubst over the raw text, comments and all: ``$NAME`` and ``${NAME}``, with the
operators ``:-`` and ``:=`` (default if unset or empty), ``-`` and ``=`` (default if unset), ``:+`` and ``+``
(the other value if set). What is unset or empty and has no default stays, as ``$NAME`` and without braces.
``$$`` is one ``$``. A name that begins with a digit is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labprov.topology.source import Source

_TOKEN = re.compile(
    r"\$\$"
    r"|\$\{(?P<braced>(?!\d)(?!_\W)\w+)(?P<operator>(?::[-=+]|[-=+])?)(?P<rest>[^}\r\n]*)(?P<end>\}?)"
    r"|\$(?P<name>(?!\d)(?!_\b)\w+)"
)
_IF_SET = (":+", "+")
_IF_UNSET = ("-", "=")


def substitute(text: str, source: Source) -> tuple[str, frozenset[str]]:
    """Replace the variables in *text*.

    :returns: the text, and the names that had no value and were left in it.
    :raises InvalidTopology: a brace is not closed on its line, or one variable stands inside another.
    """
    unset: set[str] = set()
    parts: list[str] = []
    done = 0
    for match in _TOKEN.finditer(text):
        parts += [text[done : match.start()], _replaced(match, source, unset)]
        done = match.end()
    parts.append(text[done:])
    return "".join(parts), frozenset(unset)


def _replaced(match: re.Match[str], source: Source, unset: set[str]) -> str:
    if match["name"]:
        return _value(match["name"], source.env, unset)
    if not match["braced"]:
        return "$"
    _check(match, source)
    name, operator, rest = match["braced"], match["operator"], match["rest"]
    if not operator or not rest:
        return _value(name, source.env, unset)
    if operator in _IF_SET:
        return _default(rest, source.env, unset) if name in source.env else ""
    has_value = name in source.env if operator in _IF_UNSET else bool(source.env.get(name))
    return _value(name, source.env, unset) if has_value else _default(rest, source.env, unset)


def _check(match: re.Match[str], source: Source) -> None:
    line = match.string.count("\n", 0, match.start()) + 1
    if not match["end"]:
        raise source.error(
            f"the brace of ${{{match['braced']} is not closed on its line", line, remedy="Close it with '}'."
        )
    if "${" in match["rest"]:
        raise source.error(
            f"another variable stands inside ${{{match['braced']}}}", line, remedy="Give a plain default."
        )


def _value(name: str, env: Mapping[str, str], unset: set[str]) -> str:
    value = env.get(name, "")
    if not value:
        unset.add(name)
    return value or f"${name}"


def _default(rest: str, env: Mapping[str, str], unset: set[str]) -> str:
    """A default is text; only where it is nothing but another variable is that one's value taken."""
    other = re.fullmatch(r"\$(?!\d)(\w+)", rest)
    return _value(other[1], env, unset) if other else rest
