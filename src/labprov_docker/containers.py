"""What containers there are: one list, in which labels decide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from labprov.engine import Scope
from labprov_docker.client import client
from labprov_docker.translation import translated

LABEL = "labprov."
NODE, HOLDER, NETWORK = "node", "holder", "network"
"""Roles."""

CONTAINER = "container"
"""The label of a holder that says what the node's container is called."""

HELD = "holder"
"""The label of a node's container that shares a holder's network: what that holder was called."""

CREATED = frozenset({"created", "configured", "initialized"})
RUNNING, PAUSED, RESTARTING = "running", "paused", "restarting"
_JOINED = "container:"
_EXITED = re.compile(r"\((\d+)\)")

Key = tuple[str, str]
"""Lab and node."""


@frozen(kw_only=True)
class Container:
    """One container as the engine's list has it.

    :param state: the engine's own word.
    :param exit_code: of the last run; None where there was none, or where it runs.
    :param network_mode: as the engine has it; of a node's container ``container:<the holder's id>``.
    :param networks: the networks that it is in, with its end of each.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    state: str
    exit_code: int | None = None
    network_mode: str = ""
    networks: Mapping[str, Mapping[str, Any]] = field(factory=dict)

    def label(self, key: str) -> str:
        """The value of ``labprov.<key>``, empty if there is none."""
        return self.labels.get(LABEL + key, "")

    @property
    def is_ours(self) -> bool:
        """Whether its labels say that labprov made it, of whatever workspace."""
        named = bool(self.label("lab") and self.label("node"))
        return named and self.label("role") in (NODE, HOLDER) and not self.is_copy

    @property
    def is_copy(self) -> bool:
        """Whether it has a node's labels from an image that somebody made of that node (docker commit)."""
        return self.is_held and self.joined is None

    @property
    def key(self) -> Key:
        """Its lab and node."""
        return self.label("lab"), self.label("node")

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Workspace, prefix, lab and node: what makes two containers one pod."""
        return self.label("workspace"), self.label("prefix"), *self.key

    @property
    def is_alive(self) -> bool:
        """Whether it has processes."""
        return self.state in (RUNNING, PAUSED)

    @property
    def is_new(self) -> bool:
        """Whether it was never started."""
        return self.state in CREATED

    @property
    def is_held(self) -> bool:
        """Whether it was made to share a holder's network; one in the host's, or another node's, was not."""
        return bool(self.label(HELD))

    @property
    def joined(self) -> str | None:
        """The id of the container whose network it shares, None where it has its own or the host's."""
        mode = self.network_mode
        return mode.removeprefix(_JOINED) if mode.startswith(_JOINED) else None


@frozen
class Pod:
    """A node as the engine holds it: its container, and the holder of its network; one of them is there."""

    node: Container | None = None
    holder: Container | None = None

    @property
    def any(self) -> Container:
        """Whichever is there; the node's container if both are."""
        found = self.node or self.holder
        assert found is not None
        return found

    @property
    def parts(self) -> tuple[Container, ...]:
        """What of it is there, the node's container first."""
        return tuple(item for item in (self.node, self.holder) if item is not None)

    @property
    def is_parted(self) -> bool:
        """Whether the node's container shares the network of another holder than the one that is there.

        It can't be started any more once that one is gone.
        """
        own = self.holder.id if self.holder else None
        return self.node is not None and self.node.is_held and self.node.joined != own


def read(said: Mapping[str, Any]) -> Container:
    """One entry of the engine's list."""
    names: Sequence[str] = said.get("Names") or [said["Id"]]
    state = str(said["State"]).lower()
    code = _EXITED.search(str(said.get("Status") or ""))
    settings = said.get("NetworkSettings") or {}
    return Container(
        id=said["Id"],
        # a container that others link to has further names, which have a slash in them
        name=min((name.lstrip("/") for name in names), key=lambda name: ("/" in name, name)),
        labels=said.get("Labels") or {},
        state=state,
        exit_code=int(code[1]) if code and state not in (RUNNING, PAUSED, RESTARTING) else None,
        network_mode=str((said.get("HostConfig") or {}).get("NetworkMode") or ""),
        networks=settings.get("Networks") or {},
    )


def listed(scope: Scope, *labels: str, everything: bool = False) -> list[Container]:
    """The containers that there are, running or not, in one request.

    :param labels: ``key`` or ``key=value`` without ``labprov.``, all of which they must have.
    :param everything: all of the engine's containers, instead.
    :raises Unavailable: the engine can't be asked.
    """
    filters = {"label": [LABEL + label for label in labels]}
    with translated(lab=scope.lab):
        said = client(scope).containers(all=True, filters=None if everything else filters)
    return [read(item) for item in said]


def of_lab(scope: Scope) -> list[Container]:
    """This workspace's containers of ``scope.lab``, or of every lab."""
    labels = ["lab" if scope.lab is None else f"lab={scope.lab}", f"workspace={scope.workspace_id}"]
    return [item for item in listed(scope, *labels) if item.is_ours]


def pods(found: Iterable[Container]) -> Iterator[Pod]:
    """Ours among *found*, node and holder together.

    Where several containers say that they are the same one, which only somebody else's hand can bring about,
    the one that runs is taken, or the first.
    """
    parts: dict[tuple[str, ...], dict[str, Container]] = {}
    for item in found:
        if item.is_ours:
            roles = parts.setdefault(item.identity, {})
            before = roles.get(item.label("role"))
            if before is None or (item.is_alive and not before.is_alive):
                roles[item.label("role")] = item
    for roles in parts.values():
        yield Pod(roles.get(NODE), roles.get(HOLDER))


def pods_of_lab(scope: Scope) -> dict[str, Pod]:
    """This workspace's pods of ``scope.lab`` by node, in one request."""
    return {pod.any.label("node"): pod for pod in pods(of_lab(scope))}
