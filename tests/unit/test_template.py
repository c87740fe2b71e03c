"""The provider to copy is short, and needs nothing private; its wheel is held to the contract elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.count import logical_lines

SOURCE = Path(__file__).parents[2] / "examples/provider-template/src"
PUBLIC = {"engine", "errors", "harness", "hookspecs", "host", "model", "wires"}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_a_provider_fits_in_300_logical_lines() -> None:
    """Statements count, however many lines they take; docstrings don't."""
    assert 100 < logical_lines(SOURCE) <= 300


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.name)
def test_it_imports_public_words_only(path: Path) -> None:
    """Of labprov's modules only those that the manual names; of others only attrs."""
    parts = [name.split(".") for name in _imported(path)]
    assert {name[1] for name in parts if name[0] == "labprov" and len(name) > 1} <= PUBLIC
    assert not [name for name in parts if name[0] in {"pluggy", "pytest", "cattrs"}]


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("", 0),
        ('"""Text."""\n', 0),
        ("a = (\n    1,\n)\n", 1),
        ("if a:\n    b()\n", 2),
        ("def f(): ...\n", 2),
    ],
)
def test_a_statement_is_a_logical_line(tmp_path: Path, source: str, count: int) -> None:
    """Line breaks within one don't count, and neither does a docstring."""
    (tmp_path / "module.py").write_text(source)
    assert logical_lines(tmp_path) == count
