"""How the suite is called, and what of it is run."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.contract.rig import P1, P3, P7, REFERENCE, ROOT, Folder

P1_AND_P3 = "test_deploy_creates_vlan_file or test_destroy_removes_vlan_file"
MINE = "--labprov-provider=mine:Mine"
DEAF = "--labprov-provider=mine:Deaf"


def test_every_clause_is_collected_in_an_empty_folder(folder: Folder) -> None:
    """Nothing has to be there: each clause has an id below `labprov.contract`, the provider in brackets."""
    done = folder.suite(f"--labprov-provider={REFERENCE}", "--collect-only", "-q")
    assert done.code == 0, done.out
    assert f"{P1}[reference]" in done.ids
    assert "labprov.contract::TestRecovery::test_recovery_cleans_stale_entries[reference]" in done.ids
    assert all(re.fullmatch(r"labprov\.contract::Test\w+::test_\w+\[reference.*\]", id) for id in done.ids)


def test_installed_providers_are_all_tested(mine: Folder) -> None:
    """With no provider named every installed one that is available has its turn."""
    mine.install("acme", "acme_provider:provider")
    mine.file("site/acme_provider.py", "from mine import Mine\nprovider = Mine('acme')\n")
    mine.file("site/mine.py", (mine.path / "mine.py").read_text())
    done = mine.suite(P1, "--collect-only", "-q")
    assert f"{P1}[acme]" in done.ids, done.out
    done = mine.suite(P1, "--labprov-provider=acme")
    assert (done.code, done.outcomes("acme")) == (0, {"P1": "passed"}), done.out


def test_providers_without_entry_point(mine: Folder) -> None:
    """`module:object` takes a class or an instance from the current folder; the option can be repeated."""
    mine.file("yours.py", "from mine import Mine\nprovider = Mine('yours')\n")
    done = mine.suite(P1, "--labprov-provider=yours:provider", MINE)
    assert done.code == 0, done.out
    assert (done.outcomes("mine"), done.outcomes("yours")) == ({"P1": "passed"}, {"P1": "passed"})


def test_module_as_a_provider(mine: Folder) -> None:
    """A module that has the hooks is a provider, by its dotted name."""
    mine.file("acme/__init__.py", "")
    mine.file(
        "acme/provider.py",
        """
        from labprov.contract.reference import ReferenceProvider
        _one = ReferenceProvider(name="module")
        globals().update({n: getattr(_one, n) for n in dir(_one) if n.startswith("labprov_")})
        """,
    )
    done = mine.suite(P1, "--labprov-provider=acme.provider")
    assert (done.code, done.outcomes("module")) == (0, {"P1": "passed"}), done.out


def test_keyword_and_exit_first(mine: Folder) -> None:
    """`-k` chooses clauses and `-x` stops at the first failure; neither run is complete."""
    done = mine.suite(MINE, "-k", P1_AND_P3)
    assert (done.code, done.outcomes("mine")) == (0, {"P1": "passed", "P3": "passed"}), done.out
    assert done.provider("mine")["complete"] is False
    assert done.provider("mine")["conformant"] is False
    done = mine.suite(DEAF, P7, P1, "-x")
    assert (done.code, done.outcomes("deaf")["P7"]) == (1, "failed"), done.out
    assert "stopping after 1 failures" in done.out


def test_last_failed(mine: Folder) -> None:
    """`--lf` runs a failed clause again, a third party's failed test beside it, and nothing else.

    Pytest would leave out a module whose id is no path as soon as a file has failures too.
    """
    mine.file("test_own.py", "def test_fails(): assert 0\ndef test_passes(): pass\n")
    first = mine.suite(DEAF, P7, P1, P3, "test_own.py")
    assert "2 failed, 3 passed" in first.out
    again = mine.suite(DEAF, P7, P1, P3, "test_own.py", "--lf", "-v")
    assert "2 failed" in again.out, again.out
    assert "passed" not in again.out.splitlines()[-1]
    assert again.outcomes("deaf") == {"P7": "failed"}
    assert "skipped" not in again.out
    mine.file("test_own.py", "def test_fails(): pass\n")
    assert "1 failed, 1 passed" in mine.suite(DEAF, P7, P1, "test_own.py", "--lf").out


def test_one_provider_stays_on_one_worker(mine: Folder) -> None:
    """With xdist the providers are spread over the workers, and no two workers share one."""
    mine.file("more.py", "from mine import Mine\na = Mine('a')\nb = Mine('a-b')\nc = Mine('c')\n")
    named = [f"--labprov-provider=more:{name}" for name in ("a", "b", "c")]
    done = mine.suite(*named, "-n2", "-v", "-k", f"{P1_AND_P3} or test_vlan_file_format_consistent")
    assert done.code == 0, done.out
    pairs = set(re.findall(r"^\[(gw\d)\].* labprov\.contract::\S+\[(.+)\]", done.out, re.MULTILINE))
    assert sorted(provider for _, provider in pairs) == ["a", "a-b", "c"]
    assert {worker for worker, _ in pairs} == {"gw0", "gw1"}


@pytest.mark.parametrize("dist", ["load", "loadscope"])
def test_other_tests_are_spread_as_ever(mine: Folder, dist: str) -> None:
    """Beside the suite the user's own way to spread tests goes on to hold."""
    tests = "".join(f"def test_{number}(): pass\n" for number in range(8))
    mine.file("test_own.py", tests)
    done = mine.suite(MINE, P1, "test_own.py", "-n2", f"--dist={dist}", "-v")
    assert (done.code, done.outcomes("mine")) == (0, {"P1": "passed"}), done.out
    workers = set(re.findall(r"^\[(gw\d)\].* test_own\.py::", done.out, re.MULTILINE))
    assert len(workers) == (1 if dist == "loadscope" else 2)


def test_junit_xml(mine: Folder) -> None:
    """Each clause is a test case with its id and outcome among the properties."""
    mine.suite(DEAF, P7, P1, "--junitxml=junit.xml")
    cases = list(ElementTree.parse(mine.path / "junit.xml").iter("testcase"))
    assert {case.get("classname") for case in cases} == {"labprov.contract.TestPersistence"}
    told = [{p.get("name"): p.get("value") for p in case.iter("property")} for case in cases]
    assert {"labprov_clause": "P7", "labprov_outcome": "failed"} in told
    assert len([case for case in cases if case.find("failure") is not None]) == 1


@pytest.mark.parametrize("tail", ["", "::test_deploy_creates_vlan_file", f"::{P1.rpartition('::')[2]}[mine]"])
def test_selection_by_node_id(mine: Folder, tail: str) -> None:
    """A class, a clause, and a clause with its provider can be given as pytest shows them."""
    ids = mine.suite(MINE, f"labprov.contract::TestPersistence{tail}", "--collect-only", "-q").ids
    assert f"{P1}[mine]" in ids
    assert all(id.startswith("labprov.contract::TestPersistence::") for id in ids)
    assert len(ids) == 1 or not tail


def test_selection_from_a_folder_below(mine: Folder) -> None:
    """Below the root folder pytest shows ids with dots before them; they are understood."""
    mine.file("pytest.ini", "[pytest]\npythonpath = .\n")
    (mine.path / "below").mkdir()
    done = mine.suite(DEAF, f"../{P7}", cwd=mine.path / "below")
    assert (done.code, done.outcomes("deaf")) == (1, {"P7": "failed"}), done.out
    assert f"FAILED ../{P7}[deaf]" in done.out


@pytest.mark.parametrize("more", [(), ("-n1",)])
def test_selection_of_nothing(mine: Folder, more: tuple[str, ...]) -> None:
    """An id that is not there is an error, and nothing is run."""
    done = mine.suite(MINE, "labprov.contract::TestPersistence::test_nope", *more)
    assert done.code != 0
    assert "passed" not in done.out
    if not more:
        assert "not found: labprov.contract::TestPersistence::test_nope" in done.out


def test_beside_a_third_partys_tests(mine: Folder) -> None:
    """Paths among the arguments are run alone; with `labprov.contract` beside them the suite is as well."""
    mine.file("tests/test_own.py", "def test_own(): pass\n")
    alone = mine.suite(MINE, "tests", "--collect-only", "-q")
    assert alone.ids == ["tests/test_own.py::test_own"]
    both = mine.suite(MINE, "tests", "labprov.contract", "--collect-only", "-q").ids
    assert {"tests/test_own.py::test_own", f"{P1}[mine]"} <= set(both)
    suite = mine.suite(MINE, "--collect-only", "-q").ids
    assert f"{P1}[mine]" in suite
    assert "tests/test_own.py::test_own" not in suite


def test_settings_of_a_third_party_do_not_matter(mine: Folder) -> None:
    """The suite is collected whatever pytest's settings there call a test, and raises no warning."""
    mine.file(
        "pytest.ini",
        """
        [pytest]
        python_classes = Spec
        python_functions = it_*
        python_files = spec_*.py
        testpaths = specs
        filterwarnings = error
        addopts = --strict-markers --strict-config --import-mode=importlib
        """,
    )
    mine.file("specs/spec_own.py", "def it_works(): pass\n")
    done = mine.suite(MINE, "-k", P1_AND_P3)
    assert (done.code, done.outcomes("mine")) == (0, {"P1": "passed", "P3": "passed"}), done.out


def test_lent_fixtures_run_no_suite(mine: Folder) -> None:
    """`pytest_plugins` in a conftest lends fixtures, and options; the suite is not run."""
    mine.file("conftest.py", 'pytest_plugins = ["labprov.contract"]\n')
    mine.file(
        "test_own.py",
        """
        def test_own(bench, labprov_examples):
            assert (bench.name, labprov_examples) == ("mine", 7)
        """,
    )
    done = mine.pytest(MINE, "--labprov-examples=7", "-v")
    assert "1 passed" in done.out, done.out
    assert "test_own.py::test_own[mine] PASSED" in done.out
    assert "TestPersistence" not in done.out


@pytest.mark.parametrize("wanted", ['"mine:Mine"', "Mine", 'Mine("mine")'])
def test_subclassing(mine: Folder, wanted: str) -> None:
    """A class derived from the suite's runs its clauses among other tests, with the provider it names."""
    mine.file("conftest.py", 'pytest_plugins = ["labprov.contract"]\n')
    mine.file(
        "test_own.py",
        f"""
        from mine import Mine
        from labprov.contract import suite

        class TestPersistence(suite.TestPersistence):
            labprov_provider = {wanted}

        def test_else(): pass
        """,
    )
    mine.file("pytest.ini", "[pytest]\npythonpath = .\n")
    done = mine.pytest("-v", "-k", f"{P1_AND_P3} or test_else")
    assert done.code == 0, done.out
    assert "test_own.py::TestPersistence::test_deploy_creates_vlan_file[mine] PASSED" in done.out
    assert "test_own.py::test_else PASSED" in done.out
    assert done.outcomes("mine") == {"P1": "passed", "P3": "passed"}


def test_subclassing_with_a_bench_of_ones_own(mine: Folder) -> None:
    """Whoever needs more than a name overrides the fixture `bench`; the clauses count all the same."""
    mine.file("conftest.py", 'pytest_plugins = ["labprov.contract"]\n')
    mine.file(
        "test_own.py",
        """
        import pytest
        from mine import Deaf
        from labprov.contract import suite
        from labprov.contract.bench import Bench

        @pytest.fixture
        def bench(tmp_path):
            bench = Bench("deaf", Deaf(), tmp_path)
            yield bench
            bench.close()

        class TestPersistence(suite.TestPersistence):
            pass
        """,
    )
    mine.file("pytest.ini", "[pytest]\npythonpath = .\n")
    done = mine.pytest("-k", f"{P1_AND_P3} or {P7.rpartition('::')[2]}")
    assert done.outcomes("deaf") == {"P1": "passed", "P3": "passed", "P7": "failed"}, done.out


def test_from_the_repositorys_root(folder: Folder) -> None:
    """In labprov's own checkout, under its strict settings, the suite runs alone as anywhere."""
    done = folder.suite(f"--labprov-provider={REFERENCE}", "-k", P1_AND_P3, cwd=ROOT)
    assert (done.code, done.outcomes("reference")) == (0, {"P1": "passed", "P3": "passed"}), done.out


def test_from_the_repositorys_root_with_its_tests(folder: Folder) -> None:
    """It runs there beside labprov's own tests, too."""
    own = "tests/contract/test_mechanics_report.py"
    done = folder.suite(f"--labprov-provider={REFERENCE}", P1, own, "-k", f"{P1_AND_P3} or worst", cwd=ROOT)
    assert (done.code, done.outcomes("reference")) == (0, {"P1": "passed"}), done.out
    assert "2 passed" in done.out


def test_assertions_are_rewritten(mine: Folder) -> None:
    """A failing clause shows the values that were compared."""
    done = mine.suite(DEAF, P7)
    assert "AssertionError: assert {} == {'r1:eth1'" in done.out, done.out


def test_labprov_never_imports_the_suite() -> None:
    """Neither the library nor the program needs pytest; and too early an import leaves assertions bare."""
    program = "import sys, labprov.lab, labprov.labs, labprov.cli, labprov.netns; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "labprov.lab" in loaded
    assert not {name for name in loaded if name.startswith("labprov.contract") or name == "pytest"}


def test_help_needs_no_provider(folder: Folder) -> None:
    """The options are shown with what they mean."""
    done = folder.suite("--help", "--labprov-provider=nope")
    assert done.code == 0
    assert "--labprov-examples=N" in done.out
    assert Path(folder.path / "out").exists() is False
