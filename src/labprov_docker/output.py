"""What containers write: the engine's streams, and their logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from labprov.engine import ObservedNode, Scope
from labprov.errors import NotSupported
from labprov.hookspecs import hookimpl
from labprov_docker.address import NAME
from labprov_docker.client import client
from labprov_docker.containers import Container, Pod, pods_of_lab
from labprov_docker.translation import translated

STDOUT, STDERR = 1, 2
_HEADER = 8
_NEVER = "0001-"
_MARGIN = 100_000_000  # nanoseconds
_NO_LOGS = "does not support reading"
_TIME = re.compile(r"(.+?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def parted(raw: bytes) -> list[tuple[int, bytes]]:
    """The frames of a stream that carries two outputs: which of them, and what it says."""
    frames = []
    place = 0
    while len(raw) - place >= _HEADER:
        length = int.from_bytes(raw[place + 4 : place + _HEADER], "big")
        end = place + _HEADER + length
        frames.append((raw[place], raw[place + _HEADER : end]))
        place = end
    return frames


@hookimpl
def labprov_logs(scope: Scope, node: ObservedNode) -> bytes:
    """The container's output since its last start, both streams in the order in which they were written."""
    container = pods_of_lab(scope).get(node.node, Pod()).node
    if container is None or container.is_new:
        return b""
    return logs(scope, container)


def logs(scope: Scope, container: Container) -> bytes:
    """The output of one container since its last start.

    :raises NotSupported: its log driver gives nothing back.
    """
    from docker.errors import APIError

    with translated(lab=scope.lab, node=container.label("node")):
        api = client(scope)
        said = api.inspect_container(container.id)
        try:
            raw = _read(api, container.id, since(said["State"]))
        except APIError as error:
            if _NO_LOGS not in str(error.explanation):
                raise
            raise NotSupported(
                "the engine's log driver gives nothing back",
                provider=NAME,
                remedy="Use the driver json-file, local or journald.",
            ) from error
    return raw if said["Config"]["Tty"] else b"".join(part for _, part in parted(raw))


def _read(api: Any, container: str, start: int) -> bytes:
    """The raw answer; docker-py itself takes no time finer than a float."""
    url = f"{api.base_url}/v{api.api_version}/containers/{container}/logs"
    seconds, nanoseconds = divmod(start, 1_000_000_000)
    answer = api.get(
        url,
        params={"stdout": 1, "stderr": 1, "follow": 0, "since": f"{seconds}.{nanoseconds:09}"},
        timeout=api.timeout,
    )
    raise_for(answer)
    return bytes(answer.content)


def raise_for(answer: Any) -> None:
    """Raise docker-py's own error for an answer that is none."""
    from docker.errors import create_api_error_from_http_exception
    from requests import HTTPError

    try:
        answer.raise_for_status()
    except HTTPError as error:
        create_api_error_from_http_exception(error)


def since(state: Mapping[str, Any]) -> int:
    """The moment in nanoseconds from which on what was written belongs to the last start.

    The engine notes a start when it is done, and by then the first lines may have been written. So it is some
    time before; half of the time since the run before has ended, where that is known.
    """
    started, finished = _moment(state["StartedAt"]), _moment(state["FinishedAt"])
    if not started:
        return 0
    if 0 < finished < started:
        return (started + finished) // 2
    if not finished:  # its first run
        return 0
    return max(0, started - _MARGIN)


def _moment(text: str) -> int:
    """Nanoseconds since 1970; 0 for the engine's "never"."""
    found = _TIME.fullmatch(text)
    if found is None or text.startswith(_NEVER):
        return 0
    whole, fraction, zone = found.groups()
    moment = datetime.fromisoformat(whole + zone.replace("Z", "+00:00")).astimezone(UTC)
    return int(moment.timestamp()) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


def last_lines(scope: Scope, container: Container, count: int = 3) -> str:
    """The end of its output, for a message; empty where there is none to be had."""
    try:
        said = logs(scope, container)
    except NotSupported:
        return ""
    return " / ".join(said.decode(errors="replace").split("\n")[-count - 1 :]).strip(" /\r")
