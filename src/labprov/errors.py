"""Everything that can go wrong, as one tree.

::

    LabprovError                     exit  what it says
    ├── InvalidInput                 2     the caller asked for something that can't be
    │   ├── InvalidName              2     a name that no path or command line may be built from
    │   ├── InvalidTopology          2     a topology (or its file) that makes no sense
    │   ├── LabNotFound              2     no such lab in this workspace
    │   └── NodeNotFound             2     no such node or interface in this lab
    ├── NotSupported                 2     the provider does not do this
    ├── Unavailable                  3     an engine is needed and does not answer
    ├── Conflict                     4     something else is in the way
    │   ├── ForeignResource          4     our name, not our labels
    │   ├── OtherWorkspace           4     the lab belongs to another workspace
    │   ├── WouldReplace             4     ``keep`` was asked for, and a node would be replaced
    │   └── Busy                     4     somebody else holds the lab, the bridge or the console
    ├── TagsExhausted                1     no VLAN tag is left in the range
    ├── DocumentCorrupt              1     an allocation document or saved topology is unreadable
    ├── WorkspaceError               1     the workspace can't be read or written
    ├── NodeNotRunning               1     the node must run for this
    ├── DeadlineExceeded             1     it took longer than it may
    ├── EngineFailure                1     the engine refused or failed a request
    ├── Cancelled                    1     the caller asked to stop between two steps
    └── ProviderFault                1     a provider broke the contract of its hooks

Where many nodes fail, an :class:`ExceptionGroup` carries one of these for each.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, TypedDict, Unpack


class Where(TypedDict, total=False):
    """What every error can name, and what to do about it."""

    lab: str | None
    node: str | None
    interface: str | None
    remedy: str | None


class LabprovError(Exception):
    """The root: what happened, to which lab, node and interface, and what to do about it.

    :param message: what happened, one sentence without a full stop.
    :param lab: the lab's id, where one is concerned.
    :param node: the node's name.
    :param interface: the interface's canonical (Linux) name.
    :param remedy: what the reader can do, an imperative sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        lab: str | None = None,
        node: str | None = None,
        interface: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.lab = lab
        self.node = node
        self.interface = interface
        self.remedy = remedy

    @property
    def subject(self) -> str:
        """``lab/node:interface``, as far as it is known; empty if nothing is."""
        end = ":".join(part for part in (self.node, self.interface) if part)
        return "/".join(part for part in (self.lab, end) if part)

    def __str__(self) -> str:
        text = f"{self.subject}: {self.message}" if self.subject else self.message
        return f"{text}. {self.remedy}" if self.remedy else text


class InvalidInput(LabprovError):
    """The caller asked for something that can't be."""

    exit_code = 2


class InvalidName(InvalidInput):
    """A lab, node or interface name outside the allowed alphabet or length."""


class InvalidTopology(InvalidInput):
    """A topology that makes no sense.

    :param file: the topology file, where it came from one.
    :param line: the line in it, counted from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        **where: Unpack[Where],
    ) -> None:
        super().__init__(message, **where)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return f"{place}: {super().__str__()}" if place else super().__str__()


class LabNotFound(InvalidInput):
    """This workspace knows no such lab, and no engine holds one."""


class NodeNotFound(InvalidInput):
    """The lab has no such node, or the node no such interface."""


class NotSupported(LabprovError):
    """The provider does not do this, and says so instead of pretending.

    :param provider: the provider's name.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        **where: Unpack[Where],
    ) -> None:
        super().__init__(message, **where)
        self.provider = provider


class Unavailable(LabprovError):
    """An engine is needed and does not answer. Unknown is never taken for empty.

    :param provider: the provider whose engine it is.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        **where: Unpack[Where],
    ) -> None:
        super().__init__(message, **where)
        self.provider = provider


class Conflict(LabprovError):
    """Something that isn't ours, or isn't this lab's, is in the way."""

    exit_code = 4


class ForeignResource(Conflict):
    """A thing with the name we need and without our labels: never adopted, started or removed."""


class OtherWorkspace(Conflict):
    """The lab is deployed on this engine from another workspace."""


class WouldReplace(Conflict):
    """Nodes would have to be replaced, and the caller asked to keep them."""


class Busy(Conflict):
    """Somebody else holds the lab's lock, a shared bridge or a console.

    :param holder: who, as far as it is known ("process 4711, labprov deploy, since 12:03:04").
    """

    def __init__(
        self,
        message: str,
        *,
        holder: str | None = None,
        **where: Unpack[Where],
    ) -> None:
        super().__init__(message, **where)
        self.holder = holder


class TagsExhausted(LabprovError):
    """Every VLAN tag of the range is in use; nothing was allocated."""


class DocumentCorrupt(LabprovError):
    """A document of the workspace that can't be what labprov wrote.

    :param path: its file, where it is one.
    """

    def __init__(self, message: str, *, path: Path | None = None, **where: Unpack[Where]) -> None:
        super().__init__(message, **where)
        self.path = path


class WorkspaceError(LabprovError):
    """The workspace can't be read or written (permissions, a full disk, not a folder)."""


class NodeNotRunning(LabprovError):
    """The node has to run for this, and does not."""


class DeadlineExceeded(LabprovError):
    """An operation did not finish within its deadline, and was ended."""


class EngineFailure(LabprovError):
    """The engine refused a request or failed at it."""


class Cancelled(LabprovError):
    """The caller asked to stop; the step under way was finished and its result saved."""


class ProviderFault(LabprovError):
    """A provider broke the contract of its hooks: a bug in the provider, not in the lab."""
