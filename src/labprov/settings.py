"""What the caller of labprov chooses, in one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen, validators

from labprov.allocation import HIGHEST_TAG, LOWEST_TAG
from labprov.errors import InvalidInput
from labprov.identity import checked_prefix
from labprov.model import INTERFACE
from labprov.timeouts import Timeouts
from labprov.workspace import default_workspace

DEFAULT_PREFIX = "labprov"


def _check_prefix(prefix: str) -> None:
    checked_prefix(prefix)


def _check_bridge(bridge: str) -> None:
    if not INTERFACE.fullmatch(bridge):
        raise InvalidInput(
            f"{bridge!r} is no name for a bridge", remedy="Use up to 15 letters, digits or '-'."
        )


def _checked_range(value: tuple[int, int]) -> tuple[int, int]:
    low, high = value
    if not LOWEST_TAG <= low <= high <= HIGHEST_TAG:
        raise InvalidInput(
            f"the VLAN range {low}-{high} is not one",
            remedy=f"Give two numbers between {LOWEST_TAG} and {HIGHEST_TAG}, the lower first.",
        )
    return (low, high)


@frozen(kw_only=True)
class Settings:
    """How labprov works, for one caller.

    :param workspace: the folder that holds all documents.
    :param prefix: what runtime names begin with, where the topology's file does not say; None: as the lab
        was deployed, ``labprov`` for a new one.
    :param vlan_range: the lowest and the highest tag that may be issued.
    :param bridge: an Open vSwitch bridge to share with other labs; None: one of each lab's own.
    :param provider: for nodes that name none.
    :param host_options: how to reach engines (see :class:`labprov.Host`).
    """

    workspace: Path = field(factory=default_workspace, converter=Path)
    prefix: str | None = field(
        default=None, validator=validators.optional(lambda *item: _check_prefix(item[2]))
    )
    vlan_range: tuple[int, int] = field(default=(100, HIGHEST_TAG), converter=_checked_range)
    bridge: str | None = field(
        default=None, validator=validators.optional(lambda *item: _check_bridge(item[2]))
    )
    provider: str | None = None
    timeouts: Timeouts = field(factory=Timeouts)
    host_options: Mapping[str, str] = field(factory=dict)
