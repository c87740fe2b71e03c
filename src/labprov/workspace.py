"""The workspace: folders, atomic files, locks."""

from __future__ import annotations

import os
from pathlib import Path


def default_workspace() -> Path:
    """``$LABPROV_WORKSPACE``, else ``/var/lib/labprov`` for root, else the user's XDG state folder."""
    given = os.environ.get("LABPROV_WORKSPACE")
    if given:
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/labprov")
    from platformdirs import user_state_path

    return user_state_path("labprov")
