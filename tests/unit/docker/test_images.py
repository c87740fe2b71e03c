"""Images are pulled once, by their policy, and the pull is told; what fails says what was tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve

from labprov.engine import Scope
from labprov.errors import EngineFailure, Unavailable
from labprov.events import Event, EventKind
from labprov_docker import images
from tests.unit.docker.engines import FakeEngine, fake_engine, scope_of
from tests.unit.docker.specs import spec_of

PULL = "POST /images/create"
LAYERS = [
    {"status": "Pulling from library/busybox", "id": "1"},
    {"status": "Downloading", "id": "a", "progressDetail": {"current": 1_000_000, "total": 4_000_000}},
    {"status": "Downloading", "id": "a", "progressDetail": {"current": 4_000_000, "total": 4_000_000}},
    {"status": "Download complete", "id": "a"},
    {"status": "Status: Downloaded newer image for busybox:1"},
]


def scope_that_hears(engine: FakeEngine, workspace: Path, heard: list[Event]) -> Scope:
    return evolve(scope_of(engine.url, workspace), emit=heard.append)


def without_image(engine: FakeEngine) -> None:
    engine.answers["GET /images/"] = (404, {"message": "No such image: busybox:1"})


def test_pulled_once_for_all(tmp_path: Path) -> None:
    """Two nodes of one image need one pull; who listens hears its beginning and its end."""
    heard: list[Event] = []
    with fake_engine() as engine:
        without_image(engine)
        engine.answers[PULL] = (200, LAYERS)
        scope = scope_that_hears(engine, tmp_path, heard)
        with scope.host:
            assert images.ensure(scope, [spec_of(), spec_of()]) == [None, None]
    assert [request for request in engine.asked if request.startswith("POST")] == [
        f"{PULL}?tag=1&fromImage=busybox"
    ]
    assert {(event.kind, event.lab, event.message) for event in heard} == {
        (EventKind.PROGRESS, "lab", "pulling busybox:1")
    }
    counts = [event.count for event in heard]
    assert (counts[0], counts[-1]) == (0, 100)
    assert counts == sorted(counts)


def test_there_already(tmp_path: Path) -> None:
    """An image that is there is pulled only where its policy is Always."""
    with fake_engine() as engine:
        engine.answers["GET /images/"] = (200, {})
        engine.answers[PULL] = (200, LAYERS)
        scope = scope_of(engine.url, tmp_path)
        with scope.host:
            images.ensure(scope, [spec_of(), spec_of(image_pull_policy="Never")])
            assert not [request for request in engine.asked if request.startswith("POST")]
            images.ensure(scope, [spec_of(), spec_of(image_pull_policy="Always")])
    assert len([request for request in engine.asked if request.startswith("POST")]) == 1


def refused(tmp_path: Path, answer: tuple[int, Any], **keys: Any) -> tuple[Any, list[Event]]:
    heard: list[Event] = []
    with fake_engine() as engine:
        without_image(engine)
        engine.answers[PULL] = answer
        scope = scope_that_hears(engine, tmp_path, heard)
        with scope.host:
            (error,) = images.ensure(scope, [spec_of(**keys)])
    return error, heard


def test_not_to_be_had(tmp_path: Path) -> None:
    """A registry that refuses, at once or in the midst: node, image, reason, and how to get it."""
    in_the_midst = (200, [*LAYERS[:2], {"error": "manifest unknown", "errorDetail": {}}])
    for answer, reason in (
        ((404, {"message": "pull access denied for busybox"}), "pull access denied"),
        (in_the_midst, "manifest unknown"),
    ):
        error, heard = refused(tmp_path, answer)
        assert isinstance(error, EngineFailure)
        assert (error.lab, error.node) == ("lab", "r1")
        assert "busybox:1" in error.message
        assert reason in error.message
        assert "docker pull busybox:1" in (error.remedy or "")
        assert 100 not in [event.count for event in heard]


def test_never_is_never(tmp_path: Path) -> None:
    error, heard = refused(tmp_path, (200, LAYERS), image_pull_policy="Never")
    assert "Never" in error.message
    assert heard == []


def test_an_engine_that_goes_is_no_missing_image(tmp_path: Path) -> None:
    with fake_engine() as engine:
        engine.answers["GET /images/"] = (200, b"{")
        scope = scope_of(engine.url, tmp_path)
        with scope.host:
            (error,) = images.ensure(scope, [spec_of()])
    assert isinstance(error, Unavailable)
