"""What the unit tests share: an engine in memory, and labs on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from labprov.allocation import JsonStore
from labprov.lab import Lab
from labprov.model import Topology
from labprov.plugins import Plugins
from labprov.settings import Settings
from labprov.tags import Recovery
from labprov.timeouts import Timeouts
from tests.memory import MemoryProvider


def make_plugins(*providers: MemoryProvider) -> Plugins:
    """Labprov's defaults and these providers."""
    plugins = Plugins({"labprov.store": JsonStore(), "labprov.recovery": Recovery()})
    for provider in providers:
        plugins.register(provider, provider.name)
    return plugins


@pytest.fixture
def memory() -> MemoryProvider:
    """A provider with an engine of its own."""
    return MemoryProvider()


@pytest.fixture
def plugins(memory: MemoryProvider) -> Plugins:
    """Labprov's defaults and the provider."""
    return make_plugins(memory)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A workspace of the test's own; nodes go to the memory provider."""
    return Settings(
        workspace=tmp_path / "workspace", provider="memory", timeouts=Timeouts(lock=0.2, ready=1.0)
    )


LabMaker = Callable[..., Lab]


@pytest.fixture
def make_lab(settings: Settings, plugins: Plugins) -> LabMaker:
    """Makes labs: every one is as if from a new process."""

    def make(topology: Topology, **changes: Any) -> Lab:
        return Lab(topology, evolve(settings, **changes), plugins=plugins)

    return make
