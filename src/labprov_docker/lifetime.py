"""When a node's image is pulled, when Docker starts it again, how it tells whether it is well."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from labprov.errors import InvalidInput
from labprov.model import Node
from labprov_docker.reading import flag, lists, numbers, text

_SECOND = 1_000_000_000  # nanoseconds, which is what the engine counts in
_REFERENCE = re.compile(
    r"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_{1,2}|-+|/)[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
_RESTARTS = ("no", "on-failure", "always", "unless-stopped")
_TESTS = ("CMD", "CMD-SHELL")


class PullPolicy(StrEnum):
    """When an image is pulled; containerlab's words."""

    IF_NOT_PRESENT = "IfNotPresent"
    ALWAYS = "Always"
    NEVER = "Never"


def image(node: Node) -> str:
    """The name of the node's image.

    :raises InvalidInput: it has none, or one that no image can have.
    """
    if not node.image:
        raise InvalidInput(
            "the node has no image", remedy="Give it one, or run it without a container: provider netns."
        )
    if not _REFERENCE.fullmatch(node.image):
        raise InvalidInput(
            f"{node.image!r} is no name of an image",
            remedy="Write it as [registry/]name[:tag]; the name is in small letters.",
        )
    return node.image


def pull_policy(node: Node) -> PullPolicy:
    """When the node's image is to be pulled: where it is missing, if nothing is said.

    :raises InvalidInput: it is no policy.
    """
    found = text(node, "image-pull-policy").lower()
    if not found:
        return PullPolicy.IF_NOT_PRESENT
    for policy in PullPolicy:
        if policy.lower() == found:
            return policy
    raise InvalidInput(
        f"image-pull-policy {found!r} is not one", remedy=f"There are: {', '.join(PullPolicy)}."
    )


def restart_policy(node: Node) -> dict[str, Any]:
    """What Docker does when the node ends, in the engine's words: nothing, if nothing is said.

    A node that is removed when it ends is not started again, as for containerlab.

    :raises InvalidInput: it is no policy.
    """
    found = text(node, "restart-policy") or "no"
    name, colon, count = found.partition(":")
    counted = not colon or (name == "on-failure" and re.fullmatch(r"[0-9]{1,9}", count, re.ASCII))
    if name not in _RESTARTS or not counted:
        raise InvalidInput(
            f"restart-policy {found!r} is not one",
            remedy="There are: no, on-failure, on-failure:TIMES, always, unless-stopped.",
        )
    if flag(node, "auto-remove"):
        name, count = "no", ""
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def healthcheck(node: Node) -> dict[str, Any] | None:
    """How the engine tells whether the node is well, in its words; None leaves it to the image.

    :raises InvalidInput: the check is none that Docker knows.
    """
    if not node.settings.get("healthcheck"):
        return None
    test = lists(node, "healthcheck", ("test",))["test"]
    said = numbers(node, "healthcheck", ("interval", "timeout", "retries", "start-period"))
    if test not in ([], ["NONE"]) and (test[0] not in _TESTS or len(test) == 1):
        raise InvalidInput(
            f"the healthcheck {test!r} is none",
            remedy="Begin its test with CMD or CMD-SHELL, then the command.",
        )
    return {
        "Test": test,
        "Interval": said["interval"] * _SECOND,
        "Timeout": said["timeout"] * _SECOND,
        "StartPeriod": said["start-period"] * _SECOND,
        "Retries": said["retries"],
    }
