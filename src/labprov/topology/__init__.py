"""Topology files: containerlab's ``.clab.yml``, read into a :class:`labprov.Topology`."""

from __future__ import annotations

from labprov.topology.reader import find_file, read_file, read_text
from labprov.topology.source import MissingFile, TopologyFile

__all__ = ["MissingFile", "TopologyFile", "find_file", "read_file", "read_text"]
