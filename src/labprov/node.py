"""The handle of one node of a live lab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labprov.engine import NodeState, Result
from labprov.report import InterfaceStatus, NodeStatus, Report

if TYPE_CHECKING:
    from labprov.lab import Lab


class NodeHandle:
    """One node of a live lab."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        self.name = name

    @property
    def status(self) -> NodeStatus:
        """The node as it is now."""
        return next(status for status in self._lab.inspect() if status.node == self.name)

    @property
    def state(self) -> NodeState:
        """What it is doing now."""
        return self.status.state

    @property
    def interfaces(self) -> tuple[InterfaceStatus, ...]:
        """Its data interfaces as they are now."""
        return self.status.interfaces

    def exec(self, command: Sequence[str], *, timeout: float | None = None) -> Result:
        """Run *command* in it; see :meth:`Lab.exec`."""
        return self._lab.exec(self.name, command, timeout=timeout)

    def logs(self) -> bytes:
        """Its output since power-on."""
        return self._lab.logs(self.name)

    def start(self) -> Report:
        """Start it."""
        return self._lab.start([self.name])

    def stop(self, *, graceful: bool = False) -> Report:
        """Stop it."""
        return self._lab.stop([self.name], graceful=graceful)

    def restart(self, *, graceful: bool = False) -> Report:
        """Stop and start it."""
        return self._lab.restart([self.name], graceful=graceful)
