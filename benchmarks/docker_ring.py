"""A ring of containers: labprov beside the naive way, and beside the least that the engines must do for it.

Run as root, with Docker and Open vSwitch: ``python benchmarks/docker_ring.py [NODES]``. All are timed
in one run, in turns, and compared as ratios. Each node is a container that waits, with two interfaces that
are ports of the switch, tagged by link.

- *naive*: docker-py's ``containers.run`` in a loop, ``ip link`` for each veth pair and ``ovs-vsctl`` for each
  port. The network belongs to the container itself, and dies with its process.
- *floor*: the barest code for what labprov promises: a holder for each node that owns the network, and the
  node in it; the engine's low-level API, 8 requests at once; one process for all veth pairs; one transaction
  for all ports; nothing written down, nothing looked at, nothing labelled.
- labprov as a library: a deploy, one that finds nothing to do, inspect, destroy; each opens connections of
  its own, as it would in a process of its own.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker

from labprov import Lab, Settings, Topology, TopologyBuilder

ROUNDS = 3
AT_ONCE = 8
IMAGE = "labprov-benchmark:1"
BRIDGE = "lpbench"
PAUSE = ["/bin/busybox", "sleep", "infinity"]
KILL = "SIGKILL"
FIRST_TAG = 100


def ring(count: int) -> Topology:
    """A ring of *count* containers and as many links."""
    builder = TopologyBuilder("dockerring")
    for number in range(count):
        builder.add_node(f"n{number}", provider="docker", image=IMAGE, cmd=" ".join(PAUSE))
    for number in range(count):
        builder.add_link(f"n{number}:eth2", f"n{(number + 1) % count}:eth1")
    return builder.build()


def ends(count: int) -> Iterable[tuple[int, str, str, int]]:
    """Each port: its node, its interface, its name on the host, its tag."""
    for number in range(count):
        tag = FIRST_TAG + number
        yield number, "eth2", f"lpb{number}a", tag
        yield (number + 1) % count, "eth1", f"lpb{number}b", tag


def run(*command: str, text: str | None = None) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, input=text, check=True, text=True, stdout=subprocess.DEVNULL)


def timed(work: Callable[[], object]) -> float:
    """Seconds that *work* takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# ---------------------------------------------------------------------------------------------------------
# The naive way


def naive(client: Any, count: int) -> list[str]:
    """One thing after the other, each by its own command; give the containers."""
    run("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={datapath()}")
    nodes = [client.containers.run(IMAGE, PAUSE, name=f"lpbench-n{n}", detach=True) for n in range(count)]
    for number, interface, port, tag in ends(count):
        nodes[number].reload()
        pid = str(nodes[number].attrs["State"]["Pid"])
        run("ip", "link", "add", port, "type", "veth", "peer", "name", interface, "netns", pid)
        run("ip", "link", "set", port, "up")
        run("nsenter", "-t", pid, "-n", "ip", "link", "set", interface, "up")
        run("ovs-vsctl", "add-port", BRIDGE, port, f"tag={tag}")
    return [node.id for node in nodes]


# ---------------------------------------------------------------------------------------------------------
# The floor


def floor(client: Any, count: int) -> list[str]:
    """Pods, as many requests at once as labprov sends; give the containers."""
    api = client.api
    with ThreadPoolExecutor(AT_ONCE) as pool:
        holders = list(pool.map(lambda number: started(api, f"h{number}"), range(count)))
        nodes = list(pool.map(lambda number: joined(api, f"n{number}", holders[number][0]), range(count)))
        plug(count, [pid for _, pid in holders])
        list(pool.map(api.start, nodes))
    return [*nodes, *(holder for holder, _ in holders)]


def started(api: Any, name: str) -> tuple[str, int]:
    """A container that runs, and its process."""
    made = api.create_container_from_config({"Image": IMAGE, "Cmd": PAUSE}, f"lpbench-{name}")["Id"]
    api.start(made)
    return made, int(api.inspect_container(made)["State"]["Pid"])


def joined(api: Any, name: str, holder: str) -> str:
    """A container in the network of another, not started."""
    mode = {"NetworkMode": f"container:{holder}"}
    config = {"Image": IMAGE, "Cmd": PAUSE, "HostConfig": mode}
    return str(api.create_container_from_config(config, f"lpbench-{name}")["Id"])


def plug(count: int, pids: list[int]) -> None:
    """All pairs by one ``ip``, all that is done in a namespace by one more, all ports in one transaction."""
    lines = []
    transaction = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, f"datapath_type={datapath()}"]
    for number, interface, port, tag in ends(count):
        lines += [f"link add {port} up type veth peer name {interface} netns {pids[number]}"]
        transaction += ["--", "add-port", BRIDGE, port, f"tag={tag}", "vlan_mode=dot1q-tunnel"]
    run("ip", "-batch", "-", text="\n".join(lines))
    for pid in pids:
        run("nsenter", "-t", str(pid), "-n", "ip", "-batch", "-", text="link set eth1 up\nlink set eth2 up\n")
    run("ovs-vsctl", *transaction)


# ---------------------------------------------------------------------------------------------------------
# Around both


def datapath() -> str:
    """The kernel's switch where it has one, else the one in user space."""
    return "system" if Path("/sys/module/openvswitch").exists() else "netdev"


def clear(client: Any, containers: list[str]) -> None:
    """Remove what the naive way or the floor has made; nodes before the holders that they are in."""
    with suppress(subprocess.CalledProcessError):
        run("ovs-vsctl", "--if-exists", "del-br", BRIDGE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda item: client.api.remove_container(item, force=True, v=True), containers))


def import_image(client: Any) -> None:
    """Have an image that is this machine's own busybox."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add("/bin/busybox")
    repository, _, tag = IMAGE.partition(":")
    client.api.import_image_from_data(buffer.getvalue(), repository=repository, tag=tag)


def one_round(client: Any, count: int, workspace: Path) -> dict[str, float]:
    """Every phase once."""
    times: dict[str, float] = {}
    made: list[str] = []
    times["naive"] = timed(lambda: made.extend(naive(client, count)))
    times["naive, removed"] = timed(lambda: clear(client, made))
    made.clear()
    times["floor"] = timed(lambda: made.extend(floor(client, count)))
    times["floor, removed"] = timed(lambda: clear(client, made))
    lab = Lab(ring(count), Settings(workspace=workspace))
    times["deploy"] = timed(lambda: lab.deploy().raise_failures())
    times["no-op deploy"] = timed(lambda: lab.deploy().raise_failures())
    times["inspect"] = timed(lab.inspect)
    times["destroy"] = timed(lambda: lab.destroy().raise_failures())
    return times


def main() -> None:
    """Time all rounds and print the medians, each with its ratio to the floor."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    client = docker.from_env()
    import_image(client)
    try:
        with tempfile.TemporaryDirectory() as workspace:
            rounds = [one_round(client, count, Path(workspace)) for _ in range(ROUNDS)]
    finally:
        client.images.remove(IMAGE)
    medians = {phase: statistics.median(times[phase] for times in rounds) for phase in rounds[0]}
    print(f"ring of {count} containers and {count} links, medians of {ROUNDS} rounds")
    print(f"{'':>16} {'seconds':>8} {'x floor':>8} {'x naive':>8}")
    for phase, seconds in medians.items():
        row = (seconds, seconds / medians["floor"], seconds / medians["naive"])
        print(f"{phase:>16} {row[0]:8.3f} {row[1]:8.2f} {row[2]:8.2f}")


if __name__ == "__main__":
    main()
