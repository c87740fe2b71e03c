"""What the tests of the topology reader share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from labprov.topology import TopologyFile, read_text

Read = Callable[..., TopologyFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a topology's text; its folder is the test's own, its environment just what is given."""

    def read(text: str, **env: str) -> TopologyFile:
        return read_text(dedent(text), folder=tmp_path, source="lab.clab.yml", env=env)

    return read
