"""The machine that a lab runs on.

Everything that touches a machine (an engine's socket, the privileged helper, a command) is reached through
one :class:`Host` that is passed in, never through a module's globals. Today there is only the local one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

T = TypeVar("T")
_DEVICES = Path("/sys/class/net")


class Host:
    """One machine, and the connections opened to it during one operation.

    :param name: what messages call it.
    :param options: how to reach its engines, by the provider's own words (``docker_url``, ``libvirt_uri``,
        ``ovsdb``); a provider takes its engine's usual default for what is not given.

    A host is a context manager: every connection made through it is closed at its end, in reverse order.
    """

    def __init__(self, name: str = "local", options: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.options: Mapping[str, str] = dict(options or {})
        self._connections: dict[str, Any] = {}
        self._stack = ExitStack()
        self._lock = threading.RLock()

    def connection(self, key: str, opener: Callable[[], AbstractContextManager[T]]) -> T:
        """Give the connection called *key*, opening it at the first call.

        :param key: a name unique to the caller (``"netns-helper"``, ``"docker"``).
        :param opener: makes the connection as a context manager; entered once, left when the host closes.
        :returns: what entering gave.
        :raises Exception: whatever opening raises; the next call tries again.
        """
        with self._lock:
            if key not in self._connections:
                self._connections[key] = self._stack.enter_context(opener())
            return cast(T, self._connections[key])

    def interfaces(self) -> frozenset[str]:
        """The names of the network interfaces in the host's own (this process's) network namespace."""
        return frozenset(path.name for path in _DEVICES.iterdir())

    def bridges(self) -> frozenset[str]:
        """Those of them that are Linux bridges."""
        return frozenset(path.name for path in _DEVICES.iterdir() if (path / "bridge").is_dir())

    def close(self) -> None:
        """Close every connection. A later :meth:`connection` opens anew."""
        with self._lock:
            self._connections.clear()
            self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
