"""A workspace, a topology file and a provider, for the command line as its user has it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.shell import PLUGINS, RING, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in a folder that holds ``ring.clab.yml``, with a workspace and a memory of its own."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "ring.clab.yml").write_text(RING)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LABPROV_", "COV_"))}
    return Shell(
        folder,
        {
            **kept,
            "PYTHONPATH": str(PLUGINS),
            "LABPROV_WORKSPACE": str(tmp_path / "workspace"),
            "LABPROV_MEMORY": str(tmp_path / "memory"),
            "TERM": "dumb",
        },
    )
