"""Real engines answer: what the providers' tests build on."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tools.engines.engine import must, program
from tools.engines.libvirt import uri

BUSYBOX = Path("/bin/busybox")


def root_files() -> bytes:
    """Make a tar of a root file system that is busybox and nothing else."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(BUSYBOX, "bin/busybox")
    return buffer.getvalue()


@pytest.fixture
def image() -> Iterator[str]:
    """Give the name of an image of busybox, imported from this machine's own."""
    name = f"labprov-test-{uuid4().hex}"
    command = [program("docker") or "docker", "import", "-", name]
    subprocess.run(command, input=root_files(), stdout=subprocess.DEVNULL, check=True)
    yield name
    must("docker", "image", "rm", name)


@pytest.fixture
def bridge() -> Iterator[str]:
    """Give the name of an Open vSwitch bridge on the userspace datapath."""
    name = f"lpt-{uuid4().hex[:8]}"
    must("ovs-vsctl", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev")
    yield name
    must("ovs-vsctl", "del-br", name)


@pytest.mark.engine("docker")
def test_a_container_runs(image: str) -> None:
    """A container made from the machine's own busybox runs, and its output comes back."""
    said = must("docker", "run", "--rm", "--network=none", image, "/bin/busybox", "echo", "from inside")
    assert said == "from inside"


@pytest.mark.engine("ovs")
def test_a_bridge_carries_a_tagged_port(bridge: str) -> None:
    """A port put on a bridge with a tag is there, with that tag, and the switch has made its device."""
    port = f"{bridge}-p"
    command = ("add-port", bridge, port, "tag=123", "--", "set", "interface", port, "type=internal")
    must("ovs-vsctl", *command)
    assert must("ovs-vsctl", "get", "port", port, "tag") == "123"
    assert int(must("ovs-vsctl", "get", "interface", port, "ofport")) > 0


@pytest.mark.engine("libvirt")
def test_the_daemon_runs_qemu() -> None:
    """Libvirt's QEMU driver answers, and can emulate a machine without KVM."""
    assert "QEMU" in must("virsh", "--connect", uri(), "version", "--daemon")
    said = must("virsh", "--connect", uri(), "domcapabilities", "--virttype", "qemu")
    assert "<domain>qemu</domain>" in said


@pytest.mark.engine("libvirt")
def test_the_mock_driver_answers() -> None:
    """Libvirt's own mock, which needs no daemon, has its one machine."""
    assert must("virsh", "--connect", "test:///default", "list", "--name") == "test"
