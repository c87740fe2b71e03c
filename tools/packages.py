"""Build the three distributions, look into them, and use them in a clean environment.

The provider to copy in ``examples/provider-template`` is installed beside them there, and keeps the contract.

Run as ``python -m tools.packages FOLDER`` from the checkout's top; the tools ``build``, ``hatchling`` and
``virtualenv`` must be installed. Everything is made in FOLDER.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = {
    "labprov": ROOT,
    "labprov_docker": ROOT / "src/labprov_docker",
    "labprov_libvirt": ROOT / "src/labprov_libvirt",
}
"""The package of each distribution, and the folder of its pyproject.toml."""

TEMPLATE = ROOT / "examples/provider-template"

DATA_SUFFIXES = {".py", ".typed", ".yml"}
"""What may be in a wheel, besides its metadata."""

PROBE = """
import json
from importlib.metadata import entry_points
found = sorted(entry_points(group="labprov"), key=lambda entry: entry.name)
print(json.dumps({entry.name: entry.load().__file__ for entry in found}))
"""


class Wrong(Exception):
    """A distribution is not as it should be."""


def python(
    *arguments: str | Path, interpreter: str | Path = sys.executable, cwd: Path = ROOT, **variables: str
) -> str:
    """Run Python and give what it printed.

    :param variables: added to the environment.
    :raises Wrong: it failed.
    """
    command = [str(interpreter), *map(str, arguments)]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(source: Path, target: Path) -> tuple[Path, Path]:
    """Build an sdist, a wheel from it and one from the tree; they must be the same, byte for byte."""
    direct = target / "direct"
    python("-m", "build", "--no-isolation", "--outdir", target, source)
    python("-m", "build", "--no-isolation", "--wheel", "--outdir", direct, source)
    (wheel,) = target.glob("*.whl")
    if wheel.read_bytes() != (direct / wheel.name).read_bytes():
        raise Wrong(f"{wheel.name} built from the sdist is not the one built from the tree")
    (sdist,) = target.glob("*.tar.gz")
    return sdist, wheel


def tracked(folder: Path) -> set[str]:
    """List the files of a package that a wheel has to hold, relative to it."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix in DATA_SUFFIXES and "__pycache__" not in path.parts
    }


def check_wheel(package: str, wheel: Path) -> None:
    """Compare what a wheel holds with the package's files in the tree."""
    names = zipfile.ZipFile(wheel).namelist()
    held = {name.removeprefix(f"{package}/") for name in names if ".dist-info/" not in name}
    wanted = tracked(ROOT / "src" / package)
    if held != wanted:
        raise Wrong(f"{wheel.name}: stray {sorted(held - wanted)}, missing {sorted(wanted - held)}")
    if "py.typed" not in held:
        raise Wrong(f"{wheel.name} does not say that it is typed")


def check_sdist(package: str, sdist: Path) -> None:
    """See that an sdist holds the package, its metadata and nothing left over by tools."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    names.discard(".gitignore")  # hatchling always takes it along
    stray = sorted(name for name in names if "__pycache__" in name or "/." in f"/{name}")
    if stray or "pyproject.toml" not in names:
        raise Wrong(f"{sdist.name}: stray {stray}, pyproject.toml {'pyproject.toml' in names}")


def check_installed(wheels: list[Path], folder: Path) -> None:
    """Install the wheels in a clean environment and load every provider from there."""
    python("-m", "virtualenv", "--quiet", folder)
    inside = folder / "bin/python"
    python("-m", "pip", "install", "--quiet", *wheels, interpreter=inside)
    python("-m", "pip", "check", interpreter=inside)
    # -I: neither the checkout nor the environment's variables can lend what the wheels lack.
    found: dict[str, str] = json.loads(python("-I", "-c", PROBE, interpreter=inside))
    if sorted(found) != ["docker", "libvirt", "netns"]:
        raise Wrong(f"installed wheels register {sorted(found)}")
    outside = [path for path in found.values() if not Path(path).is_relative_to(folder)]
    if outside:
        raise Wrong(f"loaded from outside of the clean environment: {outside}")
    print(python("-I", "-m", "labprov", "providers", interpreter=inside))


def check_template(labprov: Path, folder: Path) -> None:
    """Install the template's wheel and labprov's in a clean environment, and run the contract there."""
    python("-m", "build", "--no-isolation", "--wheel", "--outdir", folder / "wheel", TEMPLATE)
    (wheel,) = (folder / "wheel").glob("*.whl")
    python("-m", "virtualenv", "--quiet", folder / "clean")
    inside = folder / "clean/bin/python"
    python("-m", "pip", "install", "--quiet", wheel, f"{labprov}[contract]", interpreter=inside)
    empty = folder / "empty"
    empty.mkdir()
    suite = ("-I", "-m", "pytest", "-p", "labprov.contract", "-p", "no:cacheprovider", "-q")
    options = ("--labprov-provider=template", f"--labprov-report={folder / 'report.json'}")
    root = str(folder / "engine")
    python(*suite, *options, interpreter=inside, cwd=empty, LABPROV_TEMPLATE_ROOT=root)
    (found,) = json.loads((folder / "report.json").read_text())["providers"]
    if not found["conformant"]:
        raise Wrong(found["verdict"])
    print(found["verdict"])


def main() -> int:
    """Check all three; give the exit code."""
    top = Path(sys.argv[1]).resolve() / "packages"
    shutil.rmtree(top, ignore_errors=True)
    wheels = []
    try:
        for package, source in DISTRIBUTIONS.items():
            sdist, wheel = build(source, top / package)
            check_wheel(package, wheel)
            check_sdist(package, sdist)
            wheels.append(wheel)
        check_installed(wheels, top / "clean")
        check_template(wheels[0], top / "template")
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(wheels)} distributions are as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
