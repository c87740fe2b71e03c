"""A real Docker engine understands what nodes are turned into, and what labprov knows of it is so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from labprov.engine import Alone, NodeSpec, Port
from labprov.errors import ForeignResource
from labprov.model import Endpoint, Mgmt, Node
from labprov_docker.accepting import problem
from labprov_docker.container import holder_config, node_config
from labprov_docker.holder import ensure_image
from labprov_docker.subnets import check_addresses
from tests.engines.test_engines import root_files

pytestmark = pytest.mark.engine("docker")

OWNER = {"test.owner": "spec"}
SUBNET, ADDRESS, NEIGHBOUR = "198.18.77.0/24", "198.18.77.10", "198.18.77.11"
Make = Callable[[dict[str, Any]], str]


def connect() -> Any:
    """A client of the engine that the environment names, as every docker command would ask it."""
    from docker import APIClient
    from docker.utils import kwargs_from_env

    return APIClient(version="auto", **kwargs_from_env())


@pytest.fixture
def api() -> Iterator[Any]:
    client = connect()
    yield client
    client.close()


@pytest.fixture
def image(api: Any) -> Iterator[str]:
    """Give the name of an image of busybox, imported from this machine's own."""
    name = f"labprov-test-{uuid4().hex}"
    changes = ["LABEL test.owner=spec", "EXPOSE 443"]
    api.import_image_from_data(root_files(), repository=name, tag="1", changes=changes)
    yield f"{name}:1"
    api.remove_image(f"{name}:1")


@pytest.fixture
def holder_image(api: Any) -> Iterator[str]:
    """Give the name of a holder's image of this test's own."""
    name = ensure_image(api, f"labprov-test-{uuid4().hex}")
    yield name
    api.remove_image(name)


@pytest.fixture
def make(api: Any, image: str, holder_image: str) -> Iterator[Make]:
    """Give what creates a container and gives its id; those that are left are removed at the end."""
    from docker.errors import NotFound

    made: list[str] = []

    def create(config: dict[str, Any]) -> str:
        name = f"labprov-test-{uuid4().hex}"
        made.append(api.create_container_from_config(config, name)["Id"])
        return made[-1]

    yield create
    for container in reversed(made):
        try:
            api.remove_container(container, force=True, v=True)
        except NotFound:
            continue  # the test has removed it, or it has removed itself


@pytest.fixture
def network(api: Any) -> Iterator[str]:
    """Give the name of a network with a subnet that is said."""
    name = f"labprov-test-{uuid4().hex}"
    api.create_network(name, ipam={"Config": [{"Subnet": SUBNET}]}, labels=OWNER)
    yield name
    api.remove_network(name)


def spec_of(image: str, *interfaces: str, **keys: Any) -> NodeSpec:
    """The node r1 of that image."""
    attributes = {key: keys.pop(key) for key in ("binds", "cmd", "sysctls") if key in keys}
    identity = {"lab": "lab", "node": "r1", "prefix": "labprov", "workspace": "w", "role": "node"}
    return NodeSpec(
        node=Node(name="r1", image=image, settings={**keys.pop("settings", {}), **keys}, **attributes),
        runtime_name="labprov-lab-r1",
        definition="d1",
        labels={**{f"labprov.{key}": value for key, value in identity.items()}, **OWNER},
        ports=tuple(
            Port(end=Endpoint("r1", name), index=place, mac=f"02:00:00:00:00:0{place}", tag=100, far=Alone())
            for place, name in enumerate(interfaces)
        ),
    )


def inside(api: Any, container: str, *command: str) -> str:
    """What *command* says in the container."""
    running = api.exec_create(container, ["/bin/busybox", *command])["Id"]
    said: str = api.exec_start(running).decode()
    assert api.exec_inspect(running)["ExitCode"] == 0, said
    return said.strip()


def process(api: Any, container: str) -> int:
    """The container's first process, as the host numbers it."""
    found: int = api.inspect_container(container)["State"]["Pid"]
    assert found
    return found


def state(pid: int) -> str:
    """What the process is, and what it is doing: R runs, S waits."""
    name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    return f"{name} {rest.split()[0]}"


def test_the_holders_image(api: Any, make: Make, holder_image: str) -> None:
    """A container of it is one small program that waits in the kernel, and is gone when it is removed."""
    assert ensure_image(api, holder_image.partition(":")[0]) == holder_image
    container = make({"Image": holder_image, "Labels": OWNER, "HostConfig": {"NetworkMode": "none"}})
    api.start(container)
    pid = process(api, container)
    assert (Path(f"/proc/{pid}/root") / "holder").stat().st_size < 200
    while state(pid) in ("holder R", "holder T") or not state(pid).startswith("holder"):
        os.sched_yield()  # the engine's own program is about to become it
    assert state(pid) == "holder S"
    api.remove_container(container, force=True)
    assert not Path(f"/proc/{pid}/root/holder").exists()


def test_the_holders_image_is_loaded_by_many_at_once(api: Any) -> None:
    """Eight who miss it at the same time load one image, and nothing is left over."""
    repository = f"labprov-test-{uuid4().hex}"

    def load(_: int) -> str:
        client = connect()
        try:
            return ensure_image(client, repository)
        finally:
            client.close()

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(load, range(8)))
    (name,) = names
    try:
        (found,) = api.images(repository)
        assert name in (found["RepoTags"] or ())
        assert found["Labels"] == {"labprov.role": "holder-image"}
        assert api.inspect_image(name)["Id"] == found["Id"]
    finally:
        api.remove_image(name)


def test_a_foreign_image_of_the_holders_name(api: Any, image: str) -> None:
    """An image that is not labprov's and has the name is left alone."""
    repository = f"labprov-test-{uuid4().hex}"
    name = ensure_image(api, repository)
    tag = name.partition(":")[2]
    api.remove_image(name)
    api.tag(image, repository, tag)
    try:
        with pytest.raises(ForeignResource, match=name):
            ensure_image(api, repository)
        assert api.inspect_image(name)["Id"] == api.inspect_image(image)["Id"]
    finally:
        api.remove_image(name)


def test_the_engine_understands_every_key(
    api: Any, make: Make, image: str, holder_image: str, tmp_path: Path
) -> None:
    """A container of which everything is said is made, and the engine has understood all of it."""
    (tmp_path / "env").write_text("FROM_FILE=1\n")
    spec = spec_of(
        image,
        "eth1",
        cmd="sh -c 'sleep 1'",
        binds=[f"{tmp_path}:/bound:ro,rslave"],
        sysctls={"kernel.msgmax": "8192"},
        settings={
            "env-files": [str(tmp_path / "env")],
            "user": "1000:1000",
            "volumes": ["/anonymous"],
            "tmpfs": {"/run": "rw,nosuid"},
            "devices": ["/dev/null:/dev/nothing:rw"],
            "shm-size": "32MiB",
            "memory": "6MiB",
            "cpu": 64.5,
            "cpu-set": "0",
            "cap-add": ["SYS_TIME"],
            "privileged": True,
            "security-opts": ["seccomp=unconfined"],
            "runtime": "runc",
            "cgroupns-mode": "host",
            "cgroup-parent": "/labprov-test",
            "pid-mode": "host",
            "restart-policy": "on-failure:3",
            "healthcheck": {"test": ["CMD", "true"], "interval": 5, "timeout": 2, "retries": 1},
        },
    )
    assert problem(spec) is None
    holder = make(holder_config(spec, image=holder_image, network_mode="none"))
    found = api.inspect_container(make(node_config(spec, network_mode=f"container:{holder}")))
    config, host = found["Config"], found["HostConfig"]
    assert config["Cmd"] == ["sh", "-c", "sleep 1"]
    assert {"FROM_FILE=1", "CLAB_INTFS=1"} <= set(config["Env"])
    assert (config["User"], config["Tty"], config["OpenStdin"]) == ("1000:1000", True, True)
    assert config["Healthcheck"]["Interval"] == 5 * 10**9
    assert config["Labels"]["clab-node-longname"] == "labprov-lab-r1"
    mounts = {mount["Destination"]: mount for mount in found["Mounts"]}
    assert (mounts["/bound"]["Source"], mounts["/bound"]["RW"]) == (str(tmp_path), False)
    assert mounts["/bound"]["Propagation"] == "rslave"
    assert mounts["/anonymous"]["Type"] == "volume"
    assert host["Tmpfs"] == {"/run": "rw,nosuid"}
    assert host["Devices"][0]["PathInContainer"] == "/dev/nothing"
    assert (host["ShmSize"], host["Memory"], host["CpusetCpus"]) == (32 * 2**20, 6 * 2**20, "0")
    assert host["CpuQuota"] == 64.5 * host["CpuPeriod"]
    assert host["Privileged"]
    assert {name.removeprefix("CAP_") for name in host["CapAdd"]} == {"SYS_TIME"}
    assert "seccomp=unconfined" in host["SecurityOpt"]
    assert (host["Runtime"], host["CgroupnsMode"], host["CgroupParent"]) == ("runc", "host", "/labprov-test")
    assert host["PidMode"] == "host"
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert host["Sysctls"] == {"kernel.msgmax": "8192"}
    assert host["NetworkMode"] == f"container:{holder}"


@pytest.mark.engine("root")
def test_holder_and_node_share_a_network(
    api: Any, network: str, make: Make, image: str, holder_image: str
) -> None:
    """The node has its holder's namespace, name, hosts and settings, and its interfaces when it starts."""
    spec = spec_of(
        image,
        "eth1",
        cmd="/bin/busybox sh",
        sysctls={
            "net.ipv4.conf.all.rp_filter": "2",
            "net.ipv4.conf.eth1.rp_filter": "1",
            "kernel.msgmax": "8191",
        },
        settings={
            "ports": ["127.0.0.1::80"],
            "dns": {"servers": ["192.0.2.53"], "search": ["lab.example"]},
            "mgmt-ipv4": ADDRESS,
            "aliases": ["www"],
        },
    )
    assert problem(spec) is None
    check_addresses(Mgmt(ipv4_subnet=SUBNET), [spec.node])
    hosts = [("r2", NEIGHBOUR), ("r2", "2001:db8::11")]
    holder = make(holder_config(spec, image=holder_image, network_mode=network, hosts=hosts))
    node = make(node_config(spec, network_mode=f"container:{holder}"))
    api.start(holder)
    peer = f"lpt{uuid4().hex[:8]}"
    place = ("peer", "name", "eth1", "netns", str(process(api, holder)))
    subprocess.run(["ip", "link", "add", peer, "type", "veth", *place], check=True)
    api.start(node)

    own, held = process(api, node), process(api, holder)
    assert Path(f"/proc/{own}/ns/net").stat().st_ino == Path(f"/proc/{held}/ns/net").stat().st_ino
    assert inside(api, node, "hostname") == "r1"
    lines = {tuple(line.split()) for line in inside(api, node, "cat", "/etc/hosts").splitlines()}
    assert {(NEIGHBOUR, "r2"), ("2001:db8::11", "r2"), (ADDRESS, "r1")} <= lines
    assert "search lab.example" in inside(api, node, "cat", "/etc/resolv.conf")
    settings = {
        "net/ipv4/conf/all/rp_filter": "2",
        "net/ipv4/conf/eth1/rp_filter": "1",
        "kernel/msgmax": "8191",
        "net/ipv6/conf/eth1/disable_ipv6": "0",
    }
    assert {name: inside(api, node, "cat", f"/proc/sys/{name}") for name in settings} == settings
    inside(api, node, "ip", "link", "set", "eth1", "up")  # without being told so, it may
    found = api.inspect_container(holder)["NetworkSettings"]
    assert found["Ports"]["80/tcp"][0]["HostIp"] == "127.0.0.1"
    assert found["Networks"][network]["IPAddress"] == ADDRESS
    assert {"r1", "labprov-lab-r1", "www"} <= set(found["Networks"][network]["Aliases"])

    api.restart(node, timeout=0)
    assert process(api, node) != own
    assert inside(api, node, "cat", "/proc/sys/net/ipv4/conf/eth1/rp_filter") == "1"


def test_a_node_that_removes_itself(api: Any, make: Make, image: str, holder_image: str) -> None:
    """With auto-remove the node's container is gone when it ends, and its holder stays."""
    from docker.errors import NotFound

    spec = spec_of(image, cmd="/bin/busybox true", settings={"auto-remove": True, "restart-policy": "always"})
    holder = make(holder_config(spec, image=holder_image, network_mode="none"))
    api.start(holder)
    node = make(node_config(spec, network_mode=f"container:{holder}"))
    api.start(node)
    with suppress(NotFound):  # it is gone already
        api.wait(node, condition="removed")
    with pytest.raises(NotFound):
        api.inspect_container(node)
    assert process(api, holder)
