"""The manual for authors of providers is in step with the contract, and what it shows works."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from labprov import engine, hookspecs
from labprov.harness import Harness

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("labprov_")}

AS_OBJECT = """

class Toy:
    pass


me = Toy()
vars(me).update({name: value for name, value in globals().items() if name.startswith("labprov_")})
"""
"""An engine in memory is no engine for two processes; a module would be asked to be one."""


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module that all of the manual's Python makes."""
    path = tmp_path / "toy.py"
    path.write_text("\n\n".join(_blocks("python")))
    spec = importlib.util.spec_from_file_location("toy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "toy", module)
    spec.loader.exec_module(module)
    return module


def test_every_hook_has_a_heading_with_its_exact_arguments() -> None:
    """No hook is missing, none is invented, and arguments stand in the order of the specification."""
    told = re.findall(r"^### `(labprov_\w+)\((.*)\)`$", MANUAL, re.MULTILINE)
    specified = {name: ", ".join(inspect.signature(hook).parameters) for name, hook in HOOKS.items()}
    assert sorted(name for name, _ in told) == sorted(specified)
    assert dict(told) == specified


def test_no_other_hook_is_spoken_of() -> None:
    """A hook's name in the text is one that there is."""
    spoken = set(re.findall(r"`(labprov_[a-z_]+)", MANUAL)) - {"labprov_template"}
    assert spoken - {"labprov_provider"} <= HOOKS.keys()


def test_every_method_of_the_harness_is_in_the_table() -> None:
    """With its exact arguments."""
    section = MANUAL.partition("### `labprov_harness(scope)`")[2].partition("```")[0]
    told = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", section, re.MULTILINE))
    methods = {name: value for name, value in vars(Harness).items() if not name.startswith("_")}
    arguments = {name: ", ".join([*inspect.signature(f).parameters][1:]) for name, f in methods.items()}
    assert told == arguments


@pytest.mark.parametrize("words", [engine.Capability, engine.Join])
def test_every_word_that_a_provider_may_claim_is_explained(
    words: type[engine.Capability] | type[engine.Join],
) -> None:
    """Each capability and each join has a row."""
    rows = set(re.findall(r"^\| `(\w+)` \|", MANUAL, re.MULTILINE))
    assert {str(word) for word in words} <= rows


@pytest.mark.parametrize("kind", [engine.Scope, engine.NodeSpec, engine.Port])
def test_every_field_of_what_a_provider_is_told_is_explained(kind: type) -> None:
    """Each attribute has a row in its table."""
    table = MANUAL.partition(f"| `{kind.__name__}` |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(kind.__annotations__)


@pytest.mark.parametrize("far", engine.Far.__args__)
def test_every_far_is_explained(far: type) -> None:
    """With the arguments it is made of."""
    assert f"| `{far.__name__}({', '.join(inspect.signature(far).parameters)})` |" in MANUAL


def test_every_option_of_the_suite_is_explained() -> None:
    """No option is missing, none is invented."""
    options = (ROOT / "src/labprov/contract/options.py").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(--labprov-\w+)` \|", MANUAL, re.MULTILINE))
    assert told == set(re.findall(r'"(--labprov-\w+)"', options))


def test_the_manual_s_provider_does_what_the_manual_shows(toy: ModuleType, tmp_path: Path) -> None:
    """What is run prints what stands there."""
    (script,), (shown,) = _blocks("python run"), _blocks("text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(script, {**vars(toy), "workspace": tmp_path / "workspace"})
    assert printed.getvalue() == shown
    assert toy.HEARD == ["r1", "r2", "r3", "r2"]


def test_the_manual_s_provider_keeps_the_contract(tmp_path: Path, toy: ModuleType) -> None:
    """As far as it claims, which is little."""
    command = [sys.executable, "-m", "pytest", "-p", "labprov.contract", "--labprov-provider=toy:me", "-q"]
    options = ["-p", "no:cacheprovider", "--labprov-examples=10", f"--basetemp={tmp_path / 'base'}"]
    with (tmp_path / "toy.py").open("a") as file:
        file.write(AS_OBJECT)
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "conformant: core" in done.stdout, done.stdout[-3000:]
    assert done.returncode == 0
