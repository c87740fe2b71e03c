"""What all tests share: a workspace of their own, and the mark ``engine`` for what a machine must offer."""

from __future__ import annotations

import os
import signal
from functools import cache
from pathlib import Path

import pytest

from tools import engines

REMEDY = "`python3 bootstrap.py test`, as root on Debian or Ubuntu, installs and starts all that tests need"

_why_not = cache(engines.why_not)  # asked once in a run; an engine that dies later is a failure


def pytest_configure() -> None:
    """Hear Ctrl-C, so that the tests' programs do: a shell keeps it from what it runs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose engine is not here, with the reason; in CI nothing may be skipped for that."""
    for mark in item.iter_markers("engine"):
        for name in mark.args:
            reason = _why_not(name)
            if reason is None:
                continue
            if os.environ.get("CI") == "true":
                pytest.fail(f"{name} is not to be had, and CI=true: {reason}", pytrace=False)
            pytest.skip(f"{name}: {reason}; {REMEDY}")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Give a folder for a workspace; it does not exist yet."""
    return tmp_path / "workspace"
