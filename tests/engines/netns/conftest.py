"""Fixtures of the embedded provider's tests: a lab that leaves nothing, and the suite's hands."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from labprov.engine import Observed
from labprov.netns.suite import NetnsHarness, labprov_harness
from labprov.wires.parking import digest
from tests.engines.netns.rig import ROOT, Lab, host_interfaces, mounts, named_namespaces, processes


def pytest_configure(config: pytest.Config) -> None:
    """Name the two marks."""
    config.addinivalue_line("markers", "root: only root can do it")
    config.addinivalue_line("markers", "rootless: is about unprivileged users")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only root, or only another user, can do."""
    for item in items:
        if item.get_closest_marker("root") and not ROOT:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        if item.get_closest_marker("rootless") and ROOT:
            item.add_marker(
                pytest.mark.skip(reason="is about unprivileged users; test_rootless.py runs it as one")
            )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def lab(workspace: Path) -> Iterator[Lab]:
    """A lab with a name of its own; at the end it is destroyed, and nothing of it may be left."""
    name = "t" + uuid.uuid4().hex[:8]
    found = Lab(workspace, name, uuid.uuid4().hex)
    yield found
    found.again()
    found.destroy()
    assert found.observe() == Observed()
    found.host.close()
    parking = "lp-parking-" + digest(found.workspace_id, found.name)
    assert not [entry for entry in named_namespaces() | mounts() if found.name in entry or parking in entry]
    assert not [entry for entry in host_interfaces() if found.name in entry]
    assert not processes(found.workspace_id)
    assert not [path for path in workspace.rglob("*") if path.is_file()]


@pytest.fixture
def harness(lab: Lab) -> NetnsHarness:
    return labprov_harness(lab.scope)
