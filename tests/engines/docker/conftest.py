"""What tests of whole labs of containers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.docker.docker_shell import DockerShell, docker
from tools import images


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[DockerShell]:
    """A workspace whose labs are gone at the end, with every trace of theirs."""
    shell = DockerShell(tmp_path / "workspace")
    yield shell
    shell("cleanup", "--all", "-y")
    shell.nothing_left()


def made(name: str) -> Iterator[str]:
    """An image under the name that topology files have; if it bears that for us only, it goes at the end."""
    ours = images.ensure([name])
    yield name
    for image in ours:
        docker("image", "rm", image)


@pytest.fixture(scope="session")
def tools_image() -> Iterator[str]:
    """The name of an image with ping and ip."""
    yield from made(images.MULTITOOL)


@pytest.fixture(scope="session")
def frr_image() -> Iterator[str]:
    """The name of an image of FRR."""
    yield from made(images.FRR)
