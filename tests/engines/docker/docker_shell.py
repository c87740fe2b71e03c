"""labprov with labs of containers, and what they leave behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.engines.shell import Shell
from tools.engines.engine import must

KEPT_FILES = {"workspace-id", "workspace.lock"}


class DockerShell(Shell):
    """Runs labprov as a user does; remembers the devices that its labs have had on the host."""

    devices: frozenset[str] = frozenset()
    made: bool = False
    """Whether anything of ours was ever seen, so that finding nothing at the end means something."""

    @property
    def label(self) -> str:
        """What everything made from the workspace carries."""
        file = self.workspace / "workspace-id"
        return f"labprov.workspace={file.read_text().strip() if file.exists() else 'not yet'}"

    def look(self) -> None:
        """Note the devices behind the ports."""
        self.devices |= set(self.ports())
        self.made = self.made or bool(self.containers())

    def containers(self) -> list[str]:
        """The names of all containers of the workspace's, holders included, whatever they do."""
        return must("docker", "ps", "-a", "--filter", f"label={self.label}", "--format={{.Names}}").split()

    def networks(self) -> list[str]:
        """The names of the workspace's networks."""
        command = ("docker", "network", "ls", "--filter", f"label={self.label}", "--format={{.Name}}")
        return must(*command).split()

    def switched(self, table: str) -> list[str]:
        """The names of rows of the switch's that are the workspace's."""
        key, value = self.label.split("=")
        condition = f'external_ids:{key}="{value}"'
        command = ("ovs-vsctl", "--bare", "--no-headings", "--columns=name", "find", table, condition)
        return must(*command).split()

    def ports(self) -> list[str]:
        """The names of the workspace's ports on the switch."""
        return self.switched("port")

    def left(self) -> set[str]:
        """What labs have left on the machine, but for files."""
        links = json.loads(must("ip", "-json", "link", "show"))
        here = {link["ifname"] for link in links}
        engines = (self.containers(), self.networks(), self.switched("bridge"), self.ports())
        return {name for names in engines for name in names} | (here & self.devices)

    def files(self) -> list[str]:
        """The names of the files in the workspace, but for those that stay."""
        found = (path for path in self.workspace.rglob("*") if path.is_file())
        return sorted(path.name for path in found if path.name not in KEPT_FILES)

    def nothing_left(self) -> None:
        """See that labs were there, and that no trace of them is."""
        assert self.made
        found = (self.left(), self.files())
        assert found == (set(), []), found

    def name_of(self, lab: str, node: str) -> str:
        """What the engine calls the node's container."""
        return str(next(item["runtime_name"] for item in self.inspect(lab) if item["node"] == node))

    def reaches(self, lab: str, node: str, address: str, hops: int = 64) -> bool:
        """Whether a ping from inside the node is answered, that goes no further than so many hops."""
        ping = ("ping", "-c", "1", "-W", "1", "-t", str(hops), address)
        return self.run("exec", "--name", lab, "--node", node, "--", *ping).returncode == 0


def states(nodes: Iterable[dict[str, object]]) -> dict[str, object]:
    """The nodes' states, by their names."""
    return {str(node["node"]): node["state"] for node in nodes}


def write(file: Path, nodes: str, links: str = "") -> Path:
    """Write a topology file ``NAME.clab.yml`` with these nodes, and links as in ``a:eth1 b:eth1, ...``."""
    ends = [pair.split() for pair in links.split(",") if pair.strip()]
    body = f"name: {file.name.removesuffix('.clab.yml')}\ntopology:\n  nodes:\n{nodes}"
    if ends:
        body += "  links:\n" + "".join(f"    - endpoints: {json.dumps(pair)}\n" for pair in ends)
    file.write_text(body)
    return file


def docker(*words: str) -> str:
    """Do what a user does by Docker's own command line, behind labprov's back."""
    return must("docker", *words)


def kill(container: str) -> None:
    """Kill the container's first process, as the kernel would."""
    pid = docker("inspect", "--format={{.State.Pid}}", container)
    subprocess.run(["kill", "-9", pid], check=True)
