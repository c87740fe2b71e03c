"""What is checked, session by session; ``python3 bootstrap.py test`` runs them all on real engines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from tools.engines import why_not  # noqa: E402 (nox does not look for modules beside its file)

IN_CI = os.environ.get("CI") == "true"
PROJECT = nox.project.load_toml("pyproject.toml")
SUPPORTED = nox.project.python_versions(PROJECT)
LOWEST = SUPPORTED[0]
DEVELOPMENT = nox.project.dependency_groups(PROJECT, "dev")
DISTRIBUTIONS = (".", "src/labprov_docker", "src/labprov_libvirt")
EDITABLE = [word for folder in DISTRIBUTIONS for word in ("--editable", folder)]
TEMPLATE = HERE / "examples/provider-template/src"
ALL_ENGINES = ("tests/engines",)
SOME_ENGINES = ("tests/engines/test_engines.py", "tests/engines/test_labs.py")
PARALLEL = ("--numprocesses=auto", "--dist=loadfile")
REPORTS = os.environ.get("LABPROV_REPORTS")
"""A folder for pytest's reports, where somebody wants to add them up."""

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
# An interpreter that is missing is skipped, with the reason; in CI the lowest supported one may not be.
nox.options.error_on_missing_interpreters = False


def _runs(python: str, version: str) -> bool:
    """Whether the program *python* is there and is of that version (a shim of pyenv's may be neither)."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        found = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return found.stdout.strip() == version


def _pyenv_folders(version: str) -> list[Path]:
    """List the folders of programs that pyenv has for a version, the newest first."""
    root = Path(os.environ.get("PYENV_ROOT") or Path("~/.pyenv").expanduser())
    found = [path for path in root.glob(f"versions/{version}.*/bin") if (path / "python").exists()]
    return sorted(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.name)])[::-1]


def _find(version: str) -> bool:
    """Have ``python<version>`` on the PATH, if the machine has that interpreter anywhere we know of."""
    name = f"python{version}"
    if _runs(shutil.which(name) or name, version):
        return True
    for folder in _pyenv_folders(version):
        if _runs(str(folder / "python"), version):
            os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
            return True
    return False


FOUND = [version for version in SUPPORTED if _find(version)]
if IN_CI and LOWEST not in FOUND:
    sys.exit(f"Python {LOWEST}, the lowest supported version, is not on this machine; CI needs it")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, the layers of imports, and the fragments of the changelog."""
    session.install(*EDITABLE, *DEVELOPMENT)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")
    session.run("towncrier", "build", "--draft", silent=True)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict, over the sources, the tests and the tools."""
    session.install(*EDITABLE, *DEVELOPMENT)
    session.run("mypy")
    session.run("mypy", "bootstrap.py", "noxfile.py")
    session.run("mypy", *TEMPLATE.rglob("*.py"), env={"MYPYPATH": str(TEMPLATE)})


@nox.session
def packages(session: nox.Session) -> None:
    """Build the three distributions, look into them, and use them in a clean environment."""
    session.install("build", "hatchling", "virtualenv")
    session.run("python", "-m", "tools.packages", session.create_tmp())


@nox.session(python=SUPPORTED)
def tests(session: nox.Session) -> None:
    """Every test; arguments go to pytest in place of the usual folders."""
    session.install(*EDITABLE, *DEVELOPMENT)
    if session.posargs:
        _pytest(session, "chosen", *session.posargs)
        return
    _pytest(session, "unit", *PARALLEL, "tests/unit")
    if session.python == LOWEST:
        _pytest(session, "contract", *PARALLEL, "tests/contract")
    # One after the other: they share the machine's engines. Whole labs, and the smoke tests, on every
    # interpreter; each primitive on one (`nox --session nightly` has all of it on all).
    _pytest(session, "engines", *(ALL_ENGINES if session.python == LOWEST else SOME_ENGINES))


@nox.session(python=SUPPORTED, default=False)
def nightly(session: nox.Session) -> None:
    """Every test on every interpreter, and the sweeps at their full length."""
    session.install(*EDITABLE, *DEVELOPMENT)
    _pytest(session, "unit", *PARALLEL, "tests/unit")
    session.env["LABPROV_SABOTEURS"] = "all"
    _pytest(session, "contract", *PARALLEL, "tests/contract")
    reference = "--labprov-provider=labprov.contract.reference:ReferenceProvider"
    _pytest(session, "reference", "-p", "labprov.contract", reference, "--labprov-examples=10000")
    _pytest(session, "engines", *ALL_ENGINES)


@nox.session(python=LOWEST)
def lowest(session: nox.Session) -> None:
    """The unit tests with the oldest dependencies that we say we work with."""
    oldest = [requirement.replace(">=", "==") for requirement in PROJECT["project"]["dependencies"]]
    session.install(*EDITABLE, *DEVELOPMENT, *oldest)
    _pytest(session, "unit", *PARALLEL, "tests/unit")


@nox.session
@nox.parametrize("who", ["root", "user"])
def contract(session: nox.Session, who: str) -> None:
    """The contract suite in an empty folder: as root on every provider, as a plain user on netns."""
    is_root = os.geteuid() == 0
    if who == "root" and not is_root:
        session.skip("only root can run it as root")
    if who == "user" and not IN_CI and not _may_unshare(is_root):
        session.skip("this machine forbids user namespaces (see `labprov doctor`)")
    folder = Path(session.create_tmp())
    results = Path(REPORTS or folder).absolute()
    if who == "user" and is_root:
        packages = folder / "packages"
        shutil.rmtree(packages, ignore_errors=True)
        session.run("pip", "install", "--quiet", "--target", str(packages), ".[contract]", "pytest-xdist")
        program = ("python", "-m", "tools.plain_user", str(packages), str(results), "pytest")
        session.run(*program, *_suite(Path("out"), "contract-user", ["netns"]), *session.posargs)
        return
    providers = ["netns"]
    if is_root and (IN_CI or not (why_not("docker") or why_not("ovs"))):
        providers.append("docker")
    session.install(".[contract]", "./src/labprov_docker", "pytest-xdist")
    alone = (str(Path(session.bin) / "pytest"),)
    empty = folder / "empty"
    shutil.rmtree(empty, ignore_errors=True)
    empty.mkdir()
    with session.chdir(empty):
        session.run(*alone, *_suite(results, f"contract-{who}", providers), *session.posargs)


def _may_unshare(is_root: bool) -> bool:
    """Whether a plain user may make namespaces here."""
    plain = ["setpriv", "--reuid=65534", "--clear-groups"] if is_root else []
    command = [*plain, "unshare", "--user", "--map-root-user", "--net", "--mount", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _suite(results: Path, name: str, providers: list[str]) -> list[str]:
    """Give the arguments that run the suite on *providers*, each in a process of its own."""
    suite = ["-p", "labprov.contract", "-p", "no:cacheprovider", f"--numprocesses={len(providers)}"]
    suite += [f"--labprov-provider={provider}" for provider in providers]
    return [*suite, f"--labprov-report={results / name}.json", f"--junitxml={results / name}.xml"]


def _pytest(session: nox.Session, what: str, *arguments: str) -> None:
    report = [f"--junitxml={REPORTS}/{session.name}-{what}.xml"] if REPORTS else []
    # Not in the checkout, which whoever runs this may not be able to write; and not by create_tmp(), which
    # would put the tests' own folders below the checkout, where pytest finds the project's settings.
    session.run("pytest", "-o", f"cache_dir={session.cache_dir / 'pytest'}", *report, *arguments)
