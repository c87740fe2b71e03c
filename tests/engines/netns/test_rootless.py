"""The same tests as an unprivileged user, and what is special about one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from labprov import netns
from labprov.engine import NodeState, Observed
from labprov.host import Host
from labprov.wires.switches import SWITCHES, denied
from tests.engines.netns.rig import Lab, processes, until

NOBODY = 65534
PACKAGES = (
    "attr",
    "attrs",
    "pluggy",
    "pytest",
    "_pytest",
    "iniconfig",
    "packaging",
    "pygments",
    "py",
    "labprov",
)


@pytest.mark.root
def test_everything_as_another_user(tmp_path: Path) -> None:
    """Every test of this folder that needs no root passes as a plain user without subordinate ids.

    The user may not be able to read the checkout or the interpreter in use, so it gets copies of what is
    imported, and the first interpreter that it may run.
    """
    base = Path("/var/tmp") / f"lpt-{os.getpid()}"
    base.mkdir(mode=0o755)
    try:
        _copy(base)
        run = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *_pytest(base)],
            env={"PATH": os.environ["PATH"], "HOME": str(base / "home"), "PYTHONPATH": str(base / "site")},
            cwd=base / "home",
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(base)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout


def _copy(base: Path) -> None:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        if origin.name == "__init__.py":
            _tree(origin.parent, base / "site" / name)
        else:
            shutil.copy(origin, base / "site" / origin.name)
    _tree(Path(__file__).parent, base / "site" / "tests" / "engines" / "netns")
    (base / "home").mkdir()
    os.chown(base / "home", NOBODY, NOBODY)


def _tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def _pytest(base: Path) -> list[str]:
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--basetemp={base}/home/tmp"]
    return [_interpreter(), "-B", "-m", "pytest", *options, f"--rootdir={base}/site", f"{base}/site/tests"]


def _interpreter() -> str:
    """The first interpreter that the user may run and that is new enough."""
    tried = [sys.executable, *(shutil.which(name, path="/usr/bin:/usr/local/bin") for name in ("python3",))]
    for path in filter(None, tried):
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", path, "-c"]
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        if subprocess.run([*command, check], capture_output=True, check=False).returncode == 0:
            return path
    pytest.fail(f"none of {tried} can be run by another user")


@pytest.mark.rootless
def test_holder_lives_as_long_as_the_labs(lab: Lab) -> None:
    """One holder carries all labs of a workspace; it comes with the first and goes with the last."""
    lab.up("r1")
    (holder,) = _holders(lab)
    other = Lab(lab.workspace, lab.name + "b", lab.workspace_id)
    with other.host:
        other.up("r1")
        assert _holders(lab) == {holder}
        lab.destroy()
        assert _holders(lab) == {holder}
        assert other.node("r1").state is NodeState.RUNNING
        other.destroy()
    assert _holders(lab) == set()
    lab.up("r1")
    assert lab.node("r1").state is NodeState.RUNNING


def _holders(lab: Lab) -> set[int]:
    mark = f"LABPROV_HOLDER={lab.workspace_id}".encode()
    return {
        pid
        for pid in processes(lab.workspace_id)
        if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    }


@pytest.mark.rootless
def test_holder_killed(lab: Lab) -> None:
    """When the holder is killed nothing of the lab can be found any more; the next deploy makes it anew."""
    lab.up("r1")
    (holder,) = _holders(lab)
    process = lab.node("r1").process
    assert process is not None
    for pid in (holder, process):
        os.kill(pid, 9)
        until(partial(_ended, pid))
    assert lab.observe() == Observed()
    lab.up("r1")
    assert lab.node("r1").state is NodeState.RUNNING


def _ended(pid: int) -> bool:
    """Whether it is gone, or only waits for somebody to take notice."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_available() -> None:
    """The provider says that it can work here, and for what kernel it speaks."""
    with Host() as host:
        info = netns.labprov_provider_info(host)
        assert (info.available, info.name, info.engine_version) == (True, "netns", os.uname().release)
        assert not [problem for problem in netns.labprov_check(host) if problem.serious]


@pytest.mark.parametrize(("name", "value", "cure"), SWITCHES)
def test_denial_names_the_switch(tmp_path: Path, name: str, value: str, cure: str) -> None:
    """Where user namespaces are forbidden the error names that switch, its cure, and root."""
    file = tmp_path / name.replace(".", "/")
    file.parent.mkdir()
    file.write_text(value + "\n")
    error = denied("Operation not permitted", str(tmp_path))
    assert f"{name} = {value}" in error.message
    assert f"sysctl -w {name}={cure}" in str(error)
    assert "as root" in str(error)
    file.write_text(cure + "\n")
    assert "Operation not permitted" in denied("Operation not permitted", str(tmp_path)).message
