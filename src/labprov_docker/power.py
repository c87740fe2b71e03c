"""Single containers: started, ended, removed."""

from __future__ import annotations

import math

from labprov.engine import Scope
from labprov_docker.client import client
from labprov_docker.translation import translated

_GOING = "already in progress"


def start_container(scope: Scope, container: str, node: str | None = None) -> None:
    """Start a container; one that runs is left alone.

    :param container: its id.
    :param node: named in errors.
    """
    with translated(lab=scope.lab, node=node):
        client(scope).start(container)


def remove_container(scope: Scope, container: str, node: str | None = None) -> None:
    """Remove a container with its anonymous volumes, running or not; one that is gone is no error.

    :param container: its id.
    :param node: named in errors.
    """
    from docker.errors import APIError, NotFound

    with translated(lab=scope.lab, node=node):
        try:
            client(scope).remove_container(container, v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            if _GOING not in str(error.explanation):
                raise
            _wait(scope, container, "removed")


def end_container(scope: Scope, container: str, grace: float, node: str | None = None) -> None:
    """End a container's process, in whatever state it is; it does not come back by itself.

    :param grace: seconds between asking and killing; 0 kills at once.
    """
    from docker.errors import APIError, NotFound

    with translated(lab=scope.lab, node=node):
        try:
            if grace > 0:
                client(scope).stop(container, timeout=math.ceil(grace))
            else:
                client(scope).kill(container)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # it does not run any more
                raise
        _wait(scope, container, "not-running")


def _wait(scope: Scope, container: str, condition: str) -> None:
    from docker.errors import NotFound

    try:
        client(scope).wait(container, condition=condition)
    except NotFound:
        return
