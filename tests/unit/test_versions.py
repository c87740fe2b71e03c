"""The three distributions are released together."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ("labprov_docker", "labprov_libvirt")


def project(folder: Path) -> dict[str, Any]:
    """Read the table ``project`` of a distribution."""
    table: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return table


CORE = project(ROOT)


@pytest.mark.parametrize("name", PLUGINS)
def test_versions_are_in_step(name: str) -> None:
    """Every plugin has the core's version, and wants exactly that core."""
    plugin = project(ROOT / "src" / name)
    assert plugin["version"] == CORE["version"]
    (wanted,) = (item for item in plugin["dependencies"] if item.startswith("labprov"))
    assert wanted.partition("==")[2] == CORE["version"]


@pytest.mark.parametrize("name", PLUGINS)
def test_same_interpreters(name: str) -> None:
    """Every plugin supports the interpreters that the core supports."""
    plugin = project(ROOT / "src" / name)
    assert plugin["requires-python"] == CORE["requires-python"]
    interpreters = {line for line in CORE["classifiers"] if "Python :: 3" in line}
    assert interpreters == {line for line in plugin["classifiers"] if "Python :: 3" in line}


def test_changelog_knows_the_version() -> None:
    """The changelog is built for the core's version."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    assert settings["version"] == CORE["version"]
