"""Where a topology's text comes from, and what was noticed while it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from attrs import define, field, frozen

from labprov.errors import InvalidName, InvalidTopology
from labprov.model import Topology, checked_name


@frozen
class MissingFile:
    """A file that a node refers to and that is not there; its text is a sentence for people.

    :param place: file and line of the topology.
    """

    place: str
    node: str
    key: str
    path: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.place}: node {self.node}, {self.key}: {self.path} does not exist{hint}"


@define
class Source:
    """One text under way from YAML to a topology.

    :param file: what messages call it.
    :param folder: absolute; what relative paths are relative to.
    :param env: the environment that variables are taken from.
    """

    file: str
    folder: Path
    env: Mapping[str, str]
    lab: str | None = None
    warnings: list[str] = field(factory=list)
    missing: list[MissingFile] = field(factory=list)

    def error(
        self,
        message: str,
        line: int | None = None,
        *,
        node: str | None = None,
        interface: str | None = None,
        remedy: str | None = None,
    ) -> InvalidTopology:
        """An error that names this file, to be raised by the caller."""
        return InvalidTopology(
            message, file=self.file, line=line, lab=self.lab, node=node, interface=interface, remedy=remedy
        )

    def relocated(self, error: InvalidTopology, line: int) -> InvalidTopology:
        """The model's *error* with this file and *line*."""
        return self.error(
            error.message, line, node=error.node, interface=error.interface, remedy=error.remedy
        )

    def named(self, value: str, what: str, line: int) -> str:
        """Return *value* if it is allowed as a name, else raise :class:`InvalidName` with file and line."""
        try:
            return checked_name(value, what)
        except InvalidName as error:
            raise InvalidName(f"{self.at(line)}: {error.message}", remedy=error.remedy) from error

    def at(self, line: int | None) -> str:
        """``file:line``."""
        return self.file if line is None else f"{self.file}:{line}"

    def warn(self, message: str, line: int | None = None) -> None:
        """Note *message*, once."""
        said = f"{self.at(line)}: {message}"
        if said not in self.warnings:
            self.warnings.append(said)


@frozen
class TopologyFile:
    """What a topology file says.

    :param warnings: one sentence each, with file and line: what labprov reads and does not do.
    :param missing: each file that is referred to and is not there.
    """

    topology: Topology
    warnings: tuple[str, ...] = ()
    missing: tuple[MissingFile, ...] = ()


def nearest(word: str, known: Iterable[str]) -> str:
    """A remedy that names what is nearest to *word*, or all there is."""
    names = list(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(names))}."
