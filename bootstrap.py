#!/usr/bin/env python3
"""From a bare machine to a running lab, or to a full test run. Needs Python 3.11 or newer, and pip.

::

    python3 bootstrap.py demo [--keep]              deploy examples/ring, show it, send an echo across it
    python3 bootstrap.py test [pytest arguments]    everything: engines, lint, types, packages, tests

Nothing is installed into the system's Python: a private environment is made in the folder ``.bootstrap`` of
the checkout, or in a folder of the user's where the checkout can't be written. It works where the system's
Python is externally managed, and where it lacks venv. As root on Debian or Ubuntu, ``test`` also installs the
engines' packages and runs the engines; see ``tools/engines``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tools.engines import ENGINES, PACKAGES, Engine, EngineError, running

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "src/labprov"
RING = HERE / "examples/ring/ring.clab.yml"
ECHO = "/run/echo.py"
"""Where the ring's hosts have examples/echo.py; a node's /tmp is its own, so paths there would not do."""

FAR_ADDRESSES = ("10.0.2.2", "fd00:0:0:2::2")
"""The addresses of pc2 in the ring, as seen from pc1."""

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before it starts a service; 101 means no."""

STOP_WITHIN = 60.0  # seconds for a test run to end after it was interrupted


class Failure(Exception):
    """Something that the reader has to do something about; the message says what."""


def say(text: str) -> None:
    """Tell people what happens, on standard error."""
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


def run(*command: str | Path, **variables: str) -> None:
    """Run a command that has to succeed.

    :raises Failure: it did not.
    """
    argv = [str(part) for part in command]
    done = subprocess.run(argv, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Failure(f"`{shlex.join(argv)}` ended with exit code {done.returncode}")


# ---------------------------------------------------------------------------------------------------------
# A private environment


def _candidates() -> Iterator[Path]:
    """Give the folders that may become the private one, best first."""
    yield HERE / ".bootstrap"
    given = os.environ.get("XDG_CACHE_HOME")
    yield Path(given or os.path.expanduser("~/.cache")).absolute() / "labprov-bootstrap"
    yield Path(tempfile.gettempdir()) / f"labprov-bootstrap-{os.geteuid()}"


def _usable(folder: Path) -> bool:
    """Whether *folder* is, or can become, a folder that is ours and that we can write."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    # lstat: in a temporary folder that everybody may write, a link could be somebody else's trap.
    return folder.lstat().st_uid == os.geteuid() and os.access(folder, os.W_OK)


@cache
def private_folder() -> Path:
    """Choose the folder that holds all that this program makes.

    :raises Failure: there is none that can be written.
    """
    for folder in _candidates():
        if _usable(folder):
            return folder
    raise Failure(f"no folder can be written; tried {', '.join(map(str, _candidates()))}")


def _make_environment(folder: Path) -> None:
    """Make a virtual environment; where venv is missing or broken, with virtualenv, which pip brings."""
    attempt = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, check=False)
    if attempt.returncode == 0:
        return
    say("this Python has no working venv; virtualenv does the same")
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as tools:
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", tools, "virtualenv")
        run(sys.executable, "-m", "virtualenv", "--quiet", folder, PYTHONPATH=tools)


def environment(name: str, requirements: Sequence[str | Path], stamp: str) -> Path:
    """Have a private environment with *requirements* in it; give its folder of programs.

    :param stamp: what the environment's content depends on; another stamp than last time installs anew.
    """
    folder = private_folder() / f"{name}-{sys.implementation.cache_tag}"
    noted = folder / "stamp"
    if not noted.exists() or noted.read_text() != stamp:
        say(f"making a private environment in {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        _make_environment(folder)
        run(folder / "bin/python", "-m", "pip", "install", "--quiet", *requirements)
        noted.write_text(stamp)
    return folder / "bin"


def _source_stamp() -> str:
    """Give a digest of all that the core's wheel is built from."""
    digest = hashlib.sha256(sys.version.encode())
    files = [HERE / "pyproject.toml", *(path for path in sorted(PACKAGE.rglob("*")) if path.is_file())]
    for path in files:
        if path.suffix != ".pyc":
            digest.update(f"{path.relative_to(HERE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------------------------
# The demo


def demo(arguments: Sequence[str]) -> int:
    """Deploy the example ring on the embedded provider, show it, and prove that it carries packets."""
    parser = argparse.ArgumentParser(prog="bootstrap.py demo", description=demo.__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab running at the end")
    keep: bool = parser.parse_args(arguments).keep
    if not shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        raise Failure("the example's nodes use the program `ip`: install the package iproute2")
    programs = environment("demo", [HERE], _source_stamp())
    workspace = private_folder() / "workspace"
    python = Path(sys.executable).resolve()
    words = _Words(programs / "labprov", workspace)
    try:
        words("deploy", "-t", RING)
        for address in FAR_ADDRESSES:
            words("exec", "-t", RING, "--node", "pc1", "--", python, ECHO, address, "5")
    finally:
        if not keep:
            words("destroy", "-t", RING, "-y")
    if keep:
        hints = (words.hint("inspect"), words.hint("destroy"))
        say("\n".join(("the lab is up. Look at it, and remove it, with", *hints)))
    else:
        say("the lab is gone again; `bootstrap.py demo --keep` leaves it running, and tells how to go on")
    return 0


class _Words:
    """Runs labprov's command line with one workspace, each command shown before it runs."""

    def __init__(self, program: Path, workspace: Path) -> None:
        self._program = program
        self._workspace = workspace

    def __call__(self, *words: str | Path) -> None:
        say(f"labprov {shlex.join(map(str, words))}")
        run(self._program, *words, LABPROV_WORKSPACE=str(self._workspace))

    def hint(self, word: str) -> str:
        """Give a whole line for a shell."""
        setting = f"LABPROV_WORKSPACE={shlex.quote(str(self._workspace))}"
        return f"  {setting} {shlex.quote(str(self._program))} {word} -t {shlex.quote(str(RING))}"


# ---------------------------------------------------------------------------------------------------------
# The tests


def _cannot_install() -> str | None:
    """Say why the engines' packages can't be installed here, None if they can."""
    if os.geteuid() != 0:
        return "only root installs and starts them"
    if not shutil.which("apt-get"):
        return "this is neither Debian nor Ubuntu (there is no apt-get)"
    return None


def _missing_packages() -> list[str]:
    """List those of the engines' packages that are not installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${Status}\n", *PACKAGES]
    found = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    installed = {line.split()[0] for line in found.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian from starting what it installs; the tests run engines of their own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def install_packages() -> None:
    """Install the engines' packages that are not there yet."""
    missing = _missing_packages()
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    with _no_services():
        run("apt-get", "update", "--quiet=2")
        command = ("apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends")
        run(*command, *missing, DEBIAN_FRONTEND="noninteractive")


def _engines_to_run() -> list[Engine]:
    """Give the engines that can be started here, their packages installed; say why where none can."""
    reason = _cannot_install()
    if reason is None:
        install_packages()
        return list(ENGINES.values())
    say(f"no engines: {reason}; their tests are skipped, or fail where CI=true")
    return []


def _nox_requirement() -> str:
    project = tomllib.loads((HERE / "pyproject.toml").read_text())
    wanted: list[str] = project["dependency-groups"]["dev"]
    return next(line for line in wanted if line.startswith("nox"))


def _run_nox(nox: Path, arguments: Sequence[str], reports: Path) -> int:
    """Run nox's sessions in a process group of their own; at an interrupt let them finish tidily."""
    folders = ["--noxfile", str(HERE / "noxfile.py"), "--envdir", str(private_folder() / "nox")]
    command = [str(nox), *folders, *arguments]
    variables = {**os.environ, "LABPROV_REPORTS": str(reports)}
    process = subprocess.Popen(command, cwd=HERE, env=variables, stdin=subprocess.DEVNULL, process_group=0)
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise


def _summary(reports: Path) -> str:
    """Add up the reports of all interpreters, in pytest's own words."""
    total = failed = skipped = 0
    for report in sorted(reports.glob("*.xml")):
        for suite in ElementTree.parse(report).iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0))
    return f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped"


def test(arguments: Sequence[str]) -> int:
    """Run everything on engines of our own; with arguments for pytest, the tests alone."""
    nox = environment("test", [_nox_requirement()], f"{sys.version} {_nox_requirement()}") / "nox"
    chosen = ["--session", "tests", "--", *arguments] if arguments else []
    with tempfile.TemporaryDirectory(prefix="labprov-reports-") as folder:
        with running(_engines_to_run()):
            code = _run_nox(nox, chosen, Path(folder))
        print(f"\nAll interpreters together:\n{_summary(Path(folder))}", flush=True)
    return code


# ---------------------------------------------------------------------------------------------------------


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Make of a TERM what Ctrl-C is: the way out through every finally."""
    raise KeyboardInterrupt


def main() -> int:
    """Do what the first argument says; give the exit code."""
    commands = {"demo": demo, "test": test}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    folder = private_folder()
    if not os.access(Path("~").expanduser(), os.W_OK):
        os.environ["HOME"] = str(folder)  # pip, virtualenv and others keep caches there
    say(f"Python {sys.version.split()[0]}, user id {os.geteuid()}, files in {folder}")
    try:
        return commands[sys.argv[1]](sys.argv[2:])
    except (Failure, EngineError) as error:
        say(f"{error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was started has been ended")
        return 130


if __name__ == "__main__":
    sys.exit(main())
