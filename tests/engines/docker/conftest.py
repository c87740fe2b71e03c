"""Fixtures of the Docker provider's tests: images, and labs that leave nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from labprov.host import Host
from labprov_docker.client import open_client
from tests.engines.docker.docker_shell import DockerShell, docker
from tests.engines.docker.rig import Lab, files
from tools import images


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """Give the name of an image of busybox, imported from this machine's own."""
    name = f"labprov-test-{uuid4().hex}"
    with Host() as host:
        open_client(host).import_image_from_data(files(), repository=name, tag="1")
        yield f"{name}:1"
        open_client(host).remove_image(f"{name}:1")


@pytest.fixture
def make_lab(tmp_path: Path, image: str) -> Iterator[Callable[..., Lab]]:
    """Give what makes labs; at the end they are destroyed, and nothing of them may be left."""
    made: list[Lab] = []

    def make(name: str | None = None, owner: str | None = None) -> Lab:
        made.append(Lab(tmp_path, image, name, owner))
        return made[-1]

    yield make
    for lab in made:
        lab.again()
        lab.destroy()
    left = {lab.name: lab.leftovers() for lab in made}
    for lab in made:
        lab.host.close()
    assert not [name for found in left.values() for name in found]


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    """Give one lab."""
    return make_lab()


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
