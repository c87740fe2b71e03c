"""The topology as deployed, in the workspace: what a lab is when its file is gone."""

from __future__ import annotations

import json
from enum import StrEnum

from attrs import evolve, field, frozen

from labprov import documents
from labprov.errors import DocumentCorrupt
from labprov.model import Link, Topology
from labprov.workspace import Workspace, read_if_there, remove_if_there, write_atomically


class Commands(StrEnum):
    """How far a node's ``exec`` lines have come; a node that isn't named has run all of them."""

    DUE = "due"
    """It was to be started; none has run."""
    BEGUN = "begun"
    """They were begun, and nobody has seen their end."""
    LOST = "lost"
    """They have run, and interfaces that they had set up are lost: they run again at the next start."""


@frozen(kw_only=True)
class Saved:
    """What is remembered of a lab beside its allocations.

    :param commands: nodes whose ``exec`` lines have not all run, so that a deploy that was killed can be
        finished.
    :param providers: every provider that may still have something of the lab; the topology's own, and those
        whose part could not be removed yet.
    :param bridge: the bridge that the lab shares with others; None: it has one of its own.
    :param previous: the links of before, until the document that belongs to ``topology`` is saved too.
    """

    topology: Topology
    commands: dict[str, Commands] = field(factory=dict)
    providers: tuple[str, ...] = ()
    bridge: str | None = None
    previous: tuple[Link, ...] = ()

    def topologies(self) -> tuple[Topology, ...]:
        """Every topology that the allocation document may have been made for."""
        if not self.previous:
            return (self.topology,)
        known = {link for link in self.previous if all(self._knows(end.node) for end in link.ends)}
        return (self.topology, evolve(self.topology, links=tuple(known)))

    def _knows(self, node: str) -> bool:
        return node in self.topology.by_name


def load(workspace: Workspace, lab: str) -> Saved | None:
    """The lab's saved topology, or None where there is none. Has no side effect.

    :raises DocumentCorrupt: it is not what labprov wrote.
    """
    path = workspace.topology(lab)
    content = read_if_there(path)
    if content is None:
        return None
    saved = documents.structure(documents.parse(content, path), Saved, path)
    if saved.topology.name != lab:
        raise DocumentCorrupt(f"{path} is the topology of {saved.topology.name!r}", lab=lab, path=path)
    return saved


def save(workspace: Workspace, saved: Saved) -> None:
    """Save it, durably.

    :raises WorkspaceError: it can't be written; the old one is untouched.
    """
    value = documents.CONVERTER.unstructure(saved)
    content = json.dumps(value, indent=2).encode() + b"\n"
    write_atomically(workspace.topology(saved.topology.name), content)


def remove(workspace: Workspace, lab: str) -> None:
    """Remove it; a missing one is no error."""
    remove_if_there(workspace.topology(lab))
