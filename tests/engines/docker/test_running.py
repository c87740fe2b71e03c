"""Working with nodes that run: commands, output, readiness, consoles, news."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from labprov.engine import NodeState
from labprov.errors import DeadlineExceeded, NodeNotRunning, NotSupported
from labprov.events import Event, EventKind
from labprov_docker.output import labprov_logs
from labprov_docker.running import labprov_console, labprov_exec, labprov_ready
from labprov_docker.watching import labprov_watch
from tests.engines.docker.rig import Lab, fine

pytestmark = pytest.mark.engine("root", "docker", "ovs")


@pytest.fixture
def r1(lab: Lab) -> Lab:
    """Give a lab whose node r1 runs, without interfaces of its own."""
    lab.deploy(lab.spec("r1"))
    return lab


def test_exec(r1: Lab) -> None:
    """Exit code and both outputs, apart."""
    result = r1.run("r1", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


def test_exec_bytes(r1: Lab) -> None:
    """Millions of bytes of every kind come through as they are."""
    script = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done > /tmp/all;'
    script += " for i in $(seq 1 96); do cat /tmp/all; done > /tmp/more;"
    script += " for i in $(seq 1 256); do cat /tmp/more; done"
    result = r1.run("r1", "sh", "-c", script)
    assert result.exit_code == 0
    assert result.stdout == bytes(range(256)) * 96 * 256


def test_exec_quick_output_is_whole(r1: Lab) -> None:
    """What a command says before anybody listens is not lost."""
    for number in range(20):
        assert r1.run("r1", "echo", str(number)).stdout == f"{number}\n".encode()


@pytest.mark.parametrize(("command", "code"), [(["/no/such"], 127), (["nosuch"], 127), (["/tmp"], 126)])
def test_exec_what_is_no_command(r1: Lab, command: list[str], code: int) -> None:
    """As in a shell: not found is 127, not allowed 126; the engine's words are no output."""
    result = r1.run("r1", *command)
    assert (result.exit_code, result.stdout) == (code, b"")
    assert result.stderr


def test_exec_own_126_is_its_own(r1: Lab) -> None:
    result = r1.run("r1", "sh", "-c", "echo mine; exit 126")
    assert (result.exit_code, result.stdout) == (126, b"mine\n")


def test_exec_deadline(r1: Lab) -> None:
    """At the deadline all that the command started is ended, also what left its session and its parent."""
    script = "setsid sh -c 'sleep 4711 & exec sleep 4712' & (sleep 4713 &) ; sleep 4714"
    with pytest.raises(DeadlineExceeded) as caught:
        r1.run("r1", "sh", "-c", script, timeout=1)
    assert "was ended" in caught.value.message
    assert "471" not in r1.run("r1", "ps").text


def test_exec_leaves_a_daemon(r1: Lab) -> None:
    """A command that ends and leaves something behind is done, and that lives on."""
    result = r1.run("r1", "sh", "-c", "sleep 4711 & echo done", timeout=30)
    assert (result.exit_code, result.stdout) == (0, b"done\n")
    assert "sleep 4711" in r1.run("r1", "ps").text


def test_exec_of_what_does_not_run(r1: Lab) -> None:
    node = r1.node("r1")
    r1.api.pause(r1.id("r1"))
    with pytest.raises(NodeNotRunning, match="paused"):
        labprov_exec(r1.scope, node, ["true"], 5)
    r1.stop("r1")
    with pytest.raises(NodeNotRunning) as caught:
        labprov_exec(r1.scope, node, ["true"], 5)
    assert caught.value.remedy
    r1.remove("r1")
    with pytest.raises(NodeNotRunning):
        labprov_exec(r1.scope, node, ["true"], 5)


def test_exec_at_once(r1: Lab) -> None:
    """Many commands at once, each with its own output."""
    found: dict[int, str] = {}
    node = r1.node("r1")

    def work(number: int) -> None:
        found[number] = labprov_exec(r1.scope, node, ["echo", str(number)], 60).text

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"{number}\n" for number in range(8)}


def wait_for(lab: Lab, text: str) -> str:
    """Give the logs of the last start once they hold *text*."""
    for _ in lab.api.logs(lab.id("r1"), stream=True, follow=True):  # earlier runs' too: it only tells of news
        if text in (said := lab.logs("r1")):
            return said
    raise AssertionError(f"it has ended, and did not say {text!r}")


def test_logs_since_the_last_start(lab: Lab) -> None:
    """The output of the run that is, or was, the last; from its first line on."""
    words = (
        "sh -c 'echo first; echo err >&2; read x < /dev/urandom; cat /proc/sys/kernel/random/uuid; echo end; "
    )
    r1 = lab.spec("r1", cmd=words + "exec sleep 1000000'")
    fine(lab.create(r1))
    assert labprov_logs(lab.scope, lab.node("r1")) == b""
    fine(lab.start(r1))
    one = wait_for(lab, "end").split()
    assert one[:2] == ["first", "err"]
    lab.stop("r1")
    assert lab.logs("r1").split() == one
    fine(lab.start(r1))
    two = wait_for(lab, "end").split()
    assert two[:2] == ["first", "err"]
    assert len(two) == len(one)
    assert two != one
    lab.api.restart(lab.id("r1"), timeout=0)
    three = wait_for(lab, "end").split()
    assert len(three) == len(one)
    assert three != two


def test_ready(lab: Lab) -> None:
    """Who has no healthcheck is ready when it runs; else the check decides, and its words are the reason."""
    check = {"test": ["CMD-SHELL", "echo still loading; test -e /tmp/ready"], "interval": 1, "retries": 1}
    lab.deploy(
        lab.spec("r1"), lab.spec("r2", cmd="sh -c 'mkdir -p /tmp; exec sleep 100000'", healthcheck=check)
    )
    assert labprov_ready(lab.scope, lab.node("r1")).ready
    while "still loading" not in (said := labprov_ready(lab.scope, lab.node("r2"))).reason:
        assert not said.ready
    lab.run("r2", "touch", "/tmp/ready")
    while not labprov_ready(lab.scope, lab.node("r2")).ready:
        pass
    lab.stop("r1")
    assert "exited" in labprov_ready(lab.scope, lab.node("r1")).reason


def test_console(r1: Lab) -> None:
    """The console's command, in a pseudo-terminal, is a shell in the node; ctrl-p reaches it."""
    found = labprov_console(r1.scope, r1.node("r1"), "exec")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        found.argv, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **found.env}
    )
    os.close(theirs)
    os.write(ours, b"echo $((40+2))\n\x10\n")
    said = b""
    while said.count(b"\n42") + said.count(b"\r42") < 2:
        said += os.read(ours, 4096)
    os.write(ours, b"exit\n")
    assert process.wait() == 0
    os.close(ours)


def test_console_there_is_none(r1: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = r1.node("r1")
    with pytest.raises(NotSupported):
        labprov_console(r1.scope, node, "serial")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(NotSupported, match="command line"):
            labprov_console(r1.scope, node, "exec")
    r1.stop("r1")
    with pytest.raises(NodeNotRunning):
        labprov_console(r1.scope, node, "exec")


def test_news(lab: Lab) -> None:
    """What happens to a node reaches who listens, in order, with what the node is since."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1, lab.spec("r2"))
    watch = labprov_watch(lab.scope)
    heard: SimpleQueue[Event] = SimpleQueue()

    def listen() -> None:
        for event in watch.events:
            heard.put(event)

    thread = threading.Thread(target=listen)
    thread.start()
    container = lab.id("r1")
    lab.api.pause(container)
    lab.api.unpause(container)
    lab.api.kill(container)
    lab.api.wait(container)
    fine(lab.start(r1))
    lab.stop("r1")
    lab.remove("r1")
    wanted = [
        ("paused", NodeState.PAUSED),
        ("goes on", NodeState.RUNNING),
        ("got signal 9", None),
        ("died (exit 137)", NodeState.CRASHED),
        ("started", NodeState.RUNNING),
        ("got signal 9", None),
        ("died (exit 137)", NodeState.STOPPED),
        ("removed", NodeState.ABSENT),
    ]
    news = [heard.get(timeout=60) for _ in wanted]
    watch.close()
    thread.join()
    assert {(event.kind, event.lab, event.node) for event in news} == {
        (EventKind.NODE_CHANGED, lab.name, "r1")
    }
    assert [event.message for event in news] == [message for message, _ in wanted]
    assert [event.state for event in news[:3]] == [state for _, state in wanted[:3]]
    watch.close()


def test_news_closed_before_begun(r1: Lab) -> None:
    """A watch that is closed ends, also before anybody listens."""
    watch = labprov_watch(r1.scope)
    watch.close()
    assert list(watch.events) == []
