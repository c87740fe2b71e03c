"""labprov killed with -9 at any moment: the next run completes, and after destroy nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labprov import Lab as CoreLab
from labprov import Settings
from labprov.engine import NodeState
from labprov.model import Link, Node, Topology, endpoint
from tests.engines.docker.rig import FOREVER, Lab

pytestmark = pytest.mark.engine("root", "docker", "ovs")

SCRIPT = """
import sys
from pathlib import Path
from tests.engines.docker.test_kills import core_lab
getattr(core_lab(*sys.argv[2:4], Path(sys.argv[4])), sys.argv[1])()
"""


def core_lab(name: str, image: str, workspace: Path) -> CoreLab:
    """Two nodes with two links, as core has them."""
    nodes = tuple(
        Node(name=node, provider="docker", image=image, cmd=FOREVER, interfaces=("eth3",))
        for node in ("r1", "r2")
    )
    links = tuple(Link(endpoint(f"r1:eth{n}"), endpoint(f"r2:eth{n}")) for n in (1, 2))
    return CoreLab(Topology(name=name, nodes=nodes, links=links), Settings(workspace=workspace))


@pytest.fixture
def killed(lab: Lab) -> Iterator[Callable[[str, int], None]]:
    """Give what runs an operation in a process of its own, and kills that after so many engine events."""

    def run(operation: str, count: int) -> None:
        filters = {"label": [f"labprov.lab={lab.name}"]}
        events = lab.api.events(filters=filters, decode=True)
        words = [sys.executable, "-c", SCRIPT, operation, lab.name, lab.image, str(lab.workspace)]
        process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": os.getcwd()})
        end = threading.Thread(target=lambda: (process.wait(), events.close()))
        end.start()
        number = 0
        for number, _ in enumerate(events, 1):
            if number == count:
                process.kill()
                break
        end.join()
        assert number == count, f"{operation} was too short to be killed"

    yield run
    identity = lab.workspace / "workspace-id"
    if identity.exists():  # what core has made is the fixture's to remove, if this test has not
        lab.workspace_id = identity.read_text().strip()


@pytest.mark.parametrize("count", range(1, 13))
def test_killed(lab: Lab, killed: Callable[[str, int], None], count: int) -> None:
    """Whatever a deploy and a destroy had done when they were killed is completed by the next."""
    core = core_lab(lab.name, lab.image, lab.workspace)
    killed("deploy", min(count, 8))  # each of four containers is created, and started
    report = core.deploy()
    assert report.ok
    for status in core.inspect():
        assert status.state is NodeState.RUNNING
        peers = [item.peer and str(item.peer) for item in status.interfaces]
        other = {"r1": "r2", "r2": "r1"}[status.node]
        assert peers == [f"{other}:eth1", f"{other}:eth2", None]
    killed("destroy", count)  # and each is killed, dies, is removed
    assert core.destroy().ok
