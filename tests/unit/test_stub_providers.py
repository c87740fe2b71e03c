"""A provider that can do nothing yet says so, and what would help."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import labprov_docker
import labprov_libvirt
from labprov.engine import ProviderInfo
from labprov.hookspecs import PROJECT
from labprov.host import Host

MODULES = {"docker": labprov_docker, "libvirt": labprov_libvirt}


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Have something at the Unix socket *path* that gives one caller *answer*."""

    def serve() -> None:
        connection, _ = listener.accept()
        with closing(connection):
            connection.recv(4096)
            connection.sendall(answer)

    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a short path: a socket's may have 107 characters, and tmp_path names the test."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def http(body: bytes) -> bytes:
    """Wrap a body into an answer of HTTP."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def docker_at(path: Path) -> ProviderInfo:
    """Ask the Docker provider of a host whose daemon is said to be at *path*."""
    return labprov_docker.labprov_provider_info(Host(options={"docker_url": f"unix://{path}"}))


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


def test_docker_daemon_is_found(folder: Path) -> None:
    """A daemon that answers is told, with its version."""
    with answering(folder / "d", http(json.dumps({"Version": "20.10.24"}).encode())):
        info = docker_at(folder / "d")
    assert info.engine_version == "20.10.24"
    assert "version 20.10.24, answers" in remedy(info)


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", http(b"{"), http(b"[]"), http(b"{}")])
def test_docker_daemon_that_talks_nonsense(folder: Path, answer: bytes) -> None:
    """What does not answer like a Docker daemon is none, and never an exception."""
    with answering(folder / "d", answer):
        info = docker_at(folder / "d")
    assert info.engine_version == ""
    assert "No Docker daemon answers" in remedy(info)


def test_docker_daemon_elsewhere() -> None:
    """A daemon behind another kind of address was not asked, and the provider says that."""
    info = labprov_docker.labprov_provider_info(Host(options={"docker_url": "tcp://192.0.2.1:2375"}))
    assert "tcp://192.0.2.1:2375 was not asked" in remedy(info)


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
