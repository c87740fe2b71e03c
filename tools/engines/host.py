"""What tests may need of the host itself, besides engines."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tools.engines.engine import ask, program

HOST_PACKAGES = ("iproute2", "frr", "openssh-server", "openssh-client", "sshpass")

ZEBRA = Path("/usr/lib/frr/zebra")


def _root() -> str | None:
    return None if os.geteuid() == 0 else "only root may do this"


def _namespaces() -> str | None:
    """Try to make namespaces, as root or with a user namespace around them."""
    if program("ip") is None:
        return "ip is not installed (Debian's package iproute2)"
    flags = ["--net", "--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net", "--mount"]
    code, said = ask("unshare", *flags, "true")
    return None if code == 0 else f"no namespaces for this user: {said}"


def _frr() -> str | None:
    """FRR's daemons set their groups, which a user namespace of one user does not allow."""
    return _root() or (None if ZEBRA.exists() else "FRR is not installed (Debian's package frr)")


FACTS: dict[str, Callable[[], str | None]] = {"root": _root, "namespaces": _namespaces, "frr": _frr}
"""Why something is not to be had on this host, by its name; None: it is."""
