"""libvirt: a libvirtd of our own, in a mount namespace where its folders are ours and /dev has no kvm."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.engines.engine import Daemon, Engine, program, refusal

SCRIPT = Path(__file__).with_name("libvirtd.sh")
SETTINGS = Path("/etc/libvirt")
RUN = Path("/run/libvirt")

# Without virtlogd QEMU's output goes to plain files: one daemon less to run.
QEMU_SETTINGS = 'stdio_handler = "file"\n'


def uri() -> str:
    """Give the address of the daemon to test with; never a user's own, which virsh would start by itself."""
    return os.environ.get("LIBVIRT_DEFAULT_URI") or "qemu:///system"


class Libvirt(Engine):
    """libvirtd with the QEMU driver."""

    name = "libvirt"
    packages = (
        "libvirt-daemon-system",
        "libvirt-clients",
        "qemu-system-x86",
        "qemu-utils",
        "libvirt-dev",
        "pkg-config",
        "dnsmasq-base",
        "cpio",
    )
    programs = ("libvirtd", "virsh", "unshare", "mount")

    def why_not(self) -> str | None:
        """Ask the daemon at :func:`uri` for its version."""
        return refusal("virsh", "--quiet", "--connect", uri(), "version", "--daemon")

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Name our socket in the default URI."""
        return {"LIBVIRT_DEFAULT_URI": f"qemu:///system?socket={folder}/run/libvirt-sock"}

    def daemons(self, folder: Path) -> Sequence[Daemon]:
        """Start libvirtd behind the script that makes its mount namespace."""
        unshare = program("unshare") or "unshare"
        argv = (unshare, "--mount", "--propagation=private", "sh", str(SCRIPT), str(folder))
        return [Daemon("libvirtd", argv)]

    def prepare(self, folder: Path) -> None:
        """Take over the system's settings, but none of its machines and networks."""
        for name in ("etc", "lib", "cache", "log", "run"):
            (folder / name).mkdir()
        for settings in SETTINGS.glob("*.conf"):
            shutil.copy(settings, folder / "etc")
        with (folder / "etc/qemu.conf").open("a") as qemu:
            qemu.write(QEMU_SETTINGS)
        if not RUN.exists():
            RUN.mkdir()
            (folder / "made-run").touch()

    def tidy(self, folder: Path) -> None:
        """Remove the mount point, if it is ours."""
        if (folder / "made-run").exists():
            RUN.rmdir()
