"""Images of nodes: there, or pulled by the node's policy, each once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labprov.engine import NodeSpec, Scope
from labprov.errors import EngineFailure, LabprovError
from labprov.events import Event, EventKind
from labprov.parallel import side_by_side
from labprov_docker import lifetime
from labprov_docker.client import client
from labprov_docker.lifetime import PullPolicy
from labprov_docker.translation import translated

EVERY = 0.5
"""Seconds between two events of one pull."""
_RANKS = (PullPolicy.NEVER, PullPolicy.IF_NOT_PRESENT, PullPolicy.ALWAYS)
_PULLED = {"Download complete", "Pull complete", "Already exists"}


def ensure(scope: Scope, specs: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Have the image of each node, pulled where its policy says so; each image is pulled once.

    :returns: None or an error for each node.
    """
    strictest: dict[str, PullPolicy] = {}
    for spec in specs:
        image, policy = lifetime.image(spec.node), lifetime.pull_policy(spec.node)
        strictest[image] = max(strictest.get(image, policy), policy, key=_RANKS.index)
    items = list(strictest.items())
    outcomes = side_by_side(items, lambda item: _have(scope, *item))
    failed = {image: error for (image, _), error in zip(items, outcomes, strict=True) if error is not None}
    return [_of(failed.get(lifetime.image(spec.node)), spec) for spec in specs]


def _of(error: LabprovError | None, spec: NodeSpec) -> LabprovError | None:
    """The image's error as this node's own."""
    if error is None:
        return None
    own = type(error)(error.message, remedy=error.remedy, lab=error.lab, node=spec.name)
    own.__cause__ = error
    return own


def _have(scope: Scope, image: str, policy: PullPolicy) -> None:
    if policy is not PullPolicy.ALWAYS and _is_there(scope, image):
        return
    if policy is PullPolicy.NEVER:
        raise EngineFailure(
            f"the image {image} is not there, and image-pull-policy Never forbids to pull it",
            lab=scope.lab,
            remedy=f"docker pull {image}, docker load or docker import.",
        )
    _pull(scope, image)


def _is_there(scope: Scope, image: str) -> bool:
    from docker.errors import ImageNotFound

    with translated(lab=scope.lab):
        try:
            client(scope).inspect_image(image)
        except ImageNotFound:
            return False
    return True


def _pull(scope: Scope, image: str) -> None:
    """Pull it, and tell how far that is."""
    from docker.errors import APIError
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(image)
    progress = _Progress(scope, image)
    with translated(lab=scope.lab):
        try:
            failure = progress.follow(
                client(scope).pull(repository, tag=tag or "latest", stream=True, decode=True)
            )
        except APIError as error:
            failure = str(error.explanation or error)
    if failure:
        raise EngineFailure(
            f"the image {image} could not be pulled: {failure}",
            lab=scope.lab,
            remedy=f"Correct its name, log in (docker login), or bring it yourself: docker pull {image},"
            " docker load or docker import.",
        )
    progress.done()


class _Progress:
    """How far one pull is, told a few times a second."""

    def __init__(self, scope: Scope, image: str) -> None:
        self._scope = scope
        self._image = image
        self._layers: dict[str, tuple[int, int]] = {}
        self._told = 0.0
        self._tell(0)

    def follow(self, said: Iterable[Mapping[str, Any]]) -> str | None:
        """Hear the engine to the end; give why it failed, if it did."""
        for line in said:
            if "error" in line:
                return str(line["error"]).strip().rstrip(".")
            self._hear(line)
            if time.monotonic() - self._told >= EVERY:
                self._tell(min(self._percent(), 99), self._detail())
        return None

    def done(self) -> None:
        """It is there."""
        self._tell(100)

    def _hear(self, line: Mapping[str, Any]) -> None:
        layer, detail = line.get("id"), line.get("progressDetail") or {}
        if layer is None:
            return
        if line.get("status") == "Downloading" and detail.get("total"):
            self._layers[layer] = (detail.get("current") or 0, detail["total"])
        elif line.get("status") in _PULLED and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2

    def _sums(self) -> tuple[int, int]:
        return sum(have for have, _ in self._layers.values()), sum(all_ for _, all_ in self._layers.values())

    def _percent(self) -> int:
        have, whole = self._sums()
        return 100 * have // whole if whole else 0

    def _detail(self) -> str:
        have, whole = self._sums()
        return f"{have / 1e6:.1f} of {whole / 1e6:.1f} MB" if whole else ""

    def _tell(self, percent: int, detail: str = "") -> None:
        self._told = time.monotonic()
        self._scope.emit(
            Event(
                kind=EventKind.PROGRESS,
                lab=self._scope.lab or "",
                message=f"pulling {self._image}",
                count=percent,
                detail=detail,
            )
        )
