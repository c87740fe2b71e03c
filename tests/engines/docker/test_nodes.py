"""Nodes on a real engine: made, started, stopped, replaced, removed, whatever was done to them meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from labprov.engine import NodeState
from labprov.errors import Conflict, EngineFailure, ForeignResource
from labprov.model import Mgmt
from labprov_docker.labs import labprov_remove_lab
from labprov_docker.nodes import labprov_create_nodes, labprov_remove_nodes, labprov_stop_nodes
from labprov_docker.places import processes
from tests.engines.docker.rig import FOREVER, Lab, failure, fine

pytestmark = pytest.mark.engine("root", "docker", "ovs")


def test_interfaces_before_the_first_instruction(lab: Lab) -> None:
    """A node's first instruction finds all of its interfaces, with their names, in order, up."""
    r1 = lab.spec("r1", "eth1", "e1-1", cmd="sh -c 'ip -o link; exec sleep 1000000'")
    lab.deploy(r1)
    seen = [line.split(": ")[1].split("@")[0] for line in lab.logs("r1").splitlines()]
    assert seen == ["lo", "eth0", "eth1", "e1-1"]
    node = lab.node("r1")
    assert node.state is NodeState.RUNNING
    assert [(item.name, item.mac, item.tag, item.far) for item in node.interfaces] == [
        (port.end.interface, port.mac, 100, port.far) for port in (r1.ports[1], r1.ports[0])
    ]
    assert node.process == lab.api.inspect_container(lab.id("r1"))["State"]["Pid"]


def test_defined_until_started(lab: Lab) -> None:
    """A node that was created and plugged is defined, with its identity and its interfaces."""
    r1 = lab.spec("r1", "eth1")
    fine(lab.create(r1))
    lab.plug(r1)
    node = lab.node("r1")
    assert (node.state, node.runtime_name, node.process) == (NodeState.DEFINED, r1.runtime_name, None)
    assert (node.lab, node.prefix, node.workspace) == (lab.name, "lpt", lab.workspace_id)
    assert (node.kind, node.definition) == ("linux", "d1")
    assert [item.name for item in node.interfaces] == ["eth1"]


def test_peers_by_name(lab: Lab) -> None:
    """Nodes reach each other over the management network by their names, and over the wire."""
    lab.deploy(lab.spec("r1", "eth1"), lab.spec("r2", "eth1"))
    assert lab.run("r1", "ping", "-c", "1", "-W", "5", "r2").exit_code == 0
    address = lab.node("r2").management_address
    assert address
    assert address in lab.run("r1", "nslookup", "r2").text
    for number in (1, 2):
        lab.run(f"r{number}", "ip", "address", "add", f"10.9.0.{number}/24", "dev", "eth1")
    assert lab.run("r1", "ping", "-c", "1", "-W", "5", "10.9.0.2").exit_code == 0


def test_stop_keeps_the_place(lab: Lab) -> None:
    """A stopped node keeps its interfaces and their addresses, and is found stopped by another process."""
    r1 = lab.spec("r1", "eth1", cmd="sh -c 'trap : TERM; while :; do sleep 1; done'")
    lab.deploy(r1)
    lab.run("r1", "ip", "address", "add", "10.9.0.1/24", "dev", "eth1")
    before = lab.interface("r1:eth1")
    lab.stop("r1")
    lab.again()
    assert lab.node("r1").state is NodeState.STOPPED
    assert lab.interface("r1:eth1") == before
    fine(lab.start(r1))
    assert "10.9.0.1/24" in lab.run("r1", "ip", "address", "show", "eth1").text


def test_stop_asks_first(lab: Lab) -> None:
    """With a grace a process may end as it likes."""
    lab.deploy(
        lab.spec("r1", cmd="sh -c 'trap \"echo bye; exit 0\" TERM; echo up; while :; do sleep 1; done'")
    )
    while "up" not in lab.logs("r1"):
        pass
    lab.stop("r1", grace=60)
    assert "bye" in lab.logs("r1")


@pytest.mark.parametrize("policy", ["no", "always"])
def test_stop_whatever_state(lab: Lab, policy: str) -> None:
    """A paused, a crashed, a restarting, a created and an absent node are all stopped, and stay so."""
    paused, created, absent = (lab.spec(name, restart_policy=policy) for name in ("r1", "r3", "r4"))
    ended = lab.spec("r2", cmd="sh -c 'sleep 0.5; exit 3'", restart_policy=policy)
    lab.deploy(paused, ended, absent)
    fine(lab.create(created))
    lab.api.pause(lab.id("r1"))
    assert lab.node("r1").state is NodeState.PAUSED
    while (state := lab.node("r2").state) is NodeState.RUNNING:
        pass
    assert state is (NodeState.CRASHED if policy == "no" else NodeState.STARTING)
    gone = lab.node("r4")
    lab.remove("r4")
    fine(labprov_stop_nodes(lab.scope, [*(lab.node(f"r{number}") for number in (1, 2, 3)), gone], 0))
    states = {node.node: node.state for node in lab.observe().nodes}
    assert states == {"r1": NodeState.STOPPED, "r2": NodeState.STOPPED, "r3": NodeState.DEFINED}
    lab.stop("r1", "r2", "r3")


def test_paused_goes_on(lab: Lab) -> None:
    r1 = lab.spec("r1")
    lab.deploy(r1)
    process = lab.node("r1").process
    lab.api.pause(lab.id("r1"))
    fine(lab.start(r1))
    assert (lab.node("r1").state, lab.node("r1").process) == (NodeState.RUNNING, process)


def test_crash_is_no_stop(lab: Lab) -> None:
    """A process that was killed by somebody else has crashed; its interfaces stay; a start brings it back."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1)
    before, process = lab.interface("r1:eth1"), lab.node("r1").process
    assert process is not None
    os.kill(process, signal.SIGKILL)
    lab.api.wait(lab.id("r1"))
    assert lab.node("r1").state is NodeState.CRASHED
    assert lab.interface("r1:eth1") == before
    fine(lab.start(r1))
    assert lab.node("r1").state is NodeState.RUNNING


def test_restart_by_the_engine(lab: Lab) -> None:
    """``docker restart`` gives the node its interfaces back, with nothing of labprov running."""
    r1, r2 = lab.spec("r1", "eth1"), lab.spec("r2", "eth1")
    lab.deploy(r1, r2)
    before, process = lab.interface("r1:eth1"), lab.node("r1").process
    lab.api.restart(lab.id("r1"), timeout=0)
    lab.again()
    assert lab.interface("r1:eth1") == before
    assert lab.node("r1").process != process


def test_holder_dies(lab: Lab) -> None:
    """A node goes on without its holder, links and all; its next start makes both anew."""
    r1, r2 = lab.spec("r1", "eth1"), lab.spec("r2", "eth1")
    lab.deploy(r1, r2)
    before = lab.interface("r1:eth1")
    lab.api.kill(lab.id("r1", "holder"))
    lab.api.wait(lab.id("r1", "holder"))
    assert lab.interface("r1:eth1") == before
    lab.plug(r1)
    assert lab.interface("r1:eth1") == before
    lab.stop("r1")
    assert lab.observe().nodes
    fine(lab.start(r1))
    assert lab.interface("r1:eth1").tag == 100
    assert lab.run("r1", "ip", "link", "show", "eth1").exit_code == 0


def test_holder_started_again(lab: Lab) -> None:
    """Where the holder was restarted under a running node, the node's own namespace is the place."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1)
    lab.api.restart(lab.id("r1", "holder"), timeout=0)
    assert [item.name for item in lab.node("r1").interfaces] == ["eth1"]


def test_all_containers_restarted(lab: Lab) -> None:
    """After all of a lab's containers have ended, plug and start make it whole: as after a reboot."""
    r1, r2 = lab.spec("r1", "eth1"), lab.spec("r2", "eth1")
    lab.deploy(r1, r2)
    for role in ("node", "holder"):
        for container in lab.containers(role).values():
            lab.api.kill(container)
            lab.api.wait(container)
    assert {node.interfaces for node in lab.observe().nodes} == {()}
    lab.plug(r1, r2)
    fine(lab.start(r1, r2))
    assert lab.interface("r1:eth1").far == r1.ports[0].far


def test_container_removed_behind_our_back(lab: Lab) -> None:
    """A holder that is left is the node, defined, under its name; a start makes its container again."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1)
    before = lab.interface("r1:eth1")
    lab.api.remove_container(lab.id("r1"), force=True)
    node = lab.node("r1")
    assert (node.state, node.runtime_name) == (NodeState.DEFINED, r1.runtime_name)
    assert (node.definition, node.kind) == ("d1", "linux")
    assert node.interfaces == (before,)
    fine(lab.start(r1))
    assert lab.node("r1").state is NodeState.RUNNING
    assert lab.interface("r1:eth1") == before


def test_holder_removed_behind_our_back(lab: Lab) -> None:
    """A node that can't be started again has a definition that nobody wants, so that it is replaced."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1)
    assert lab.node("r1").definition == "d1"
    lab.api.remove_container(lab.id("r1", "holder"), force=True)
    assert lab.node("r1").definition == "", "it runs on, and would not come back from a restart"
    assert lab.interface("r1:eth1").tag == 100
    lab.stop("r1")
    node = lab.node("r1")
    assert node.definition == ""
    assert "gone" in failure(lab.start(r1)).message
    new = evolve(r1, replaces=node, changed=frozenset())
    fine(lab.create(new))
    fine(lab.start(new))
    assert lab.interface("r1:eth1").tag == 100


def test_renamed_is_the_same(lab: Lab) -> None:
    """Labels decide: a container that was renamed is still the node."""
    r1 = lab.spec("r1")
    lab.deploy(r1)
    lab.api.rename(lab.id("r1"), f"other-{lab.name}")
    assert lab.node("r1").runtime_name == f"other-{lab.name}"
    lab.stop("r1")
    fine(lab.start(r1))
    lab.remove("r1")
    assert lab.observe().nodes == ()


# ---------------------------------------------------------------------------------------------------------
# Replacing


def test_replaced_in_its_place(lab: Lab) -> None:
    """Another environment takes another container, and neither another namespace nor other ports."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1)
    lab.run("r1", "ip", "address", "add", "10.9.0.1/24", "dev", "eth1")
    before, holder = lab.interface("r1:eth1"), lab.id("r1", "holder")
    new = lab.spec(
        "r1", "eth1", definition="d2", env={"A": "1"}, replaces=lab.node("r1"), changed=frozenset({"env"})
    )
    fine(lab.create(new))
    assert (lab.node("r1").state, lab.node("r1").definition) == (NodeState.DEFINED, "d2")
    fine(lab.start(new))
    assert lab.id("r1", "holder") == holder
    assert lab.interface("r1:eth1") == before
    assert "10.9.0.1/24" in lab.run("r1", "ip", "address").text
    assert lab.run("r1", "sh", "-c", "echo $A").text == "1\n"


@pytest.mark.parametrize("changed", [frozenset({"hostname"}), None])
def test_replaced_with_its_holder(lab: Lab, changed: frozenset[str] | None) -> None:
    """What the holder carries, or nobody knows, takes a new one; its ports are there when create returns."""
    r1, r2 = lab.spec("r1", "eth1"), lab.spec("r2", "eth1")
    lab.deploy(r1, r2)
    before, holder = lab.interface("r1:eth1"), lab.id("r1", "holder")
    new = lab.spec("r1", "eth1", definition="d2", hostname="other", replaces=lab.node("r1"), changed=changed)
    fine(lab.create(new))
    assert lab.id("r1", "holder") != holder
    assert evolve(lab.interface("r1:eth1"), device=before.device) == before
    fine(lab.start(new))
    assert lab.run("r1", "hostname").text == "other\n"


def test_missing_image_takes_nothing_away(lab: Lab) -> None:
    """Where the new image is not to be had, the old node goes on."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1)
    before = lab.node("r1")
    new = lab.spec("r1", "eth1", image="localhost:1/none:1", replaces=before, changed=frozenset({"image"}))
    error = failure(lab.create(new))
    assert "localhost:1/none:1" in error.message
    assert (error.node, error.lab) == ("r1", lab.name)
    assert "docker pull" in (error.remedy or "")
    assert lab.node("r1") == before


# ---------------------------------------------------------------------------------------------------------
# Failures


def test_never_pulled(lab: Lab) -> None:
    """With the policy Never nobody asks a registry; the other nodes are made."""
    bad, good = lab.spec("r1", image="localhost:1/none:1", image_pull_policy="Never"), lab.spec("r2")
    error = failure(lab.create(bad, good))
    assert "Never" in error.message
    assert [node.node for node in lab.observe().nodes] == ["r2"]


def test_foreign_name(lab: Lab) -> None:
    """A container of that name that is not ours stays as it is, and nothing of the node is left."""
    r1, r2 = lab.spec("r1", "eth1"), lab.spec("r2")
    foreign = lab.api.create_container(lab.image, FOREVER, name=r1.runtime_name)["Id"]
    try:
        assert isinstance(failure(lab.create(r1, r2)), ForeignResource)
        seen = {node.runtime_name: node.state for node in lab.observe(r1.runtime_name).nodes}
        assert seen == {r1.runtime_name: NodeState.FOREIGN, r2.runtime_name: NodeState.DEFINED}
        assert set(lab.containers("holder")) == {"r2"}
        assert lab.api.inspect_container(foreign)["State"]["Status"] == "created"
    finally:
        lab.api.remove_container(foreign)


def test_port_taken(lab: Lab) -> None:
    """A port that is published already is a conflict that names it; nothing of the node is left."""
    lab.deploy(lab.spec("r1", ports=["127.0.0.1:48763:80"]))
    error = failure(lab.create(lab.spec("r2", ports=["127.0.0.1:48763:80"])))
    assert isinstance(error, Conflict)
    assert "48763" in error.message
    assert [node.node for node in lab.observe().nodes] == ["r1"]
    assert set(lab.containers("holder")) == {"r1"}


def test_command_that_is_not_there(lab: Lab) -> None:
    r1 = lab.spec("r1", cmd="/no/such/program")
    fine(lab.create(r1))
    error = failure(lab.start(r1))
    assert "/no/such/program" in error.message
    assert lab.node("r1").state is NodeState.DEFINED


def test_command_that_fails_at_once(lab: Lab) -> None:
    """What ends before anybody can look, and not well, was not started: the error has its last words."""
    r1, r2 = lab.spec("r1", cmd="sh -c 'echo oh no; exit 4'"), lab.spec("r2", cmd="true")
    fine(lab.create(r1, r2))
    outcomes = lab.start(r1, r2)
    if outcomes[0] is not None:  # else it ended a moment later
        assert "exit 4" in outcomes[0].message
        assert "oh no" in outcomes[0].message
    assert outcomes[1] is None
    lab.api.wait(lab.id("r1"))
    assert lab.node("r1").state is NodeState.CRASHED


def test_done_twice(lab: Lab) -> None:
    """What a kill may have left is used or made anew: a holder alone, a container not started."""
    r1, r2 = lab.spec("r1", "eth1"), lab.spec("r2")
    fine(lab.create(r1, r2))
    lab.api.remove_container(lab.id("r1"))
    fine(lab.create(r1, r2))
    fine(lab.create(r1, r2))
    lab.plug(r1)
    lab.plug(r1)
    fine(lab.start(r1, r2))
    processes_before = {node.node: node.process for node in lab.observe().nodes}
    fine(lab.start(r1, r2))
    assert {node.node: node.process for node in lab.observe().nodes} == processes_before


# ---------------------------------------------------------------------------------------------------------
# Networks


def test_without_management(lab: Lab) -> None:
    """With network-mode none a node has its data interfaces and no other; eth0 is one of them."""
    r1 = lab.spec("r1", "eth0", "eth1", network_mode="none")
    lab.deploy(r1)
    assert lab.node("r1").management_address is None
    assert [item.name for item in lab.node("r1").interfaces] == ["eth0", "eth1"]
    assert lab.api.networks(filters={"label": [f"labprov.lab={lab.name}"]}) == []


def test_another_network(lab: Lab) -> None:
    """A node in the host's network, and one in another node's, have no holder."""
    lab.deploy(
        lab.spec("r1", "eth1"),
        lab.spec("r2", network_mode="host"),
        lab.spec("r3", network_mode="container:r1"),
    )
    assert set(lab.containers("holder")) == {"r1"}
    assert {node.state for node in lab.observe().nodes} == {NodeState.RUNNING}
    assert lab.node("r2").interfaces == lab.node("r3").interfaces == ()
    assert "eth1" in lab.run("r3", "ip", "link").text
    lab.stop("r2", "r3")
    assert {lab.node(name).state for name in ("r2", "r3")} == {NodeState.STOPPED}


def test_management_network_of_ones_own(lab: Lab) -> None:
    """Subnet and addresses are as the topology has them."""
    r1 = lab.spec("r1", mgmt_ipv4="198.18.79.11")
    mgmt = Mgmt(ipv4_subnet="198.18.79.0/24", settings={"ipv4-gw": "198.18.79.254"})
    lab.prepare(r1, mgmt=mgmt)
    fine(labprov_create_nodes(lab.scope, [r1]))
    fine(lab.start(r1))
    assert lab.node("r1").management_address == "198.18.79.11"
    assert "198.18.79.254" in lab.run("r1", "ip", "route").text


def test_network_of_somebody_else(lab: Lab) -> None:
    """A network that is there under the topology's name is used, and stays."""
    name = f"theirs-{lab.name}"
    network = lab.api.create_network(name, driver="bridge")["Id"]
    try:
        r1 = lab.spec("r1")
        lab.prepare(r1, mgmt=Mgmt(network=name))
        fine(labprov_create_nodes(lab.scope, [r1]))
        holder = lab.api.inspect_container(lab.id("r1", "holder"))
        assert list(holder["NetworkSettings"]["Networks"]) == [name]
        lab.destroy()
        assert lab.api.networks(ids=[network])
    finally:
        lab.api.remove_network(network)


def test_named_network_goes_with_its_last_lab(make_lab: Callable[..., Lab]) -> None:
    """Labs may share a network by its name; it goes with the last of them."""
    one = make_lab()
    two = make_lab(owner=one.workspace_id)
    mgmt = Mgmt(network=f"shared-{one.name}")
    for lab in (one, two):
        lab.prepare(lab.spec("r1"), mgmt=mgmt)
        fine(labprov_create_nodes(lab.scope, [lab.spec("r1")]))
    one.destroy()
    assert two.api.networks(names=[mgmt.network])
    two.destroy()
    assert not two.api.networks(names=[mgmt.network])


def test_somebody_on_our_network(lab: Lab) -> None:
    """A container of somebody else's on the lab's network is named, and stays; then the network goes."""
    lab.deploy(lab.spec("r1"))
    (network,) = lab.observe().resources[:1]
    foreign = lab.api.create_container(
        lab.image, FOREVER, host_config=lab.api.create_host_config(network_mode=network.name)
    )["Id"]
    lab.api.start(foreign)
    try:
        lab.remove("r1")
        with pytest.raises(ForeignResource) as caught:
            labprov_remove_lab(lab.scope)
        assert network.name in caught.value.message
        assert lab.api.inspect_container(foreign)["State"]["Running"]
    finally:
        lab.api.remove_container(foreign, force=True)
    labprov_remove_lab(lab.scope)
    assert (lab.observe().nodes, lab.observe().resources) == ((), ())


# ---------------------------------------------------------------------------------------------------------
# Whose is what


def test_labs_are_told_apart(make_lab: Callable[..., Lab]) -> None:
    """What of ``lab1`` is removed is nothing of ``lab10``, nor of the ``lab1`` of another workspace."""
    one = make_lab()
    ten, other = make_lab(f"{one.name}0", one.workspace_id), make_lab(one.name)
    for lab in (one, ten):
        lab.deploy(lab.spec("r1", "eth1"))
    foreign = other.spec("r1", "eth1")
    other.deploy(evolve(foreign, runtime_name=f"o-{foreign.runtime_name}", holder_name=f"h-{other.name}"))
    assert {node.workspace for node in one.observe().nodes} == {one.workspace_id, other.workspace_id}
    mine = [node for node in one.observe().nodes if node.workspace == one.workspace_id]
    assert len(mine) == 1
    fine(labprov_remove_nodes(one.scope, mine))
    labprov_remove_lab(one.scope)
    assert [node.workspace for node in other.observe().nodes] == [other.workspace_id]
    assert ten.interface("r1:eth1").far is not None
    theirs = next(node for node in other.observe().nodes)
    assert theirs.interfaces[0].far is not None
    assert theirs.state is NodeState.RUNNING


def test_copy_of_a_node(lab: Lab) -> None:
    """An image made of a node has its labels; what somebody runs of it is theirs, and stays."""
    r1 = lab.spec("r1", "eth1")
    lab.deploy(r1)
    before = lab.node("r1")
    image = lab.api.commit(lab.id("r1"), repository=f"labprov-test-{lab.name}")["Id"]
    copy = lab.api.create_container(image, FOREVER, name=f"copy-{lab.name}")["Id"]
    try:
        lab.api.start(copy)
        seen = {node.runtime_name: node.state for node in lab.observe(f"copy-{lab.name}").nodes}
        assert seen == {r1.runtime_name: NodeState.RUNNING, f"copy-{lab.name}": NodeState.FOREIGN}
        assert lab.node("r1") == before
        lab.destroy()
        assert lab.observe().resources == ()
        assert lab.api.inspect_container(copy)["State"]["Running"]
    finally:
        lab.api.remove_container(copy, force=True)
        lab.api.remove_image(image)


def test_one_list_for_all(lab: Lab) -> None:
    """However many nodes there are, nothing is asked about each."""
    lab.deploy(*(lab.spec(f"r{number}") for number in range(4)))
    asked: list[str] = []
    api = lab.api
    real = api.send

    def send(request: Any, **words: Any) -> Any:
        asked.append(f"{request.method} {request.path_url.split('?')[0].split('/', 2)[2]}")
        return real(request, **words)

    api.send = send
    lab.observe()
    api.send = real
    assert sorted(asked) == ["GET containers/json", "GET networks"]


def test_processes_without_asking(lab: Lab) -> None:
    """First processes are found in /proc; one of a pid namespace that is the host's, too."""
    lab.deploy(lab.spec("r1"), lab.spec("r2", pid_mode="host", cmd="sh -c 'sleep 1000000 & wait'"))
    for name in ("r1", "r2"):
        container = lab.id(name)
        told = lab.api.inspect_container(container)["State"]["Pid"]
        assert processes(lab.scope, [container]) == {container: told}


def test_volumes_go_too(lab: Lab) -> None:
    """Anonymous volumes of a node are its own."""
    lab.deploy(lab.spec("r1", volumes=["/data"]))
    (mount,) = lab.api.inspect_container(lab.id("r1"))["Mounts"]
    lab.remove("r1")
    assert not lab.api.volumes(filters={"name": mount["Name"]})["Volumes"]


def test_startup_delay(lab: Lab) -> None:
    """A node waits as long as it says after the others' start."""
    specs = [lab.spec("r1", startup_delay=1), lab.spec("r2")]
    lab.deploy(*specs)
    late, early = (lab.api.inspect_container(lab.id(name))["State"]["StartedAt"] for name in ("r1", "r2"))
    assert late > early


def test_engine_fails_in_the_midst(lab: Lab) -> None:
    """A holder that was not prepared for has no network, and says so."""
    error = failure(labprov_create_nodes(lab.scope, [lab.spec("r1")]))
    assert isinstance(error, EngineFailure)
    assert "management network" in error.message
