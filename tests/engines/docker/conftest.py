"""Fixtures of the Docker provider's tests: an image, and a lab that leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from labprov.host import Host
from labprov_docker.client import open_client
from tests.engines.docker.rig import Lab, files


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
