"""How many logical lines a package has (``python -m tools.count FOLDER``): statements, without docstrings."""

from __future__ import annotations

import ast
import sys
from pathlib import Path


def logical_lines(folder: Path) -> int:
    """Count the statements of all modules in *folder*; a docstring is none."""
    return sum(_statements(path.read_text()) for path in sorted(folder.rglob("*.py")))


def _statements(source: str) -> int:
    nodes = ast.walk(ast.parse(source))
    return sum(isinstance(node, ast.stmt) and not _is_text(node) for node in nodes)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and type(node.value.value) is str
    )


if __name__ == "__main__":
    print(logical_lines(Path(sys.argv[1])))
