"""The holder's image, as bytes."""

from __future__ import annotations

import io
import json
import os
import platform
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from labprov.errors import NotSupported
from labprov_docker import holder

ARCHITECTURES = ["386", "amd64", "arm", "arm64", "ppc64le", "riscv64", "s390x"]


def test_the_program_is_tiny() -> None:
    """A whole program, headers and all, in 129 bytes."""
    assert len(holder.program("amd64")) == 129


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_program_of_each_architecture(architecture: str) -> None:
    """Each is an ELF file for its machine whose entry lies within it."""
    found = holder.program(architecture)
    wide, little = found[4] == 2, found[5] == 1
    order = "little" if little else "big"
    entry = int.from_bytes(found[24 : 32 if wide else 28], order)  # type: ignore[arg-type]
    assert found[:4] == b"\x7fELF"
    assert entry - 0x400000 == (120 if wide else 84)
    assert len(found) > entry - 0x400000


def state(pid: int) -> str:
    """What the process is doing, in the kernel's letters: R runs, S waits, T is stopped, Z has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_the_program_waits(tmp_path: Path) -> None:
    """On this machine it runs, and waits in the kernel, again after a signal, until it is killed."""
    path = tmp_path / "holder"
    path.write_bytes(holder.program(platform.machine()))
    path.chmod(0o755)
    process = subprocess.Popen([path])
    try:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        os.kill(process.pid, signal.SIGCONT)
        while (found := state(process.pid)) in "RT":
            os.sched_yield()
    finally:
        process.kill()
        process.wait()
    assert found == "S"
    assert process.returncode == -signal.SIGKILL


def test_names_of_kernels_are_understood() -> None:
    """Docker's and the kernel's name of an architecture mean one image."""
    assert holder.image_name("x86_64") == holder.image_name("amd64") == "labprov/holder:1-amd64"
    assert holder.image_archive("aarch64") == holder.image_archive("arm64")


def test_an_unknown_architecture_is_refused() -> None:
    """What labprov can't make a program for it says, and names what it can."""
    with pytest.raises(NotSupported, match="amd64"):
        holder.program("vax")


def test_the_archive_is_always_the_same() -> None:
    """Two who load it at once load one image: nothing in it depends on time, place or chance."""
    assert holder.image_archive("amd64") == holder.image_archive("amd64")
    with tarfile.open(fileobj=io.BytesIO(holder.image_archive("amd64"))) as archive:
        files = {name: archive.extractfile(name) for name in archive.getnames()}
        manifest = json.loads(files["manifest.json"].read())  # type: ignore[union-attr]
        config = json.loads(files[manifest[0]["Config"]].read())  # type: ignore[union-attr]
    assert manifest[0]["RepoTags"] == ["labprov/holder:1-amd64"]
    assert config["config"]["StopSignal"] == "SIGKILL"
    assert config["config"]["Labels"] == {"labprov.role": "holder-image"}
