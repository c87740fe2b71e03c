"""Docker's errors in labprov's words: the one place where they are translated."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from labprov.errors import (
    Conflict,
    DeadlineExceeded,
    EngineFailure,
    ForeignResource,
    InvalidInput,
    LabprovError,
    NodeNotFound,
    Unavailable,
)
from labprov_docker.address import NAME

_NAME_TAKEN = re.compile(r'(?i)name "?/?([^" ]+)"? is already in use')
_PORT_TAKEN = re.compile(r"(?i)port is already allocated|address already in use")
_POOL_TAKEN = re.compile(r"(?i)pool overlaps|conflicts with network")
_NETWORK_TAKEN = re.compile(r"(?i)network with name .* already exists")
_DISK_FULL = re.compile(r"(?i)no space left on device|disk quota exceeded")
NOT_REACHED = "See that the daemon runs (`docker info`), and that this user may use it."


@contextmanager
def translated(*, lab: str | None = None, node: str | None = None) -> Iterator[None]:
    """Raise what docker-py raises within as a labprov error that names *lab* and *node*."""
    try:
        yield
    except LabprovError as error:
        error.lab = error.lab or lab
        error.node = error.node or node
        raise
    except Exception as error:
        found = typed(error)
        if found is None:
            raise
        found.lab, found.node = lab, node
        raise found from error


def typed(error: Exception) -> LabprovError | None:
    """What *error* is in labprov's words; None if it is none of Docker's."""
    import docker.errors  # half a second: only who has met an error of the library's comes here
    import requests
    import urllib3

    if isinstance(error, docker.errors.APIError):
        return _refused(error.status_code, str(error.explanation or error))
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return _slow(error)
    network = (docker.errors.DockerException, requests.exceptions.RequestException)
    if isinstance(error, (*network, urllib3.exceptions.HTTPError, OSError)):
        return unreachable(error)
    return None


def _slow(error: Exception) -> LabprovError:
    return Unavailable(
        f"the Docker engine did not answer in time: {error}",
        provider=NAME,
        remedy="See the daemon's log; it may be overloaded, or hang.",
    )


def unreachable(error: BaseException) -> Unavailable:
    """The engine can't be asked."""
    cause = _root(error)
    if isinstance(cause, OSError) and cause.errno in (errno.EACCES, errno.EPERM):
        return Unavailable(
            "this user may not ask the Docker engine",
            provider=NAME,
            remedy="Run labprov as root, or join the group docker (and log in again).",
        )
    return Unavailable(f"the Docker engine does not answer: {cause}", provider=NAME, remedy=NOT_REACHED)


def _root(error: BaseException) -> BaseException:
    """The system's own error at the bottom of the libraries' wrappers, if there is one."""
    seen: list[BaseException] = []
    todo: list[BaseException] = [error]
    while todo:
        item = todo.pop()
        if item in seen:
            continue
        seen.append(item)
        if isinstance(item, OSError) and item.errno is not None:
            return item
        below = (item.__cause__, item.__context__, getattr(item, "reason", None), *item.args)
        todo.extend(one for one in below if isinstance(one, BaseException))
    return error


def _refused(status: int | None, text: str) -> LabprovError:
    """What an answer of the engine means."""
    text = text.strip().rstrip(".")
    if found := _NAME_TAKEN.search(text):
        return ForeignResource(
            f"the name {found[1]} is taken by a container that is not labprov's",
            remedy=f"Rename or remove it (docker rm {found[1]}), or use another lab name or prefix.",
        )
    if _PORT_TAKEN.search(text):
        return Conflict(f"a port is taken already: {text}", remedy="Publish another port of the host.")
    if _POOL_TAKEN.search(text):
        return Conflict(
            f"the management network can't be made: {text}",
            remedy="Choose another mgmt ipv4-subnet, or remove the network that has it (docker network ls).",
        )
    if _NETWORK_TAKEN.search(text):
        return Conflict(f"{text}, and is not the lab's", remedy="Give the lab's mgmt another network name.")
    if _DISK_FULL.search(text):
        return EngineFailure(
            f"the engine's disk is full: {text}", remedy="Make room (docker system df, docker system prune)."
        )
    if status == 404 and "container" in text.lower():
        return NodeNotFound(f"it is not there any more: {text}", remedy="Deploy the lab again.")
    if status == 400:
        return InvalidInput(f"the engine refuses it: {text}", remedy="Correct the node's definition.")
    if status in (408, 504):
        return DeadlineExceeded(f"the engine gave up: {text}")
    return EngineFailure(f"the engine failed: {text}", remedy="See the engine's log.")
