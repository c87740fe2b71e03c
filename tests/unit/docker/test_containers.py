"""One list of the engine's, as labprov reads it; labels decide."""

from __future__ import annotations

from typing import Any

import pytest

from labprov_docker.containers import Container, Pod, pods, read

ID = "a" * 64
LABELS = {
    "labprov.lab": "lab",
    "labprov.node": "r1",
    "labprov.prefix": "labprov",
    "labprov.workspace": "w",
    "labprov.role": "node",
}


def entry(**said: Any) -> Container:
    """Read one entry of the list."""
    whole = {"Id": ID, "Names": ["/labprov-lab-r1"], "State": "running", "Status": "Up", "Labels": LABELS}
    return read({**whole, **said})


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("running", "Up 2 minutes (healthy)", None),
        ("paused", "Up 2 minutes (Paused)", None),
        ("restarting", "Restarting (3) 1 second ago", None),
        ("created", "Created", None),
        ("exited", "Exited (137) 2 minutes ago", 137),
        ("exited", "Exited (0) Less than a second ago", 0),
        ("dead", "Dead", None),
    ],
)
def test_state(state: str, status: str, code: int | None) -> None:
    found = entry(State=state, Status=status)
    assert (found.state, found.exit_code) == (state, code)
    assert found.is_alive == (state in ("running", "paused"))


def test_nothing_said() -> None:
    """An engine may leave out what it does not know: no labels, no name, no settings."""
    found = read({"Id": ID, "Names": None, "State": "created", "Labels": None, "NetworkSettings": None})
    assert (found.name, found.labels, dict(found.networks)) == (ID, {}, {})
    assert not found.is_ours


def test_name_among_links() -> None:
    """A container that others link to has further names, with a slash in them."""
    assert entry(Names=["/other/alias", "/mine"]).name == "mine"


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"labprov.role": "node"},
        {**LABELS, "labprov.role": "holder-image"},
        {**LABELS, "labprov.node": ""},
    ],
)
def test_not_ours(labels: dict[str, str]) -> None:
    assert not entry(Labels=labels).is_ours
    assert list(pods([entry(Labels=labels)])) == []


def part(role: str, number: int, node: str = "r1", joined: int | None = None, **said: Any) -> Container:
    labels = {**LABELS, "labprov.role": role, "labprov.node": node}
    if joined is not None:
        labels["labprov.holder"] = "h"
        said["HostConfig"] = {"NetworkMode": f"container:{joined:064x}"}
    return entry(Id=f"{number:064x}", Labels=labels, **said)


def test_pods() -> None:
    """Node and holder come together by their labels; each may be alone."""
    r1, h1, h2, r3 = (
        part("node", 1, joined=2),
        part("holder", 2),
        part("holder", 3, "r2"),
        part("node", 4, "r3"),
    )
    found = {pod.any.label("node"): pod for pod in pods([h2, r1, r3, h1])}
    assert found == {"r1": Pod(r1, h1), "r2": Pod(None, h2), "r3": Pod(r3, None)}
    assert not any(pod.is_parted for pod in found.values())


def test_parted() -> None:
    """A node that was made for another holder than the one that is there is parted from it."""
    assert Pod(part("node", 1, joined=5), part("holder", 2)).is_parted
    assert Pod(part("node", 1, joined=5), None).is_parted


def test_twice() -> None:
    """Of two that say they are the same one, the one that runs is it."""
    dead, alive = part("node", 1, State="exited"), part("node", 2)
    for order in ([dead, alive], [alive, dead]):
        assert [pod.node for pod in pods(order)] == [alive]


def test_one_name_in_two_workspaces() -> None:
    other = entry(Labels={**LABELS, "labprov.workspace": "other"})
    assert len(list(pods([entry(), other]))) == 2
