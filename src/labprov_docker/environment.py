"""A node's environment: its files of variables, and what the topology says over them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from labprov.errors import InvalidInput
from labprov.model import Node
from labprov.nodekeys import check_variables
from labprov_docker.reading import texts

_ENTRY = re.compile(
    r"""[ \t]* (?:export[ \t]+)? (?P<name>[^\s=\#'"]+) [ \t]*
    (?P<assigned> = [ \t]*
        (?: '(?P<literal>[^']*)' | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<plain>(?!['"])[^\n]*) ) )?
    [ \t]* (?:\#[^\n]*)? (?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_REFERENCE = re.compile(r"\\(?P<escaped>.)|\$\{(?P<braced>\w+)\}|\$(?P<bare>\w+)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def environment(node: Node) -> dict[str, str]:
    """The node's variables: those of its files, a later file over an earlier, the topology's own over all.

    :raises InvalidInput: a file can't be read or makes no sense, or a variable can't be one.
    """
    found: dict[str, str] = {}
    for path in texts(node, "env-files"):
        found |= _read(path)
    found |= node.env
    check_variables(found)
    return found


def _read(path: str) -> dict[str, str]:
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InvalidInput(
            f"the env-file {path} can't be read: {reason}", remedy="Make it, or correct the node's env-files."
        ) from error
    return variables(text, path)


def variables(text: str, path: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a file's *text*, with its quotes, comments and references as containerlab reads them.

    ``NAME=value``, ``export NAME=value``, and NAME alone, which takes its value from *environ* where it has
    one there. Text in single quotes is literal; elsewhere ``$NAME`` and ``${NAME}`` stand for what the file
    set before, and stay as they are where it did not.

    :param path: what messages call it.
    :raises InvalidInput: a line is none of these.
    """
    text = text.replace("\r\n", "\n")
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        entry = _NOTHING.match(text, place) or _ENTRY.match(text, place)
        if entry is None:
            raise InvalidInput(
                f"{path}:{text.count(chr(10), 0, place) + 1} is no NAME=value",
                remedy="Correct the line; a value in quotes ends with the quote that it begins with.",
            )
        if entry.re is _ENTRY:
            _take(entry, found, environ)
        place = entry.end()
    return found


def _take(entry: re.Match[str], found: dict[str, str], environ: Mapping[str, str]) -> None:
    name = entry["name"]
    if entry["assigned"] is None:
        if name in environ:
            found[name] = environ[name]
    elif entry["literal"] is not None:
        found[name] = entry["literal"]
    elif entry["quoted"] is not None:
        found[name] = _replaced(entry["quoted"], found)
    else:
        found[name] = _replaced(_COMMENT.sub("", entry["plain"]).strip(), found, escapes=False)


def _replaced(text: str, found: Mapping[str, str], *, escapes: bool = True) -> str:
    def value(match: re.Match[str]) -> str:
        escaped = match["escaped"]
        if escaped is not None:
            return _ESCAPES.get(escaped, escaped) if escapes or escaped == "$" else match[0]
        return found.get(match["braced"] or match["bare"], match[0])

    return _REFERENCE.sub(value, text)
