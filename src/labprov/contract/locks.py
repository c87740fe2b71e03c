"""One test at a time on a provider, whoever runs it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote


@contextmanager
def sole_use(provider: str) -> Iterator[None]:
    """Have the provider for ourselves: no other run of this user's, and no other worker, tests it meanwhile.

    A clause may break or restart the engine, which another one would notice. Waits as long as it takes; the
    kernel gives the lock back when its holder dies.
    """
    folder = Path(tempfile.gettempdir()) / f"labprov-contract-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{quote(provider, safe='')}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
