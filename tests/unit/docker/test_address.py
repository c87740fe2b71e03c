"""Which engine is meant: the option, DOCKER_HOST, the context in use, the usual socket, in this order."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from labprov.errors import Unavailable
from labprov.host import Host
from labprov_docker.address import Address, address


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give docker's own folder, with the context ``far``; nothing in the environment."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    folder = tmp_path / "contexts/meta" / hashlib.sha256(b"far").hexdigest()
    folder.mkdir(parents=True)
    said = {"Name": "far", "Endpoints": {"docker": {"Host": "tcp://192.0.2.1:2376"}}}
    (folder / "meta.json").write_text(json.dumps(said))
    return tmp_path


def test_usual_socket(config: Path) -> None:
    assert address(Host()) == Address("unix:///var/run/docker.sock", "default")
    assert address(Host()).socket == "/var/run/docker.sock"


def test_context_in_use(config: Path) -> None:
    """The context that ``docker context use`` chose; a child process gets the context, which has the keys."""
    (config / "config.json").write_text('{"currentContext": "far"}')
    found = address(Host())
    assert found == Address("tcp://192.0.2.1:2376", "context far", "far")
    assert found.socket is None
    assert found.environment == {"DOCKER_CONTEXT": "far"}


def test_environment_before_context(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config / "config.json").write_text('{"currentContext": "gone"}')
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    assert address(Host()).source == "context far"
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/other.sock")
    assert address(Host()) == Address("unix:///run/other.sock", "DOCKER_HOST")
    assert address(Host()).environment == {"DOCKER_HOST": "unix:///run/other.sock"}


def test_option_before_all(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/other.sock")
    assert address(Host(options={"docker_url": "tcp://h:1"})) == Address("tcp://h:1", "docker_url")


def test_default_context_is_the_usual_socket(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert address(Host()).source == "default"


@pytest.mark.parametrize("text", ["{", "[]", '{"currentContext": "gone"}'])
def test_unknown_is_not_the_usual_socket(config: Path, text: str) -> None:
    """A file that can't be read, or a context that is gone: nobody knows which engine is meant."""
    (config / "config.json").write_text(text)
    with pytest.raises(Unavailable) as caught:
        address(Host())
    assert caught.value.remedy
