"""What the provider says of itself, whatever answers where an engine should be, and if nothing does."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import labprov_docker
from labprov.engine import Capability, ProviderInfo
from labprov.hookspecs import PROJECT
from labprov.host import Host
from labprov_docker.labs import labprov_accept_nodes
from tests.unit.docker.engines import answering, fake_engine, scope_of
from tests.unit.docker.specs import spec_of

INFO = {"ServerVersion": "20.10.24", "KernelVersion": os.uname().release, "SecurityOptions": []}


def http(body: bytes) -> bytes:
    """Wrap a body into an answer of HTTP."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a short path: a socket's may have 107 characters, and tmp_path names the test."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def info_at(url: str, **options: str) -> ProviderInfo:
    """Ask the provider of a host whose engine is said to be at *url*."""
    return labprov_docker.labprov_provider_info(Host(options={"docker_url": url, **options}))


def test_registered() -> None:
    """The installed distribution registers its provider under the provider's name."""
    (entry,) = entry_points(group=PROJECT, name="docker")
    assert entry.load() is labprov_docker


def test_engine_is_found(folder: Path) -> None:
    """An engine that answers makes the provider available, with the engine's version."""
    with answering(folder / "d", http(json.dumps(INFO).encode())):
        info = info_at(f"unix://{folder}/d")
    assert info.available
    assert info.present
    assert (info.name, info.engine, info.engine_version) == ("docker", "Docker", "20.10.24")
    assert Capability.EXTERNAL_RESTART in info.capabilities
    assert {"image", "startup-delay"} <= info.node_keys


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", http(b"{"), http(b"[]"), http(b"{}")])
def test_nonsense_is_no_engine(folder: Path, answer: bytes) -> None:
    """What does not answer like an engine is none that works; labs may be there, so it is present."""
    with answering(folder / "d", answer):
        info = info_at(f"unix://{folder}/d")
    assert not info.available
    assert info.present
    assert info.remedy
    assert info.engine_version == ""


def test_no_socket_is_no_engine(folder: Path) -> None:
    """Where there is no socket, nothing of the provider's can exist."""
    info = info_at(f"unix://{folder}/none")
    assert not info.available
    assert not info.present
    assert "install" in (info.remedy or "")


def test_nobody_listens(folder: Path) -> None:
    """A socket that nobody listens at is an engine that does not answer."""
    with answering(folder / "d", http(b"{}")):
        info_at(f"unix://{folder}/d")
    info = info_at(f"unix://{folder}/d")
    assert not info.available
    assert info.present
    assert "refused" in (info.reason or "")
    assert "docker info" in (info.remedy or "")


def test_library_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docker-py the provider is unavailable, and says what to install."""
    monkeypatch.setitem(sys.modules, "docker", None)
    with answering(folder / "d", http(json.dumps(INFO).encode())):
        info = info_at(f"unix://{folder}/d")
    assert not info.available
    assert "pip install" in (info.remedy or "")


def test_far_engine_refuses() -> None:
    """An engine over TCP that does not answer is unavailable, within some seconds."""
    info = info_at("tcp://127.0.0.1:1")
    assert not info.available
    assert info.present


def test_bad_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A context that is not there makes the provider unavailable; it is never an exception."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    info = labprov_docker.labprov_provider_info(Host())
    assert "gone" in (info.reason or "")
    assert info.present


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"KernelVersion": "1.2.3-other"}, "not on this machine"),
        ({"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}, "rootless"),
    ],
)
def test_no_links(tmp_path: Path, said: dict[str, Any], reason: str) -> None:
    """Where links can't be made, nodes with ports are refused before anything is made; others are not."""
    with fake_engine() as engine:
        engine.answers["GET /info"] = (200, {**INFO, **said})
        info = info_at(engine.url)
        scope = scope_of(engine.url, tmp_path)
        with scope.host:
            refused = labprov_accept_nodes(scope, [spec_of("eth1"), spec_of()])
    assert info.available
    assert not info.joins
    assert reason in getattr(info.no_links, "message", "")
    assert reason in getattr(refused[0], "message", "")
    assert getattr(refused[0], "remedy", "")
    assert refused[1] is None


def test_no_switch(tmp_path: Path, folder: Path) -> None:
    """Without Open vSwitch there are no links either."""
    with fake_engine() as engine:
        engine.answers["GET /info"] = (200, INFO)
        info = info_at(engine.url, ovsdb=f"unix:{folder}/none")
    assert info.available
    assert not info.joins
    assert "Open vSwitch" in getattr(info.no_links, "message", "")


def test_check_tells_what_is_missing(folder: Path) -> None:
    """The doctor says that no engine is there where somebody has named one."""
    (problem,) = labprov_docker.labprov_check(Host(options={"docker_url": f"unix://{folder}/none"}))
    assert problem.serious
    assert problem.remedy


def test_quick(folder: Path) -> None:
    """Asking does not import docker-py, which takes half a second."""
    script = (
        "import sys, labprov_docker, labprov.host as h;"
        f"print(labprov_docker.labprov_provider_info(h.Host(options={{'docker_url': 'unix://{folder}/d'}})).reason);"
        "print('docker' in sys.modules)"
    )
    import subprocess

    with answering(folder / "d", http(json.dumps(INFO).encode())):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"]


def test_delay_is_a_number(tmp_path: Path) -> None:
    """A startup-delay that is none is refused."""
    with fake_engine() as engine:
        engine.answers["GET /info"] = (200, INFO)
        scope = scope_of(engine.url, tmp_path)
        with scope.host:
            outcomes: Sequence[object] = labprov_accept_nodes(
                scope, [spec_of(startup_delay="soon"), spec_of(startup_delay=3)]
            )
    assert "startup-delay" in str(outcomes[0])
    assert outcomes[1] is None
