"""What came of an operation, and what a lab looks like, as frozen values."""

from __future__ import annotations

from attrs import field, frozen

from labprov.engine import NodeState, Result
from labprov.errors import LabprovError
from labprov.model import Endpoint


@frozen(kw_only=True)
class InterfaceStatus:
    """One data interface, as it is.

    :param vlan: the tag it really carries; None where it carries none.
    :param peer: the other end as the topology has it (``host:x``, a bridge node's port included); None
        without a link.
    """

    name: str
    mac: str | None
    vlan: int | None
    peer: Endpoint | None
    up: bool = True


@frozen(kw_only=True)
class NodeStatus:
    """One node, as it is; ``state`` is absent for one that is wanted and not there."""

    lab: str
    node: str
    kind: str
    provider: str
    state: NodeState
    runtime_name: str
    management_address: str | None = None
    interfaces: tuple[InterfaceStatus, ...] = ()


@frozen(kw_only=True)
class CommandOutcome:
    """How one ``exec`` line of a node ended; ``error`` is set where it could not be run at all."""

    node: str
    command: str
    result: Result | None = None
    error: LabprovError | None = None

    @property
    def failed(self) -> bool:
        """Whether it did not run, or ended with another exit code than 0."""
        return self.result is None or self.result.exit_code != 0


@frozen(kw_only=True)
class Report:
    """What an operation did. Nodes are named in the order in which they stand in the topology.

    :param recovered: how many allocations of before were kept.
    :param allocated: how many tags were issued.
    :param dropped: the endpoints whose allocations were dropped.
    :param failures: one error for each thing that could not be done.
    """

    lab: str
    operation: str
    created: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    plugged: tuple[Endpoint, ...] = ()
    unplugged: tuple[Endpoint, ...] = ()
    recovered: int = 0
    allocated: int = 0
    dropped: tuple[Endpoint, ...] = ()
    commands: tuple[CommandOutcome, ...] = ()
    warnings: tuple[str, ...] = ()
    failures: tuple[LabprovError, ...] = field(default=(), eq=False)

    @property
    def changed(self) -> bool:
        """Whether any engine was written to."""
        return bool(
            self.created
            or self.replaced
            or self.started
            or self.stopped
            or self.removed
            or self.plugged
            or self.unplugged
        )

    @property
    def ok(self) -> bool:
        """Whether everything was done and every command ended with 0."""
        return not self.failures and not any(outcome.failed for outcome in self.commands)

    def raise_failures(self) -> None:
        """Raise what failed: the error itself where it is one, else a group of them all."""
        if len(self.failures) == 1:
            raise self.failures[0]
        if self.failures:
            raise ExceptionGroup(f"{self.operation} of {self.lab} failed in part", list(self.failures))
