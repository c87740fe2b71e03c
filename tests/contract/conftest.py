from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.rig import MINE, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give an empty folder in which pytest can be called."""
    (tmp_path / "work").mkdir()
    return Folder(tmp_path / "work")


@pytest.fixture
def mine(folder: Folder) -> Folder:
    """Give a folder with the module ``mine``, which has two providers."""
    folder.file("mine.py", MINE)
    return folder
