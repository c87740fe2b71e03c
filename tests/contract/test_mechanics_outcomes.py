"""What the end of a clause counts as, and when there is nothing to run."""

from __future__ import annotations

import pytest

from tests.contract.rig import CARRIER, P1, P3, P7, Folder

OWN = """
    import pytest
    from labprov.contract.clauses import clause
    from labprov.engine import Capability

    class TestOwn:
        labprov_provider = "{provider}"

        {marks}
        @clause("W99"{needs})
        def test_own(self, bench):
            '''It holds.'''
            {body}
"""


def run(
    folder: Folder, body: str = "pass", *, marks: str = "", needs: str = "", provider: str = "mine:Mine"
) -> str:
    """Run one clause of a third party's; give what pytest said."""
    folder.file("conftest.py", 'pytest_plugins = ["labprov.contract"]\n')
    folder.file("test_own.py", OWN.format(body=body, marks=marks, needs=needs, provider=provider))
    return folder.pytest("-v").out


@pytest.mark.parametrize(
    ("body", "marks"),
    [
        ("pytest.skip('no time')", ""),
        ("pytest.importorskip('no_such_module')", ""),
        ("pass", "@pytest.mark.skip(reason='no time')"),
        ("pass", "@pytest.mark.skipif(True, reason='no time')"),
        ("assert 0", "@pytest.mark.xfail"),
        ("pass", "@pytest.mark.xfail(strict=False)"),
        ("pytest.xfail('no time')", ""),
    ],
)
def test_clause_is_never_excused(mine: Folder, body: str, marks: str) -> None:
    """A clause that is skipped, or expected to fail, by whatever means, has failed."""
    out = run(mine, body, marks=marks)
    assert "W99 can't be" in out, out
    assert "mine W99: failed" in out
    assert "1 failed" in out or "1 error" in out
    assert "skipped" not in out.splitlines()[-1]
    assert "xfailed" not in out
    assert "xpassed" not in out


def test_conftest_skips_nothing(mine: Folder) -> None:
    """A hook that skips tests excuses no clause either."""
    mine.file("below/conftest.py", "import pytest\ndef pytest_runtest_setup(item): pytest.skip('slow')\n")
    mine.file("below/test_own.py", OWN.format(body="pass", marks="", needs="", provider="mine:Mine"))
    mine.file("conftest.py", 'pytest_plugins = ["labprov.contract"]\n')
    out = mine.pytest("below").out
    assert "W99 can't be skipped: Skipped: slow" in out, out
    assert "1 error" in out


def test_not_claimed_stands_apart(mine: Folder) -> None:
    """A clause that needs what is not claimed is not run, and is neither passed nor skipped nor failed."""
    out = run(mine, "assert 0", needs=", Capability.IP, Capability.FRAMES, Capability.CONSOLE")
    assert "NOT CLAIMED" in out, out
    assert "1 not claimed in" in out.splitlines()[-1]
    assert "mine W99: not claimed: mine does not claim console, ip" in out


def test_not_claimed_must_be_refused(mine: Folder) -> None:
    """Whoever does not claim a capability and answers its hook all the same has failed."""
    mine.file(
        "sly.py",
        """
        from attrs import evolve
        from labprov.hookspecs import hookimpl
        from mine import Mine

        class Sly(Mine):
            @hookimpl
            def labprov_provider_info(self, host):
                info = super().labprov_provider_info(host)
                return evolve(info, capabilities=info.capabilities - {"carrier"})

        class Modest(Sly):
            labprov_set_carrier = None
        """,
    )
    out = run(mine, needs=", Capability.CARRIER", provider="sly:Sly")
    assert "does not claim carrier, so labprov_set_carrier must raise NotSupported" in out, out
    assert "1 failed" in out
    assert "1 not claimed in" in run(mine, needs=", Capability.CARRIER", provider="sly:Modest")


def test_provider_excuses_itself_from_nothing(mine: Folder) -> None:
    """A provider that skips the test from within a hook, in whatever words, has failed."""
    for words in ("pytest.skip('no')", "raise NotClaimed('no')"):
        mine.file(
            "sly.py",
            f"""
            import pytest
            from labprov.contract.outcomes import NotClaimed
            from labprov.hookspecs import hookimpl
            from mine import Mine

            class Sly(Mine):
                @hookimpl
                def labprov_create_nodes(self, scope, nodes):
                    {words}
            """,
        )
        done = mine.suite("--labprov-provider=sly:Sly", P1, CARRIER)
        assert done.outcomes("mine") == {"P1": "failed", "W7": "failed"}, done.out


def test_known_gap_is_shown(mine: Folder) -> None:
    """A gap that its author names fails without failing the run, and stands apart."""
    mine.file("gap.py", "from mine import Deaf\nDeaf.known_gaps = {'P7': 'has no ears, see issue 7'}\n")
    done = mine.suite("--labprov-provider=gap:Deaf", P7, P1, "-v")
    assert done.code == 0, done.out
    assert "KNOWN GAP" in done.out
    assert "deaf P7: known gap: has no ears, see issue 7" in done.out
    assert "1 passed, 1 known gap in" in done.out
    assert done.outcomes("deaf") == {"P1": "passed", "P7": "known gap"}
    assert done.provider("deaf")["conformant"] is False
    assert "deaf 1 (memory 1): not conformant: known gap P7" in done.out


def test_known_gap_is_strict(mine: Folder) -> None:
    """A gap that is none any more is a failure; so is a gap that is no clause."""
    mine.file("gap.py", "from mine import Mine\nMine.known_gaps = {'P1': 'will be fun'}\n")
    done = mine.suite("--labprov-provider=gap:Mine", P1)
    assert (done.code, done.outcomes("mine")) == (1, {"P1": "failed"}), done.out
    assert "P1 is a known gap (will be fun), but it passes: take it out of known_gaps" in done.out
    mine.file("gap.py", "from mine import Mine\nMine.known_gaps = {'P100': 'why not'}\n")
    done = mine.suite("--labprov-provider=gap:Mine", P1)
    assert done.code == 4
    assert "the known gap 'P100' of mine is no clause" in done.out


def test_gap_covers_what_the_clause_left(mine: Folder) -> None:
    """Where a gap leaves a lab that can't be destroyed the clean-up after it is part of the gap."""
    mine.file(
        "stuck.py",
        """
        from labprov.errors import EngineFailure
        from labprov.hookspecs import hookimpl
        from mine import Mine

        class Stuck(Mine):
            @hookimpl
            def labprov_remove_nodes(self, scope, nodes):
                return [EngineFailure("stuck", node=node.node) for node in nodes]

        class Known(Stuck):
            known_gaps = {"P3": "stuck"}
        """,
    )
    known = mine.suite("--labprov-provider=stuck:Known", P3)
    assert (known.code, known.outcomes("mine")) == (0, {"P3": "known gap"}), known.out
    assert "1 known gap in" in known.out
    unknown = mine.suite("--labprov-provider=stuck:Stuck", P3, P1)
    assert unknown.code == 1
    assert unknown.outcomes("mine") == {"P1": "failed", "P3": "failed"}
    assert "could not be destroyed" in unknown.out


@pytest.fixture
def broken(mine: Folder) -> Folder:
    """Give a folder where a provider without engine, and one that can't be loaded, are installed."""
    mine.file(
        "site/broken.py",
        """
        from labprov.engine import ProviderInfo
        from labprov.hookspecs import hookimpl

        class Absent:
            @hookimpl
            def labprov_provider_info(self, host):
                return ProviderInfo(
                    name="absent", version="1", reason="its engine is not there", remedy="Start it."
                )

        absent = Absent()
        """,
    )
    mine.file("site/mine.py", (mine.path / "mine.py").read_text() + "whole = Mine('whole')\n")
    mine.install("absent", "broken:absent")
    mine.install("faulty", "broken:no_such_object")
    return mine


def test_absent_engine_that_was_named_is_a_failure(broken: Folder) -> None:
    """Whoever names a provider wants it tested: that its engine is not there is a failure of each clause."""
    for name, reason in (("absent", "its engine is not there. Start it."), ("faulty", "no_such_object")):
        done = broken.suite(f"--labprov-provider={name}", P1, P3)
        assert done.code == 1, done.out
        assert done.outcomes(name) == {"P1": "failed", "P3": "failed"}
        assert f"the provider {name} is unavailable: " in done.out
        assert reason in done.out


def test_absent_engine_that_nobody_named_is_reported(broken: Folder) -> None:
    """Otherwise it is listed with reason and remedy, and the others are tested."""
    broken.install("whole", "mine:whole")
    done = broken.suite(P1)
    assert done.outcomes("whole") == {"P1": "passed"}, done.out
    assert "absent: unavailable: its engine is not there. Start it." in done.out
    assert "faulty: unavailable: " in done.out
    assert done.provider("absent")["available"] is False
    assert "its engine is not there" in done.provider("absent")["reason"]
    assert done.provider("absent")["conformant"] is False


def test_no_provider_is_an_error(folder: Folder) -> None:
    """Neither an unknown provider nor what is none counts as a run without failures."""
    folder.file("things.py", "thing = object()\nclass Wants:\n    def __init__(self, a): pass\n")
    for name, message in {
        "nope": "no provider 'nope' is installed; installed are: ",
        "nope:x": "No module named 'nope'",
        "things:nope": "has no attribute 'nope'",
        "things:thing": "it has no labprov_provider_info",
        "things:Wants": "no instance of 'things:Wants' can be made",
    }.items():
        done = folder.suite(f"--labprov-provider={name}")
        assert done.code == 4, done.out
        assert message in done.out


def test_none_available_is_an_error(broken: Folder) -> None:
    """Where nothing can be tested the run fails, and says why for each provider.

    The machine's own providers are taken out of sight by an environment that has these two alone.
    """
    broken.file(
        "site/hide.py",
        """
        from importlib import metadata
        points = metadata.entry_points
        ours = {"absent", "faulty"}

        def entry_points(**wanted):
            found = points(**wanted)
            return type(found)(p for p in found if p.group != "labprov" or p.name in ours)

        metadata.entry_points = entry_points
        """,
    )
    done = broken.pytest("-p", "hide", "-p", "labprov.contract")
    assert done.code == 4, done.out
    assert "no provider can be tested here" in done.out
    assert "absent: its engine is not there. Start it." in done.out
    broken.file(
        "site/hide.py", (broken.path / "site/hide.py").read_text().replace('{"absent", "faulty"}', "()")
    )
    done = broken.pytest("-p", "hide", "-p", "labprov.contract")
    assert done.code == 4
    assert "no provider is installed" in done.out


def test_two_providers_of_one_name_are_an_error(mine: Folder) -> None:
    """Their rows could not be told apart."""
    mine.file("twin.py", "from mine import Mine\ntwin = Mine()\n")
    done = mine.suite("--labprov-provider=mine:Mine", "--labprov-provider=twin:twin", P1)
    assert done.code == 4
    assert "two of the providers that shall be tested are called 'mine'" in done.out


def test_lent_fixtures_without_any_provider(folder: Folder) -> None:
    """Where a bench is asked for and no provider is to be had, nothing is left out silently."""
    folder.file("conftest.py", 'pytest_plugins = ["labprov.contract"]\n')
    folder.file("test_own.py", "def test_own(bench): pass\ndef test_else(): pass\n")
    done = folder.pytest("--labprov-provider=nope")
    assert done.code == 2, done.out
    assert "no provider 'nope' is installed" in done.out


def test_version_of_the_contract(mine: Folder) -> None:
    """Only clauses up to the wanted version are run; one that does not exist yet is an error."""
    mine.file("conftest.py", 'pytest_plugins = ["labprov.contract"]\n')
    text = OWN.format(body="pass", marks="", needs=", since='2'", provider="mine:Mine")
    mine.file("test_own.py", text)
    assert "1 deselected" in mine.pytest("--labprov-contract=1").out
    for wrong in ("0", "2", "one"):
        done = mine.suite("--labprov-provider=mine:Mine", f"--labprov-contract={wrong}")
        assert done.code == 4
        assert f"there is no version '{wrong}' of the contract; there are 1" in done.out


@pytest.mark.parametrize("wrong", ["0", "-1", "many"])
def test_number_of_examples(mine: Folder, wrong: str) -> None:
    """Examples are a number above 0."""
    done = mine.suite(f"--labprov-examples={wrong}")
    assert done.code == 4
    assert f"{wrong!r} is not a number above 0" in done.out
