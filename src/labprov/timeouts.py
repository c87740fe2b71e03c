"""Every deadline of labprov, in one place and in seconds."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Timeouts:
    """How long labprov waits for what, in seconds."""

    lock: float = 60.0
    """For another process that works on the same lab."""

    exec: float = 60.0
    """For one command in a node."""

    ready: float = 900.0
    """For a node to become ready after its start (a network operating system boots for minutes)."""

    stop: float = 10.0
    """For a process that was asked to end gracefully; after that it is killed."""

    watch: float = 10.0
    """For a provider's watch to end once it was closed."""

    helper: float = 300.0
    """For one batch of the privileged helper process."""
