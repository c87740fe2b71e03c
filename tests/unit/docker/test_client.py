"""Docker's errors reach labprov as its own, with lab, node and remedy."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from labprov.engine import Scope
from labprov.errors import (
    Conflict,
    EngineFailure,
    ForeignResource,
    InvalidInput,
    LabprovError,
    NodeNotFound,
    Unavailable,
)
from labprov_docker.client import client
from labprov_docker.translation import translated
from tests.unit.docker.engines import fake_engine, scope_of


def refusal(workspace: Path, status: int, message: str) -> LabprovError:
    """Give what an answer of the engine becomes."""
    with fake_engine() as engine:
        engine.answers["POST /containers/create"] = (status, {"message": message})
        scope = scope_of(engine.url, workspace)
        with scope.host, pytest.raises(LabprovError) as caught, translated(lab="lab", node="r1"):
            client(scope).create_container_from_config({}, "n")
    return caught.value


@pytest.mark.parametrize(
    ("status", "message", "kind", "said"),
    [
        (
            409,
            'Conflict. The container name "/x-r1" is already in use by container "0". Y',
            ForeignResource,
            "x-r1",
        ),
        (500, "Bind for 0.0.0.0:80 failed: port is already allocated", Conflict, "0.0.0.0:80"),
        (500, "mkdir /var/lib/docker/x: no space left on device", EngineFailure, "disk is full"),
        (403, "Pool overlaps with other one on this address space", Conflict, "management network"),
        (404, "No such container: abc", NodeNotFound, "not there any more"),
        (404, "No such image: abc:1", EngineFailure, "abc:1"),
        (400, "invalid mount config", InvalidInput, "invalid mount config"),
        (500, "something else", EngineFailure, "something else"),
    ],
)
def test_refusals(tmp_path: Path, status: int, message: str, kind: type[LabprovError], said: str) -> None:
    """Each refusal of the engine is the error that fits, with lab, node and remedy."""
    error = refusal(tmp_path, status, message)
    assert type(error) is kind
    assert said in error.message
    assert (error.lab, error.node) == ("lab", "r1")
    assert error.remedy


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # docker-py's own, see below
def test_hung_up(tmp_path: Path) -> None:
    """An engine that goes away is unavailable, in the midst of an operation as well."""
    with fake_engine() as engine:
        scope = scope_of(engine.url, tmp_path)
        client(scope)
    with scope.host, pytest.raises(Unavailable), translated():
        client(scope).version(api_version=False)
    gc.collect()  # docker-py leaves the socket open at which nobody listens any more


def test_never_there(tmp_path: Path) -> None:
    scope = scope_of(f"unix://{tmp_path}/none", tmp_path)
    with scope.host, pytest.raises(Unavailable) as caught:
        client(scope)
    assert caught.value.remedy


def test_may_not_be_asked() -> None:
    """A socket of somebody else's: the remedy is the group docker."""
    with pytest.raises(Unavailable) as caught, translated():
        raise ConnectionError("wrapped") from PermissionError(13, "Permission denied")
    assert "group docker" in (caught.value.remedy or "")


def test_own_mistakes_stay(tmp_path: Path) -> None:
    """What is no error of the engine's is not dressed up as one."""
    with pytest.raises(ZeroDivisionError), translated():
        _ = 1 // 0


def test_own_errors_are_named() -> None:
    with pytest.raises(EngineFailure) as caught, translated(lab="lab", node="r1"):
        raise EngineFailure("no")
    assert caught.value.subject == "lab/r1"


def test_one_connection_for_an_operation(tmp_path: Path) -> None:
    """The client is opened once, and anew after the host was closed."""
    with fake_engine() as engine:
        scope = scope_of(engine.url, tmp_path)
        first = client(scope)
        assert client(scope) is first
        scope.host.close()
        assert client(scope) is not first
        scope.host.close()


def test_one_host_one_connection(tmp_path: Path) -> None:
    """Two scopes of one host share its connection."""
    with fake_engine() as engine:
        scope = scope_of(engine.url, tmp_path)
        other = Scope(host=scope.host, workspace_id="w", workspace=tmp_path)
        with scope.host:
            assert client(scope) is client(other)
