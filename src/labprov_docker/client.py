"""The one place that opens the engine: docker-py's low-level client, and work done side by side."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from labprov.engine import Scope
from labprov.errors import Unavailable
from labprov.host import Host
from labprov.parallel import AT_ONCE
from labprov_docker.address import NAME, Address, address
from labprov_docker.translation import translated

if TYPE_CHECKING:
    from docker import APIClient

CONNECT_WITHIN = 5  # seconds, for the first answer
ANSWER_WITHIN = 120  # seconds of silence; a daemon that is busy with many containers takes its time
POOLS = 100  # docker-py keeps a pool for each path; one that is closed to make room must not be in use
NO_LIBRARY = "pip install labprov-docker brings it: pip install 'docker>=7.1'."


def client(scope: Scope) -> APIClient:
    """The client of this operation, opened at its first use.

    :raises Unavailable: the library is missing, or the engine does not answer.
    """
    return open_client(scope.host)


def open_client(host: Host) -> APIClient:
    """As :func:`client`, where no lab is meant."""
    return host.connection(NAME, lambda: _opened(address(host)))


@contextmanager
def _opened(where: Address) -> Iterator[APIClient]:
    try:
        import docker  # half a second: only who asks the engine pays it
    except ImportError as error:
        raise Unavailable(
            f"the Python library docker can't be imported: {error}", provider=NAME, remedy=NO_LIBRARY
        ) from error
    with translated():
        _knock(where)
        api = docker.APIClient(
            **_connection(where),
            version="auto",
            timeout=CONNECT_WITHIN,
            num_pools=POOLS,
            max_pool_size=2 * AT_ONCE,
        )
        api.timeout = ANSWER_WITHIN
    with closing(api):
        yield api


def _knock(where: Address) -> None:
    """See that somebody listens at a Unix socket: docker-py leaves its own open where nobody does.

    :raises OSError: nobody does, or this user may not ask.
    """
    if where.socket is not None:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(CONNECT_WITHIN)
            probe.connect(where.socket)


def _connection(where: Address) -> dict[str, Any]:
    """URL and TLS as docker's own command line takes them."""
    if where.context:
        from docker.context import ContextAPI

        context = ContextAPI.get_context(where.context)
        return {"base_url": where.url, "tls": (context and context.TLSConfig) or False}
    from docker.utils import kwargs_from_env

    found: dict[str, Any] = kwargs_from_env(environment={**os.environ, "DOCKER_HOST": where.url})
    return {"base_url": where.url, **found}
