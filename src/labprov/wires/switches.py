"""Why an unprivileged user may have no namespaces, and who may change it. Standard library only."""

from __future__ import annotations

import contextlib

from labprov.errors import Unavailable

SWITCHES = (
    ("user.max_user_namespaces", "0", "10000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)
"""Kernel settings that forbid user namespaces at the first value, and a value that allows them.

The second is Debian's own, the third Ubuntu's (from 23.10; on by default from 24.04).
"""


def denied(reason: str, folder: str = "/proc/sys") -> Unavailable:
    """The error for a user who may have no namespaces, naming the switch that says so.

    :param reason: what the kernel answered, for where no known switch is the cause.
    :param folder: where the settings are read.
    """
    for name, value, cure in SWITCHES:
        with contextlib.suppress(OSError), open(f"{folder}/{name.replace('.', '/')}") as file:
            if file.read().strip() == value:
                return Unavailable(
                    f"unprivileged user namespaces are forbidden here ({name} = {value})",
                    provider="netns",
                    remedy=f"Allow them (sysctl -w {name}={cure}, as root),"
                    " or run labprov as root, which works without.",
                )
    return Unavailable(
        f"unprivileged user namespaces don't work here: {reason}",
        provider="netns",
        remedy="Run labprov as root, which works without them; in a container its seccomp profile may"
        " be what forbids them.",
    )
