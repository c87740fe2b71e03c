"""YAML text as a tree whose every value knows its line.

PyYAML composes, so that a scalar keeps the text that was written (``yes`` stays ``yes`` where a string is
wanted) and a line can be named in every complaint. Anchors, aliases and merge keys are resolved here.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    import yaml

MAX_VALUES = 1_000_000
"""How many values a text may stand for once its aliases are expanded (a guard, far above any real lab)."""

MAX_DEPTH = 50
"""How deep lists and mappings may be nested, aliases expanded."""

_SAFE_DEPTH = 1000
"""Nesting that every YAML library takes without trouble."""

_MERGE = "tag:yaml.org,2002:merge"
_PREFIX = "tag:yaml.org,2002:"


class YamlError(Exception):
    """The text is no YAML document that can be read.

    :param message: what is wrong, one sentence without a full stop.
    :param line: where, counted from 1; None where that can't be said.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@frozen
class Scalar:
    """A single value, as written; ``tag`` is what YAML takes it for (``str``, ``int``, ``null`` …)."""

    line: int
    text: str
    tag: str

    size = 1

    @property
    def is_null(self) -> bool:
        """Whether nothing is there."""
        return self.tag == "null"


@frozen
class Sequence:
    """A list."""

    line: int
    items: tuple[Value, ...]
    size: int = 1


@frozen
class Mapping:
    """A mapping, merge keys resolved; ``lines`` has the line of each key."""

    line: int
    items: MappingType[str, Value]
    lines: MappingType[str, int] = field(factory=dict)
    size: int = 1


Value = Scalar | Sequence | Mapping


def load(text: str) -> Value | None:
    """Read *text*, which holds one YAML document.

    :returns: the document, or None if there is none.
    :raises YamlError: it is no YAML, it holds more than one document, a key is there twice, an anchor refers
        to itself, or its aliases expand beyond :data:`MAX_VALUES`.
    """
    node = _compose(text)
    if node is None:
        return None
    root = _Builder().build(node)
    if root.size > MAX_VALUES:
        raise YamlError(f"its aliases expand to more than {MAX_VALUES:,} values", root.line)
    return root


def _compose(text: str) -> yaml.Node | None:
    import yaml  # only where a file is really read

    loader_class: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_deep_nesting(text, loader_class)
        loader = loader_class(text)
        try:
            node: yaml.Node | None = loader.get_node() if loader.check_node() else None
            while loader.check_node():
                _refuse_second_document(loader.get_node())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _marked(error) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise YamlError("it is nested too deeply") from error
    return node


def _refuse_deep_nesting(text: str, loader_class: Any) -> None:
    """Look at the events first where the text may be nested deeply: libyaml's composer recurses in C.

    A level of a flow collection needs a bracket, a level of a block one needs a column.
    """
    longest = max(map(len, text.split("\n")))
    if text.count("[") + text.count("{") + longest < _SAFE_DEPTH:
        return
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=loader_class):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise YamlError("it is nested too deeply", _line_of(event))


def _line_of(thing: Any) -> int:
    """The line, counted from 1, at which an event or a node begins."""
    return int(thing.start_mark.line) + 1


def _refuse_second_document(node: yaml.Node) -> None:
    if node.tag != _PREFIX + "null":
        raise YamlError("a second document begins here, and only one is read", _line_of(node))


def _marked(error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if "nesting depth" in said:  # libyaml's own limit, which PyYAML has from 6.0.4
        said = "it is nested too deeply"
    return YamlError(said or "it is no YAML", mark.line + 1 if mark else None)


class _Builder:
    """Turns composed nodes into values, each node once, however many aliases there are."""

    def __init__(self) -> None:
        self._done: dict[int, Value] = {}
        self._open: set[int] = set()
        self._heights: dict[int, int] = {}

    def build(self, node: Any) -> Value:
        key = id(node)
        if key in self._done:
            return self._done[key]
        if key in self._open:
            raise YamlError("an alias refers to what contains it", _line_of(node))
        if len(self._open) > MAX_DEPTH:
            raise YamlError("it is nested too deeply", _line_of(node))
        self._open.add(key)
        value = self._built(node)
        self._open.discard(key)
        self._done[key] = value
        self._measure(value)
        return value

    def _measure(self, value: Value) -> None:
        """Keep how many levels *value* has: a chain of aliases nests as deeply as written lists do."""
        if isinstance(value, Scalar):
            return
        parts = value.items if isinstance(value, Sequence) else value.items.values()
        height = 1 + max((self._heights.get(id(part), 0) for part in parts), default=0)
        if height > MAX_DEPTH:
            raise YamlError("it is nested too deeply", value.line)
        self._heights[id(value)] = height

    def _built(self, node: Any) -> Value:
        line = _line_of(node)
        if node.id == "scalar":
            return Scalar(line, node.value, node.tag.removeprefix(_PREFIX))
        if node.id == "sequence":
            items = tuple([self.build(item) for item in node.value])
            return Sequence(line, items, 1 + sum(item.size for item in items))
        return self._mapping(node, line)

    def _mapping(self, node: Any, line: int) -> Mapping:
        items: dict[str, Value] = {}
        lines: dict[str, int] = {}
        merged: list[Mapping] = []
        for key, value in node.value:
            at = _line_of(key)
            if key.tag == _MERGE:
                merged += self._merged(value)
                continue
            if key.id != "scalar":
                raise YamlError("a key must be a plain word", at)
            if key.value in items:
                raise YamlError(f"the key {key.value!r} is there twice, first in line {lines[key.value]}", at)
            items[key.value] = self.build(value)
            lines[key.value] = at
        for source in merged:
            for name, inherited in source.items.items():
                if name not in items:
                    items[name], lines[name] = inherited, source.lines[name]
        return Mapping(line, items, lines, 1 + sum(item.size for item in items.values()))

    def _merged(self, node: Any) -> list[Mapping]:
        value = self.build(node)
        sources = value.items if isinstance(value, Sequence) else (value,)
        found = [source for source in sources if isinstance(source, Mapping)]
        if len(found) != len(sources):
            raise YamlError("'<<' needs a mapping, or a list of mappings", _line_of(node))
        return found


_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def boolean(text: str) -> bool | None:
    """What *text* means where YAML takes it for a truth value (``yes``, ``Off``, ``y``), or None."""
    lowered = text.lower()
    return {"y": True, "n": False}.get(lowered, _BOOLS.get(lowered))


def integer(text: str) -> int | None:
    """The number that *text* is in YAML (``0x10``, ``1_000``), or None."""
    plain = text.replace("_", "")
    for base in (10, 0):
        try:
            return int(plain, base)
        except ValueError:
            continue
    return None


def plain(value: Value) -> Any:
    """*value* as a plain JSON value: what YAML takes for a number or a truth value becomes one.

    What JSON has no word for (a date, ``.inf``, binary data) stays the text that was written.
    """
    if isinstance(value, Sequence):
        return [plain(item) for item in value.items]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items.items()}
    return _plain_scalar(value)


def _plain_scalar(value: Scalar) -> Any:
    if value.tag == "null":
        return None
    if value.tag == "bool":
        return boolean(value.text)
    if value.tag == "int":
        number = integer(value.text)
        return value.text if number is None else number
    if value.tag == "float":
        return _plain_float(value.text)
    return value.text


def _plain_float(text: str) -> Any:
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        return text
    finite = number - number == 0
    return number if finite else text


def scalars(value: Value) -> list[Scalar]:
    """Every scalar of *value*, keys left out, each once however often it is aliased."""
    found: dict[int, Scalar] = {}
    seen: set[int] = set()
    stack = [value]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Scalar):
            found[id(item)] = item
        elif isinstance(item, Sequence):
            stack.extend(item.items)
        else:
            stack.extend(item.items.values())
    return sorted(found.values(), key=lambda scalar: scalar.line)
