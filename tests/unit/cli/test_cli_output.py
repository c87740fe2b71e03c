"""What is printed, and how failures become lines and codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labprov.cli.failure import error_document, exit_code, lines
from labprov.cli.output import Out, clean
from labprov.cli.talk import Talk
from labprov.errors import Busy, EngineFailure, InvalidTopology, Unavailable

HEAVY = {
    *("cattrs", "docker", "fabric", "libvirt", "netmiko", "ovsdbapp", "paramiko", "pluggy", "pyroute2"),
    *("rich", "yaml", "labprov.lab", "labprov.plugins"),
}


def loaded(*words: str) -> set[str]:
    """Which of the heavy modules a process has imported after running *words*."""
    script = (
        "import sys\nfrom labprov.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('MODULES', *sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True, timeout=60
    )
    modules = result.stdout.rpartition("MODULES ")[2].split()
    assert "labprov.cli.app" in modules
    return {name for name in modules if name in HEAVY}


@pytest.mark.parametrize(
    "line", ["--help", "deploy -h", "version", "completion bash", "__complete dep", "deploy --bogus"]
)
def test_light(line: str) -> None:
    """Help, version, completion and a refusal import nothing heavy."""
    assert loaded(*line.split()) == set()


@given(st.text())
def test_clean(text: str) -> None:
    """Whatever is printed as a message is one line of printable characters."""
    assert all(char.isprintable() for char in clean(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text: é, 中", "plain text: é, 中"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("two\nlines\r\n", "two lines"),
        ("\u202egnihton", "\\u202egnihton"),
        ("\udc80", "\\udc80"),
        ("tab\there", "tab\\there"),
    ],
)
def test_clean_examples(text: str, shown: str) -> None:
    """What does not print is shown as an escape; what prints is left alone."""
    assert clean(text) == shown


def test_table_in_a_pipe() -> None:
    """Where nobody looks a table is aligned columns, nothing cut, empty cells a dash."""
    stream = io.StringIO()
    long = "x" * 300
    Out(stream).table(("NODE", "STATE"), [("r1", ""), (long, "running")])
    rows = stream.getvalue().splitlines()
    assert [row.split() for row in rows] == [["NODE", "STATE"], ["r1", "-"], [long, "running"]]
    assert len({row.rindex(row.split()[-1]) for row in rows}) == 1


def test_json_is_ascii() -> None:
    """JSON holds no character that a terminal could obey or a locale could lack."""
    stream = io.StringIO()
    Out(stream).json({"name": "\x1b[31m é"})
    assert stream.getvalue().isascii()
    assert "\x1b" not in stream.getvalue()
    assert json.loads(stream.getvalue()) == {"name": "\x1b[31m é"}


def test_csv_is_harmless() -> None:
    """CSV quotes what needs it and shows escapes."""
    stream = io.StringIO()
    Out(stream).csv(("a", "b"), [('say "x", y', "\x1b[0m")])
    assert stream.getvalue() == 'a,b\n"say ""x"", y",\\x1b[0m\n'


def test_group() -> None:
    """Each failure of a group has its line, and the highest code is the exit code."""
    group = ExceptionGroup(
        "many",
        [
            EngineFailure("no", lab="l", node="a"),
            ExceptionGroup("inner", [Busy("locked", lab="l"), Unavailable("down")]),
        ],
    )
    assert lines(group) == ["l/a: no", "l: locked", "down"]
    assert exit_code(group) == 4


def test_unexpected() -> None:
    """An exception that is none of ours is one line that points to --debug, and exit code 1."""
    error = KeyError("two\nlines")
    assert len(lines(error)) == 1
    assert "unexpected KeyError" in lines(error)[0]
    assert "--debug" in lines(error)[0]
    assert exit_code(error) == 1


def test_error_document() -> None:
    """An error as JSON has all its keys, null where nothing is known."""
    error = InvalidTopology("bad", lab="l", node="a", remedy="Fix it.")
    assert error_document(error) == {
        "type": "InvalidTopology",
        "message": "bad",
        "exit_code": 2,
        "lab": "l",
        "node": "a",
        "interface": None,
        "remedy": "Fix it.",
    }
    assert error_document(ValueError("x"))["lab"] is None


def test_warns_once() -> None:
    """The same warning is heard once, also with -q, which silences remarks."""
    stream = io.StringIO()
    talk = Talk(stream, quiet=True)
    talk.warn("careful")
    talk.warn("careful")
    talk.say("by the way")
    assert stream.getvalue() == "labprov: warning: careful\n"


def test_libraries_are_heard(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning that a library logs is one line of talk; its traceback needs --debug."""
    import logging

    for debug, traceback in ((False, False), (True, True)):
        stream = io.StringIO()
        with Talk(stream, debug=debug).logging():
            try:
                raise ValueError("inner")
            except ValueError:
                logging.getLogger("some.library").exception("it went wrong")
        assert "it went wrong" in stream.getvalue()
        assert ("Traceback" in stream.getvalue()) is traceback
    assert capsys.readouterr().err == ""


def test_reader_gone() -> None:
    """A reader that closes the pipe, as head does, ends labprov quietly, with what a shell would say."""
    read, write = os.pipe()
    os.close(read)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "labprov", "completion", "bash"],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(write)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.parametrize("line", ["version", "-h"])
def test_full_disk(line: str) -> None:
    """Results that can't be written are a failure, not a traceback."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "labprov", line],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert "Traceback" not in result.stderr
    if line == "version":
        assert result.returncode == 1
        assert result.stderr == "labprov: error: standard output can't be written: No space left on device\n"


def test_closed_streams() -> None:
    """Labprov started without standard output and error still does its work and gives its code."""
    result = subprocess.run(
        f"exec {sys.executable} -m labprov version >&- 2>&-", shell=True, timeout=60, check=False
    )
    assert result.returncode == 0


def test_poor_locale() -> None:
    """A locale that lacks a character does not turn a result into a failure."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "labprov", "validate", "é.clab.yml", "-f", "table"],
        env=environment,
        capture_output=True,
        timeout=60,
    )
    assert b"Traceback" not in result.stderr
    assert result.returncode == 2
