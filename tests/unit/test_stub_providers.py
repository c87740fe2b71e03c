"""A provider that can do nothing yet says so, and what would help."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import labprov_libvirt
from labprov.engine import ProviderInfo
from labprov.hookspecs import PROJECT
from labprov.host import Host

MODULES = {"libvirt": labprov_libvirt}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a short path: a socket's may have 107 characters, and tmp_path names the test."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def remedy(info: ProviderInfo) -> str:
    """Give what an unavailable provider advises."""
    assert info.remedy is not None
    return info.remedy


@pytest.mark.parametrize("name", MODULES)
def test_registered(name: str) -> None:
    """The installed distribution registers its provider under the provider's name."""
    (entry,) = entry_points(group=PROJECT, name=name)
    assert entry.load() is MODULES[name]


@pytest.mark.parametrize("name", MODULES)
def test_claims_nothing(name: str) -> None:
    """A provider that can't do anything yet is unavailable, with a remedy, and claims no capability."""
    info = MODULES[name].labprov_provider_info(Host())
    assert info.name == name
    assert not info.available
    assert "netns" in remedy(info)
    assert not {*info.capabilities, *info.joins, *info.node_keys}


def test_libvirt_daemon_is_found(folder: Path) -> None:
    """A libvirt daemon that listens is told; without one that is told as well."""
    uri = f"qemu:///system?socket={folder}/l"
    before = labprov_libvirt.labprov_provider_info(Host(options={"libvirt_uri": uri}))
    assert "No libvirt daemon listens" in remedy(before)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(f"{folder}/l")
        listener.listen()
        after = labprov_libvirt.labprov_provider_info(Host(options={"libvirt_uri": uri}))
    assert "A libvirt daemon listens" in remedy(after)


def test_libvirt_daemon_elsewhere() -> None:
    """A remote libvirt was not asked, and the provider says that."""
    info = labprov_libvirt.labprov_provider_info(Host(options={"libvirt_uri": "qemu+ssh://far/system"}))
    assert "was not asked" in remedy(info)
