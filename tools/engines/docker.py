"""Docker: a daemon of our own, with its data, its socket and its containerd in one folder."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.engines.engine import Daemon, Engine, ask, must, program, refusal

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = "docker0"


class Docker(Engine):
    """The Docker daemon."""

    name = "docker"
    packages = ("docker.io", "iptables", "busybox-static")
    programs = ("dockerd", "docker", "iptables-save", "iptables-restore")

    def why_not(self) -> str | None:
        """Ask the daemon that DOCKER_HOST names, or the system's."""
        return refusal("docker", "version", "--format", "{{.Server.Version}}")

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Point clients to our socket; the contract suite restarts the daemon by that command."""
        restart = f"kill -HUP $(cat {folder}/dockerd.supervisor)"
        return {"DOCKER_HOST": f"unix://{folder}/docker.sock", "LABPROV_RESTART_DOCKER": restart}

    def daemons(self, folder: Path) -> Sequence[Daemon]:
        """Start dockerd alone; it runs a containerd of its own."""
        argv = (
            program("dockerd") or "dockerd",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/docker.pid",
            f"--host=unix://{folder}/docker.sock",
            f"--config-file={folder}/daemon.json",
        )
        return [Daemon("dockerd", argv)]

    def prepare(self, folder: Path) -> None:
        """Note what dockerd is going to change on the host."""
        (folder / "daemon.json").write_text("{}\n")
        (folder / "iptables").write_text(must("iptables-save"))
        (folder / "forwarding").write_text(FORWARDING.read_text())
        if ask("ip", "link", "show", BRIDGE)[0] == 0:
            (folder / "had-bridge").touch()

    def tidy(self, folder: Path) -> None:
        """Give the host back its firewall, its forwarding, the name docker0, and what is mounted.

        dockerd leaves its chains, a FORWARD policy of DROP, its bridge, and the mount of the host's own
        network namespace behind when it ends.
        """
        mounts = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
        for target in sorted((target for target in mounts if target.startswith(f"{folder}/")), reverse=True):
            must("umount", target)
        before = (folder / "iptables").read_text()
        rules = f"{before}\n{_emptied(must('iptables-save'), but=before)}".encode()
        subprocess.run([program("iptables-restore") or "iptables-restore"], input=rules, check=True)
        FORWARDING.write_text((folder / "forwarding").read_text())
        if not (folder / "had-bridge").exists():
            ask("ip", "link", "delete", BRIDGE)


def _emptied(saved: str, *, but: str) -> str:
    """Give the tables of *saved* without a rule and with open policies, those named in *but* left out."""
    lines: list[str] = []
    skipping = True
    for line in saved.splitlines():
        if line.startswith("*"):
            skipping = line in but.splitlines()
        built_in = line.startswith(":") and line.split()[1] != "-"
        if not skipping and (built_in or line.startswith("*") or line == "COMMIT"):
            lines.append(f"{line.split()[0]} ACCEPT" if built_in else line)
    return "\n".join([*lines, ""])
