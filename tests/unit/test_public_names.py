"""The public names are a promise: exactly these, each imported at its first use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import labprov

PUBLIC = [
    "Allocations",
    "Busy",
    "Conflict",
    "Endpoint",
    "Event",
    "EventKind",
    "Host",
    "InvalidInput",
    "InvalidTopology",
    "Lab",
    "LabNotFound",
    "LabprovError",
    "Link",
    "Node",
    "NodeNotFound",
    "NodeNotRunning",
    "NodeState",
    "NotSupported",
    "Plugins",
    "ProviderInfo",
    "Report",
    "Result",
    "Settings",
    "Timeouts",
    "Topology",
    "TopologyBuilder",
    "Unavailable",
    "cleanup",
    "hookimpl",
    "inspect_all",
    "known_labs",
    "load_plugins",
    "orphans",
    "watch_all",
]


def test_public_names_are_exactly_these() -> None:
    """Whoever adds or removes a public name does so here, knowingly."""
    assert labprov.__all__ == PUBLIC
    assert dir(labprov) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_there(name: str) -> None:
    """Each can be imported, and has a docstring that is its own."""
    assert getattr(labprov, name).__doc__


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for type checkers is what is given at run time."""
    tree = ast.parse(Path(labprov.__file__).read_text())
    seen = {
        alias.asname: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: f"labprov.{home}" for name, home in labprov._HOMES.items()}


def test_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        labprov.Nope  # noqa: B018 - the look-up is the test


def test_importing_labprov_is_light() -> None:
    """The package alone imports none of its own modules and no library."""
    program = (
        "import sys, labprov; print(*(name for name in sys.modules if 'labprov' in name or name == 'attr'))"
    )
    said = subprocess.check_output([sys.executable, "-c", program], text=True)
    loaded = {name for name in said.split() if not name.startswith("__editable__")}
    assert loaded == {"labprov"}
