"""Running pytest as an unprivileged user without subordinate ids, out of reach of the checkout.

The user may not be able to read the checkout or the interpreter in use, so it gets copies of what is
imported, and the first interpreter that it may run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

NOBODY = 65534
DROP = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
PACKAGES = [
    "attr",
    "attrs",
    "cattr",
    "cattrs",
    "hypothesis",
    "iniconfig",
    "_hypothesis_globals",
    "labprov",
    "packaging",
    "pluggy",
    "py",
    "pygments",
    "pytest",
    "_pytest",
    "sortedcontainers",
    "typing_extensions",
    "yaml",
]
DISTRIBUTIONS = ("labprov", "pytest")
"""Those that say which version they are, and what entry points they have."""


@contextmanager
def copies() -> Iterator[Path]:
    """A folder with ``site``, which holds all that is imported, and ``home``, which is the user's."""
    base = Path("/var/tmp") / f"lpt-{os.getpid()}"
    base.mkdir(mode=0o755)
    try:
        for name in PACKAGES:
            _copy(name, base / "site")
        for name in DISTRIBUTIONS:
            _describe(distribution(name), base / "site")
        tree(Path(__file__).parent, base / "site" / "tests" / "engines" / "netns")
        (base / "home").mkdir()
        os.chown(base / "home", NOBODY, NOBODY)
        yield base
    finally:
        shutil.rmtree(base)


def _copy(name: str, site: Path) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"{name} is not installed"
    assert spec.origin is not None
    origin = Path(spec.origin)
    if origin.name == "__init__.py":
        tree(origin.parent, site / name)
    else:
        shutil.copy(origin, site / origin.name)


def _describe(package: Distribution, site: Path) -> None:
    folder = site / f"{package.name}-{package.version}.dist-info"
    folder.mkdir()
    for file in ("METADATA", "entry_points.txt"):
        (folder / file).write_text(package.read_text(file) or "")


def tree(source: Path, target: Path) -> None:
    """Copy a folder of sources."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def pytest_as_nobody(base: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the user's home."""
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--basetemp={base}/home/tmp"]
    return subprocess.run(
        [*DROP, interpreter(), "-B", "-m", "pytest", *options, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(base / "home"), "PYTHONPATH": str(base / "site")},
        cwd=base / "home",
        capture_output=True,
        text=True,
        check=False,
    )


def interpreter() -> str:
    """The first interpreter that the user may run and that is new enough."""
    tried: Sequence[str | None] = [sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")]
    for path in filter(None, tried):
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        if (
            subprocess.run([*DROP, "env", path, "-c", check], capture_output=True, check=False).returncode
            == 0
        ):
            return path
    pytest.fail(f"none of {tried} can be run by another user")
