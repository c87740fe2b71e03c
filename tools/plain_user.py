"""Run a module as a user without any rights: ``python -m tools.plain_user PACKAGES RESULTS MODULE …``.

As root only. *PACKAGES* is a folder with what the module imports, as ``pip install --target`` fills it; it is
copied to where that user can read it, since the checkout and the interpreter may be root's alone. The module
runs in an empty home folder; what it leaves in ``out`` there is copied to the folder *RESULTS*.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


def interpreter() -> str:
    """Find the first interpreter that the user may run and that is new enough.

    :raises FileNotFoundError: there is none.
    """
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    tried = [sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")]
    for path in filter(None, tried):
        if subprocess.run(
            [*AS_NOBODY, "env", path, "-c", check], capture_output=True, check=False
        ).returncode:
            continue
        return path
    raise FileNotFoundError(f"none of {tried} can be run by another user")


def run(packages: Path, results: Path, module: str, arguments: Sequence[str]) -> int:
    """Run *module*; give its exit code. Nothing is left but the results."""
    # Not /tmp: a path from there would not do in a node, whose /tmp is its own.
    base = Path(tempfile.mkdtemp(prefix="lpu-", dir="/var/tmp"))
    try:
        base.chmod(0o755)
        shutil.copytree(packages, base / "site", ignore=shutil.ignore_patterns("__pycache__"))
        home = base / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        variables = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(base / "site")}
        command = [*AS_NOBODY, interpreter(), "-B", "-m", module, *arguments]
        code = subprocess.run(command, cwd=home, env=variables, check=False).returncode
        if (home / "out").exists():
            shutil.copytree(home / "out", results, dirs_exist_ok=True)
        return code
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]))
