"""Working in a node: commands, console, output, binds."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest
from attrs import evolve

from labprov import netns
from labprov.errors import DeadlineExceeded, EngineFailure, InvalidInput, NodeNotRunning, NotSupported
from labprov.model import Node
from tests.engines.netns.rig import Lab, processes


def test_exec_keeps_bytes_and_streams_apart(lab: Lab) -> None:
    """A command's output comes back whole, unchanged and apart, with its exit code."""
    lab.up("r1")
    result = lab.run("r1", r"printf 'a\000\377\r\n'; printf 'e\200' >&2; exit 7")
    assert (result.exit_code, result.stdout, result.stderr) == (7, b"a\0\xff\r\n", b"e\x80")


def test_exec_large_output(lab: Lab) -> None:
    """Much output on both streams at once comes back whole."""
    lab.up("r1")
    result = lab.run("r1", "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2")
    assert (len(result.stdout), len(result.stderr)) == (300000, 300000)


@pytest.mark.parametrize(("command", "code"), [("/no/such/program", 127), ("/etc/passwd", 126)])
def test_exec_of_what_is_no_program(lab: Lab, command: str, code: int) -> None:
    """A command that is not found is 127, one that may not be run 126."""
    lab.up("r1")
    assert netns.labprov_exec(lab.scope, lab.node("r1"), [command], 20).exit_code == code


def test_exec_killed_by_a_signal(lab: Lab) -> None:
    """A command that a signal ended has the exit code that a shell gives."""
    lab.up("r1")
    assert lab.run("r1", "kill -9 $$").exit_code == 137


def test_exec_is_in_the_node(lab: Lab) -> None:
    """A command runs in all of the node's namespaces, with the node's environment."""
    lab.up(Node(name="r1", env={"COLOUR": "blue"}))
    pid = lab.node("r1").process
    kinds = ("net", "mnt", "pid", "uts", "ipc")
    inside = lab.ok("r1", " && ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds)).split()
    assert inside == [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds]
    assert lab.ok("r1", "echo $COLOUR; pwd; id -u") == "blue\n/\n0\n"


def test_exec_leaves_a_daemon(lab: Lab) -> None:
    """A command that leaves something running in the background returns when it is over itself."""
    lab.up(Node(name="r1", env={"LABPROV_TEST": lab.workspace_id}))
    assert lab.ok("r1", "sleep 1000 & echo done") == "done\n"
    assert lab.ok("r1", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").count("sleep 1000") == 1


def test_exec_deadline_ends_everything(lab: Lab) -> None:
    """At its deadline a command is ended with all that it started, whatever that did to escape."""
    lab.up(Node(name="r1", env={"LABPROV_TEST": lab.workspace_id}))
    before = processes(lab.workspace_id)
    with pytest.raises(DeadlineExceeded):
        lab.run("r1", "(trap : TERM HUP; setsid sh -c 'sleep 1000 & sleep 1000' &) ; sleep 1000", timeout=0.5)
    assert processes(lab.workspace_id) == before


def test_console(lab: Lab) -> None:
    """The console's command, in a pseudo-terminal, is a shell in the node."""
    lab.up("r1")
    console = netns.labprov_console(lab.scope, lab.node("r1"), "exec")
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(console.argv[0], console.argv, dict(console.env))
    os.write(terminal, b"echo at-$(hostname); exit\n")
    said = b""
    while b"at-r1" not in said:
        said += os.read(terminal, 4096)
    os.waitpid(child, 0)
    os.close(terminal)


def test_no_other_console(lab: Lab) -> None:
    """A namespace has no serial line and no ssh, and says so."""
    lab.up("r1")
    with pytest.raises(NotSupported):
        netns.labprov_console(lab.scope, lab.node("r1"), "serial")


def test_ready(lab: Lab) -> None:
    """A node whose process runs is ready."""
    lab.up("r1")
    assert netns.labprov_ready(lab.scope, lab.node("r1")).ready


def test_binds(lab: Lab, tmp_path: Path) -> None:
    """Files and folders are bound onto targets that exist and onto such that don't, nested ones included."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("a")
    (tmp_path / "file").write_text("f")
    targets = ["/config", "/etc/labprov-test/deep/er", "/etc/labprov-test.conf", "/run/x/y", "/tmp/z", "/opt"]
    binds = [f"{tmp_path}/conf:{target}" for target in targets if "conf:" not in target]
    binds[2] = f"{tmp_path}/file:/etc/labprov-test.conf"
    binds += [f"{tmp_path}/file:/etc/hostname:ro", f"{tmp_path}/file:/var/run/new:ro"]
    before = {folder: sorted(os.listdir(folder)) for folder in ("/", "/etc", "/opt")}
    lab.up(Node(name="r1", binds=binds))
    shown = lab.ok(
        "r1", "cat /config/a /etc/labprov-test/deep/er/a /etc/labprov-test.conf /run/x/y/a /tmp/z/a /opt/a"
    )
    assert shown == "aafaaa"
    assert lab.ok("r1", "cat /etc/hostname /run/new") == "ff"
    assert lab.ok("r1", "cat /etc/passwd") == Path("/etc/passwd").read_text()
    assert lab.run("r1", "echo x > /etc/hostname").exit_code != 0
    lab.ok("r1", "echo b > /config/b")
    assert (tmp_path / "conf" / "b").read_text() == "b\n"
    assert {folder: sorted(os.listdir(folder)) for folder in before} == before


def test_bind_source_missing(lab: Lab) -> None:
    """A bind whose source does not exist is the error of that node's start."""
    lab.create(Node(name="r1", binds=("/no/such/file:/config",)))
    (error,) = lab.start("r1")
    assert isinstance(error, EngineFailure)
    assert "/no/such/file" in str(error)


@pytest.mark.parametrize("bind", ["relative:/x", "/etc:x", "/etc", "/etc:/x:shared"])
def test_bad_bind(lab: Lab, bind: str) -> None:
    """A bind that is not source:target[:ro] is refused."""
    lab.create(Node(name="r1", binds=(bind,)))
    assert isinstance(lab.start("r1")[0], InvalidInput)


def test_process_number_of_somebody_else(lab: Lab) -> None:
    """Nothing is run in a process that has got the number of a node's that ended."""
    lab.up("r1")
    stale = evolve(lab.node("r1"), process=os.getpid())
    with pytest.raises(NodeNotRunning):
        netns.labprov_exec(lab.scope, stale, ["true"], 5)
