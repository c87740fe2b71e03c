"""Real engines for the tests: what each needs, whether it answers, how to start and stop one of our own.

Stdlib only: ``bootstrap.py`` uses this before anything is installed, and the tests use the same words.
"""

from __future__ import annotations

from tools.engines.docker import Docker
from tools.engines.engine import Engine, EngineError
from tools.engines.host import FACTS, HOST_PACKAGES
from tools.engines.libvirt import Libvirt
from tools.engines.ovs import OpenVSwitch
from tools.engines.running import restart, running

__all__ = ["ENGINES", "PACKAGES", "Engine", "EngineError", "restart", "running", "why_not"]

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (OpenVSwitch(), Docker(), Libvirt())}
"""Every engine, in the order in which they are started."""

PACKAGES: tuple[str, ...] = tuple(
    sorted({*HOST_PACKAGES, *(package for engine in ENGINES.values() for package in engine.packages)})
)
"""Debian's and Ubuntu's packages for all of them."""


def why_not(name: str) -> str | None:
    """Say why tests that need *name* (an engine, or a fact of the host) can't run here; None: they can.

    :raises KeyError: nothing is called that.
    """
    return ENGINES[name].why_not() if name in ENGINES else FACTS[name]()
