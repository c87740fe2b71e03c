"""Files that are whole whatever happens, and locks that say who holds them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from labprov.errors import Busy, InvalidName, WorkspaceError
from labprov.workspace import Workspace, quarantine, read_if_there, remove_if_there, write_atomically


def test_making_and_asking_touches_nothing(tmp_path: Path) -> None:
    """Neither the object nor a read makes a file or a folder."""
    workspace = Workspace(tmp_path / "none" / "such")
    assert workspace.id == ""
    assert workspace.labs() == frozenset()
    assert read_if_there(workspace.vlans("lab")) is None
    remove_if_there(workspace.vlans("lab"))
    assert list(tmp_path.iterdir()) == []


def test_id_is_made_once(tmp_path: Path) -> None:
    """A workspace has one random id for good."""
    first = Workspace(tmp_path / "a").prepare()
    assert Workspace(tmp_path / "a").prepare() == first == Workspace(tmp_path / "a").id
    assert Workspace(tmp_path / "b").prepare() != first


def test_write_replaces_whole(tmp_path: Path) -> None:
    """The new content is there, and no temporary file."""
    path = tmp_path / "sub" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in path.parent.iterdir()] == ["file"]


def test_failed_write_leaves_the_old(tmp_path: Path) -> None:
    """A write that runs into a limit (a full disk behaves so) leaves the old content, and no rest."""
    path = tmp_path / "file"
    write_atomically(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
        with pytest.raises(WorkspaceError, match="can't write"):
            write_atomically(path, b"x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_kill_during_save_leaves_old_or_new(tmp_path: Path) -> None:
    """A process killed while it saves again and again leaves a whole document each time."""
    path = tmp_path / "file"
    program = (
        "import sys; from pathlib import Path; from labprov.workspace import write_atomically\n"
        "print('go', flush=True)\n"
        "while True:\n"
        "    for letter in b'ab': write_atomically(Path(sys.argv[1]), bytes([letter]) * 100_000)\n"
    )
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        content = read_if_there(path)
        assert content is None or content in (b"a" * 100_000, b"b" * 100_000)


def test_not_a_folder_is_an_error(tmp_path: Path) -> None:
    """A workspace that can't be made is named, with what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="--workspace"):
        Workspace(tmp_path / "file" / "workspace").prepare()


def test_quarantine_keeps_every_bad_document(tmp_path: Path) -> None:
    """Moving aside never overwrites what was moved aside before."""
    path = tmp_path / "lab.json"
    kept = set()
    for number in range(3):
        path.write_text(str(number))
        kept.add(quarantine(path))
    assert not path.exists()
    assert sorted(item.read_text() for item in kept) == ["0", "1", "2"]
    assert Workspace(tmp_path).labs() == frozenset()


@pytest.mark.parametrize("lab", ["..", "a/b", "", "/x"])
def test_no_path_from_a_hostile_name(tmp_path: Path, lab: str) -> None:
    """Ids that are no names never become paths."""
    workspace = Workspace(tmp_path)
    for path in (workspace.vlans, workspace.topology):
        with pytest.raises(InvalidName):
            path(lab)


def test_second_of_two_threads_hears_who_holds_the_lock(tmp_path: Path) -> None:
    """The lock holds among threads too; who comes second waits, then hears by whom it is held."""
    workspace = Workspace(tmp_path)
    with workspace.lock("lab", timeout=0, purpose="deploy"):
        errors: list[Busy] = []

        def second() -> None:
            with pytest.raises(Busy) as caught, workspace.lock("lab", timeout=0.1, purpose="destroy"):
                pass
            errors.append(caught.value)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}" in str(errors[0])
    assert "deploy" in str(errors[0])
    assert errors[0].exit_code == 4
    with workspace.lock("lab", timeout=0, purpose="destroy"), workspace.lock("lab2", timeout=0, purpose="x"):
        pass


def test_lock_that_was_removed_is_taken_anew(tmp_path: Path) -> None:
    """Who waits for a lock whose file was removed gets the new one, not the dead one."""
    workspace = Workspace(tmp_path)
    taken = threading.Event()

    def waiter() -> None:
        with workspace.lock("lab", timeout=10, purpose="second"):
            taken.set()

    with workspace.lock("lab", timeout=0, purpose="first"):
        thread = threading.Thread(target=waiter)
        thread.start()
        workspace.remove_lock("lab")
    thread.join()
    assert taken.is_set()
    with workspace.lock("lab", timeout=0, purpose="third"):
        pass
