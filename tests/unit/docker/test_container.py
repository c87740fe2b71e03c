"""A node in the engine's words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labprov.engine import NodeSpec
from labprov.errors import InvalidInput
from labprov_docker.container import (
    CONFIG_KEYS,
    HOLDER_KEYS,
    NODE_KEYS,
    holder_config,
    node_config,
)
from labprov_docker.lifetime import PullPolicy, pull_policy
from labprov_docker.network import has_holder, mode
from tests.unit.docker.specs import LABELS, spec_of

SAID: dict[str, Any] = {
    "image": "alpine:3",
    "cmd": "sleep 'for ever'",
    "entrypoint": "/bin/sh -c",
    "env": {"A": "1"},
    "user": "nobody",
    "labels": {"owner": "me"},
    "kind": "frr",
    "type": "small",
    "group": "spines",
    "binds": ["/etc/passwd:/etc/frr/x:ro"],
    "volumes": ["data:/data:ro"],
    "tmpfs": {"/run": "rw,nosuid"},
    "devices": ["/dev/null"],
    "shm-size": "256MB",
    "memory": "1gb",
    "cpu": 1.5,
    "cpu-set": "0-1",
    "cap-add": ["SYS_TIME"],
    "privileged": True,
    "security-opts": ["seccomp=unconfined"],
    "runtime": "runsc",
    "cgroupns-mode": "host",
    "cgroup-parent": "/lab",
    "pid-mode": "host",
    "restart-policy": "on-failure:3",
    "auto-remove": True,
    "healthcheck": {"test": ["CMD", "true"], "interval": 5},
    "hostname": "core",
    "ports": ["8080:80"],
    "dns": {"servers": ["192.0.2.53"]},
    "network-mode": "none",
    "aliases": ["www"],
    "mgmt-ipv4": "192.0.2.10",
    "mgmt-ipv6": "2001:db8::10",
    "sysctls": {"net.ipv4.ip_forward": "0"},
}


def both(spec: NodeSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """The node's and the holder's configuration, as the provider would ask for them."""
    network = mode(spec.node) or "mgmt"
    return node_config(spec, network_mode="container:abc"), holder_config(
        spec, image="h", network_mode=network
    )


def node(*interfaces: str, **keys: Any) -> dict[str, Any]:
    return both(spec_of(*interfaces, **keys))[0]


def holder(*interfaces: str, **keys: Any) -> dict[str, Any]:
    return both(spec_of(*interfaces, **keys))[1]


def test_every_key_is_tried() -> None:
    """The keys said to be honoured are those tried here, and those that are about something else."""
    assert {*SAID, "env-files"} == CONFIG_KEYS
    assert {"exec", "image-pull-policy", "mgmt"} == NODE_KEYS - CONFIG_KEYS
    assert HOLDER_KEYS < NODE_KEYS


@pytest.mark.parametrize("key", sorted(SAID))
def test_every_key_changes_what_is_asked_for(key: str) -> None:
    """A key that is said to be honoured changes a container's configuration: the holder's, if it says so."""
    before, after = both(spec_of()), both(spec_of(**{key: SAID[key]}))
    assert before != after
    assert (before[1] != after[1]) == (key in HOLDER_KEYS)


def test_env_files_change_what_is_asked_for(tmp_path: Path) -> None:
    """Variables of files are there, a later file over an earlier, the node's own over both."""
    (tmp_path / "far").write_text("A=far\nB=far\nC=far\n")
    (tmp_path / "near").write_text("B=near\nC=near\n")
    found = node(env_files=[str(tmp_path / "far"), str(tmp_path / "near")], env={"C": "own"})["Env"]
    assert {"A=far", "B=near", "C=own"} <= set(found)


def test_a_plain_node() -> None:
    """A node of which only the image is said leaves the rest to image and engine, and joins its holder."""
    found = node("eth1", "eth2")
    assert (found["Entrypoint"], found["Cmd"], found["User"], found["Healthcheck"]) == (None, None, "", None)
    assert found["Env"] == ["CLAB_INTFS=2"]
    assert found["HostConfig"]["NetworkMode"] == "container:abc"
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert found["HostConfig"]["Memory"] == found["HostConfig"]["CpuQuota"] == 0
    assert "ShmSize" not in found["HostConfig"]
    assert "StopSignal" not in found


def test_what_the_network_has_is_the_holders() -> None:
    """A container that joins another's network asks for nothing that Docker refuses beside that."""
    said = {key: SAID[key] for key in HOLDER_KEYS - {"network-mode"}}
    own = node(**said)
    assert {"Hostname", "ExposedPorts", "NetworkingConfig"}.isdisjoint(own)
    assert {"Dns", "ExtraHosts", "PortBindings"}.isdisjoint(own["HostConfig"])
    found = holder(**said)
    assert found["Hostname"] == "core"
    assert found["ExposedPorts"] == {"80/tcp": {}}
    assert found["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
    assert found["HostConfig"]["Dns"] == ["192.0.2.53"]
    assert found["NetworkingConfig"]["EndpointsConfig"]["mgmt"] == {
        "Aliases": ["r1", "labprov-lab-r1", "www"],
        "IPAMConfig": {"IPv4Address": "192.0.2.10", "IPv6Address": "2001:db8::10"},
    }


def test_a_holder_is_no_node() -> None:
    """A holder carries labprov's identity and its role, none of containerlab's labels, and never restarts."""
    found = holder(labels={"owner": "me"}, restart_policy="always")
    assert found["Labels"] == {
        "labprov.lab": "lab",
        "labprov.node": "r1",
        "labprov.prefix": "labprov",
        "labprov.workspace": "w",
        "labprov.role": "holder",
    }
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "no"}


def test_a_holder_without_management() -> None:
    """With network-mode none the holder is on no network."""
    found = holder(network_mode="none")
    assert found["HostConfig"]["NetworkMode"] == "none"
    assert "NetworkingConfig" not in found


def test_hosts_are_the_holders() -> None:
    """Names for the node's hosts file are given to the holder, IPv6 too."""
    hosts = [("r2", "192.0.2.2"), ("r2", "2001:db8::2")]
    found = holder_config(spec_of(), image="h", network_mode="mgmt", hosts=hosts)
    assert found["HostConfig"]["ExtraHosts"] == ["r2:192.0.2.2", "r2:2001:db8::2"]


def test_a_node_in_the_hosts_network() -> None:
    """Without a holder the node itself has its name, its name servers and its hosts."""
    spec = spec_of(network_mode="host", hostname="core", dns={"servers": ["192.0.2.53"]})
    assert not has_holder(spec.node)
    found = node_config(spec, network_mode="host", hosts=[("r2", "192.0.2.2")])
    assert found["Hostname"] == "core"
    assert found["HostConfig"]["NetworkMode"] == "host"
    assert found["HostConfig"]["Dns"] == ["192.0.2.53"]
    assert found["HostConfig"]["ExtraHosts"] == ["r2:192.0.2.2"]


def test_labels() -> None:
    """containerlab's labels are there, the user's own over them, and nobody's over labprov's."""
    mine = {"owner": "me", "clab-node-group": "mine", "labprov.lab": "other"}
    found = node(labels=mine, type="small", group="spines")["Labels"]
    assert found == {
        "containerlab": "lab",
        "clab-node-name": "r1",
        "clab-node-longname": "labprov-lab-r1",
        "clab-node-kind": "linux",
        "clab-node-type": "small",
        "clab-node-group": "mine",
        "owner": "me",
        **LABELS,
    }


def test_commands_are_split_as_by_a_shell() -> None:
    """Entrypoint and command are words, not lines for a shell."""
    found = node(entrypoint="/bin/sh -c", cmd="'echo \"a b\"; exit' x")
    assert found["Entrypoint"] == ["/bin/sh", "-c"]
    assert found["Cmd"] == ['echo "a b"; exit', "x"]


def test_resources() -> None:
    """Sizes are bytes, and processors a share of time: a node may ask for more than the machine has."""
    found = node(memory="1gb", cpu=64, cpu_set="0-1", shm_size="2GiB")["HostConfig"]
    assert found["Memory"] == 10**9
    assert found["CpuQuota"] == 64 * found["CpuPeriod"]
    assert found["CpusetCpus"] == "0-1"
    assert found["ShmSize"] == 2**31


def test_privileges() -> None:
    """A node of which nothing is said can set up its interfaces; one that is told so has Docker's own few."""
    usual = node(cap_add=["NET_ADMIN", "SYS_TIME"])["HostConfig"]
    assert not usual["Privileged"]
    assert usual["CapAdd"] == ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_TIME"]
    few = node(privileged=False, cap_add=["SYS_TIME"])["HostConfig"]
    assert (few["Privileged"], few["CapAdd"]) == (False, ["SYS_TIME"])
    assert node(privileged=True)["HostConfig"]["Privileged"]


def test_mounts() -> None:
    """Binds keep Docker's options, volumes have a name or are the node's alone."""
    found = node(
        binds=["/a:/b", "/c:/d:ro,z", "/e:/f:rshared"],
        volumes=["/var/log/app", "shared-data:/srv:ro,nocopy"],
        tmpfs={"/run": "rw,nosuid"},
        devices=["/dev/ppp", "/dev/net/tun:/dev/tun:rw"],
    )["HostConfig"]
    assert found["Binds"] == ["/a:/b", "/c:/d:ro,z", "/e:/f:rshared"]
    assert found["Mounts"] == [
        {"Type": "volume", "Target": "/var/log/app"},
        {
            "Type": "volume",
            "Target": "/srv",
            "Source": "shared-data",
            "ReadOnly": True,
            "VolumeOptions": {"NoCopy": True},
        },
    ]
    assert found["Tmpfs"] == {"/run": "rw,nosuid"}
    assert found["Devices"] == [
        {"PathOnHost": "/dev/ppp", "PathInContainer": "/dev/ppp", "CgroupPermissions": "rwm"},
        {"PathOnHost": "/dev/net/tun", "PathInContainer": "/dev/tun", "CgroupPermissions": "rw"},
    ]


def test_settings_of_the_kernel_are_where_they_work() -> None:
    """The network's are the holder's; the node's own, and those of a data interface, its container's."""
    said = {
        "net.ipv4.ip_forward": "0",
        "net/ipv4/conf/all/rp_filter": "2",
        "net.ipv4.conf.eth0.rp_filter": "1",
        "net.ipv4.conf.eth1.rp_filter": "0",
        "kernel.msgmax": "8192",
    }
    assert node("eth1", sysctls=said)["HostConfig"]["Sysctls"] == {
        "net.ipv4.conf.eth1.rp_filter": "0",
        "kernel.msgmax": "8192",
    }
    held = holder("eth1", sysctls=said)["HostConfig"]["Sysctls"]
    held.pop("net.ipv6.conf.all.disable_ipv6", None)  # where the kernel has IPv6
    assert held == {
        "net.ipv4.ip_forward": "0",
        "net.ipv4.conf.all.rp_filter": "2",
        "net.ipv4.conf.eth0.rp_filter": "1",
    }


def test_what_a_node_says_of_ipv6_holds() -> None:
    """IPv6 is on where the kernel has it, unless the node says something about it."""
    said = {"net.ipv6.conf.default.disable_ipv6": "1"}
    assert holder(sysctls=said)["HostConfig"]["Sysctls"] == said


@pytest.mark.parametrize(
    ("said", "name", "count"),
    [
        (None, "no", 0),
        ("no", "no", 0),
        ("always", "always", 0),
        ("unless-stopped", "unless-stopped", 0),
        ("on-failure", "on-failure", 0),
        ("on-failure:5", "on-failure", 5),
    ],
)
def test_restart_policy(said: str | None, name: str, count: int) -> None:
    """Docker's policies, and none if none is said."""
    found = node(restart_policy=said)["HostConfig"]["RestartPolicy"]
    assert found == {"Name": name, "MaximumRetryCount": count}


def test_a_node_that_is_removed_is_not_restarted() -> None:
    """Docker takes only one of the two; removal holds, as for containerlab."""
    found = node(auto_remove=True, restart_policy="always")["HostConfig"]
    assert (found["AutoRemove"], found["RestartPolicy"]["Name"]) == (True, "no")


def test_healthcheck_in_nanoseconds() -> None:
    """The file's seconds are the engine's nanoseconds."""
    said = {"test": ["CMD-SHELL", "true"], "interval": 5, "timeout": 2, "retries": 1, "start-period": 3}
    assert node(healthcheck=said)["Healthcheck"] == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 5 * 10**9,
        "Timeout": 2 * 10**9,
        "StartPeriod": 3 * 10**9,
        "Retries": 1,
    }


def test_pid_mode_names_a_node() -> None:
    """A node of the lab is meant by its name there, any other container by the engine's."""
    spec = spec_of(pid_mode="container:r2")
    found = node_config(spec, network_mode="container:abc", containers={"r2": "labprov-lab-r2"})
    assert found["HostConfig"]["PidMode"] == "container:labprov-lab-r2"
    found = node_config(spec, network_mode="container:abc")
    assert found["HostConfig"]["PidMode"] == "container:r2"


def test_runtime_docker_is_this_one() -> None:
    """containerlab's word for the engine asks for nothing."""
    assert "Runtime" not in node(runtime="docker")["HostConfig"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [(None, "IfNotPresent"), ("ifnotpresent", "IfNotPresent"), (" ALWAYS ", "Always"), ("never", "Never")],
)
def test_pull_policy(said: str | None, wanted: str) -> None:
    """containerlab's policies, in any letters."""
    assert pull_policy(spec_of(image_pull_policy=said).node) is PullPolicy(wanted)


def test_what_makes_no_sense_is_never_asked_for() -> None:
    """A node that can't be made is refused here too, for whom nobody has asked before."""
    with pytest.raises(InvalidInput, match="memory"):
        node(memory="much")


def test_the_library_is_not_imported() -> None:
    """Nothing here needs docker-py, which takes half a second to import."""
    code = "import sys, labprov_docker.accepting, labprov_docker.container, labprov_docker.holder; "
    subprocess.run([sys.executable, "-c", code + "assert 'docker' not in sys.modules"], check=True)
