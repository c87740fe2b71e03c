"""Every rule of "desired decides", one by one, and all together on random labs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from labprov import identity
from labprov.allocation import by_endpoint, wires
from labprov.builder import TopologyBuilder
from labprov.engine import (
    Alone,
    BridgeType,
    HostEnd,
    Join,
    Joined,
    NodeState,
    Observed,
    ObservedInterface,
    ObservedNode,
    Peer,
    ProviderInfo,
)
from labprov.errors import (
    ForeignResource,
    NotSupported,
    OtherWorkspace,
    TagsExhausted,
    Unavailable,
    WouldReplace,
)
from labprov.facts import Facts
from labprov.model import Allocations, Endpoint, Link, Node, Topology
from labprov.plan import Plan
from labprov.reconcile import reconcile
from labprov.saved import Commands, Saved
from labprov.tags import Recovery

WORKSPACE = "w"
ALL_JOINS = frozenset({Join.PAIR, Join.BRIDGE, Join.HOST})


def info(name: str, joins: frozenset[Join] = ALL_JOINS) -> ProviderInfo:
    return ProviderInfo(name=name, version="1", joins=joins)


def with_provider(topology: Topology, provider: str = "mem") -> Topology:
    nodes = tuple(
        evolve(node, provider=node.provider or provider) if node.is_machine else node
        for node in topology.nodes
    )
    return evolve(topology, nodes=nodes)


def chain(*names: str, **attributes: object) -> Topology:
    """Nodes in a row: each one's eth2 is joined to the next one's eth1."""
    builder = TopologyBuilder("lab")
    for name in names:
        builder.add_node(name, **attributes)
    for left, right in pairwise(names):
        builder.add_link(f"{left}:eth2", f"{right}:eth1")
    return with_provider(builder.build())


def decide(
    desired: Topology | None,
    observed: Observed = Observed(),  # noqa: B008 - frozen and empty
    persisted: Allocations | None = None,
    **facts: object,
) -> Plan:
    """Reconcile as an operation would: the kept tags by labprov's own rule."""
    captured = {
        Endpoint(node.node, item.name): item.tag
        for node in observed.nodes
        if node.workspace == WORKSPACE and node.lab == "lab"
        for item in node.interfaces
        if item.tag
    }
    existing = frozenset(node.node for node in observed.nodes)
    kept = Recovery().labprov_recover_allocations(persisted, desired, existing, captured)
    values: dict[str, object] = {
        "lab": "lab",
        "workspace": WORKSPACE,
        "kept": kept,
        "providers": {"mem": info("mem"), "other": info("other", frozenset({Join.BRIDGE}))},
        "bridge": "lp-bridge",
    }
    return reconcile(desired, persisted, observed, Facts(**(values | facts)))  # type: ignore[arg-type]


def carried_out(plan: Plan, before: Observed = Observed()) -> Observed:  # noqa: B008 - frozen and empty
    """What an engine holds that did all of the plan."""
    going = {(node.provider, node.node) for node in plan.remove}
    nodes = {
        (node.provider, node.node): node for node in before.nodes if (node.provider, node.node) not in going
    }
    for spec in plan.create:
        provider = plan.providers[spec.name]
        old = nodes.get((provider, spec.name))
        nodes[provider, spec.name] = ObservedNode(
            lab=spec.labels["labprov.lab"],
            node=spec.name,
            provider=provider,
            runtime_name=spec.runtime_name,
            state=NodeState.DEFINED,
            prefix=spec.labels["labprov.prefix"],
            workspace=spec.labels["labprov.workspace"],
            definition=spec.definition,
            interfaces=old.interfaces if old else (),
        )
    pulled = {end for _, end in plan.unplug}
    made = {port.end: port for port in (*plan.park, *plan.plug)}
    for key, node in nodes.items():
        kept = {item.name: item for item in node.interfaces if Endpoint(node.node, item.name) not in pulled}
        for end, port in made.items():
            if end.node == node.node and plan.providers[end.node] == node.provider:
                kept[end.interface] = ObservedInterface(
                    name=end.interface, mac=port.mac, tag=port.tag, far=port.far, mtu=port.mtu
                )
        nodes[key] = evolve(node, interfaces=tuple(kept.values()))
    for spec in plan.start:
        key = (plan.providers[spec.name], spec.name)
        nodes[key] = evolve(nodes[key], state=NodeState.RUNNING)
    return Observed(tuple(nodes.values()))


def deployed(topology: Topology) -> tuple[Observed, Allocations, Saved]:
    """The three sources after a deploy of *topology* that went well."""
    plan = decide(topology)
    assert plan.document is not None
    assert plan.saved is not None
    return carried_out(plan), plan.document, evolve(plan.saved, commands={}, previous=())


def without(observed: Observed, *names: str) -> Observed:
    """Those nodes vanished behind our back, and the other ends of their pairs with them."""
    nodes = []
    for node in observed.nodes:
        if node.node not in names:
            alive = tuple(
                item
                for item in node.interfaces
                if not (isinstance(item.far, Peer) and item.far.end.node in names)
            )
            nodes.append(evolve(node, interfaces=alive))
    return Observed(tuple(nodes))


def changed(observed: Observed, name: str, change: Callable[[ObservedNode], ObservedNode]) -> Observed:
    return Observed(tuple(change(node) if node.node == name else node for node in observed.nodes))


def names(specs: tuple[object, ...]) -> list[str]:
    return [getattr(spec, "name", None) or spec.node for spec in specs]  # type: ignore[attr-defined]


def test_first_deploy_makes_everything() -> None:
    """Nothing is there: all nodes are created, plugged and started, both ends of each link as peers."""
    plan = decide(chain("a", "b"))
    assert names(plan.create) == names(plan.start) == ["a", "b"]
    assert [(str(port.end), port.tag, port.far) for port in plan.plug] == [
        ("a:eth2", 100, Peer(Endpoint("b", "eth1"))),
        ("b:eth1", 100, Peer(Endpoint("a", "eth2"))),
    ]
    assert plan.persist
    assert plan.prepare == ("mem",)


def test_no_op_changes_nothing() -> None:
    """There and desired, same definition: no engine is written to, no file either."""
    topology = chain("a", "b", "c")
    observed, document, saved = deployed(topology)
    plan = decide(topology, observed, document, saved=saved)
    assert plan.empty
    assert not plan.persist
    assert not plan.prepare
    assert plan.recovered == 4


def test_gone_and_desired_is_recreated_with_its_tags() -> None:
    """One node is gone: it alone is made again, its links whole, every tag and MAC as before."""
    topology = chain("a", "b", "c")
    observed, document, saved = deployed(topology)
    plan = decide(topology, without(observed, "b"), document, saved=saved)
    assert names(plan.create) == names(plan.start) == ["b"]
    assert {str(port.end) for port in plan.plug} == {"a:eth2", "b:eth1", "b:eth2", "c:eth1"}
    assert plan.document == document
    assert not plan.dropped


def test_gone_and_not_desired_is_dropped() -> None:
    """A node that is gone and no longer wanted loses its entry; the others keep their tags."""
    observed, document, saved = deployed(chain("a", "b", "c"))
    plan = decide(chain("a", "b"), without(observed, "c"), document, saved=saved)
    assert plan.document is not None
    assert dict(plan.document.allocations) == {"a": (100,), "b": (100,)}
    assert Endpoint("c", "eth1") in plan.dropped
    assert plan.persist


def test_gone_and_unknown_is_dropped() -> None:
    """Nobody knows what is wanted: what lives keeps its tags, what is gone loses its entry."""
    observed, document, _ = deployed(chain("a", "b", "c"))
    plan = decide(None, without(observed, "c"), document)
    assert plan.empty
    assert plan.document is not None
    assert by_endpoint(plan.document) == {Endpoint("a", "eth2"): 100, Endpoint("b", "eth1"): 100}


def test_nothing_survived_and_nothing_is_desired() -> None:
    """The document is gone then, not stale."""
    _, document, _ = deployed(chain("a", "b"))
    plan = decide(None, Observed(), document)
    assert plan.document is None
    assert plan.persist


def test_file_lost_is_rebuilt_from_the_engine() -> None:
    """Without a document the tags that ports carry are kept; next_vlan is one after the highest."""
    topology = chain("a", "b", "c")
    observed, document, saved = deployed(topology)
    plan = decide(topology, observed, None, saved=saved)
    assert plan.document == document
    assert plan.empty
    assert plan.persist


def test_another_definition_is_replaced_in_place() -> None:
    """The node alone is replaced; its place, its tags and its peers' ports stay."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    new = evolve(topology, nodes=(evolve(topology.nodes[0], image="new"), topology.nodes[1]))
    plan = decide(new, observed, document, saved=saved)
    assert names(plan.create) == names(plan.start) == ["a"]
    assert plan.create[0].replaces is not None
    assert plan.reasons == {"a": "image changed"}
    assert not plan.plug
    assert not plan.remove
    assert plan.document == document
    assert "replace a: image changed" in plan.lines()


def test_keep_refuses_to_replace() -> None:
    """With ``--keep`` a replacement is a conflict that names node and reason."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    new = evolve(topology, nodes=(evolve(topology.nodes[0], image="new"), topology.nodes[1]))
    with pytest.raises(WouldReplace, match="a: image changed"):
        decide(new, observed, document, saved=saved, keep=True)
    assert decide(topology, observed, document, saved=saved, keep=True).empty


def test_reconfigure_replaces_all() -> None:
    """With ``--reconfigure`` every node is replaced, and no link is touched."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    plan = decide(topology, observed, document, saved=saved, reconfigure=True)
    assert names(plan.create) == ["a", "b"]
    assert not plan.plug


def test_commands_change_in_place() -> None:
    """Other ``exec`` lines touch no node: they are for the next start."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    new = evolve(topology, nodes=(evolve(topology.nodes[0], exec=("true",)), topology.nodes[1]))
    plan = decide(new, observed, document, saved=saved)
    assert plan.empty
    assert plan.persist


def test_another_provider_is_another_node() -> None:
    """The node is removed there and made here; its peers stand alone in between."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    new = evolve(topology, nodes=(evolve(topology.nodes[0], provider="other"), topology.nodes[1]))
    plan = decide(
        new, observed, document, saved=saved, providers={"mem": info("mem"), "other": info("other")}
    )
    assert names(plan.remove) == ["a"]
    assert names(plan.create) == ["a"]
    assert [(str(port.end), port.far) for port in plan.park] == [("b:eth1", Alone())]
    assert {port.far for port in plan.plug} == {Joined("lp-bridge", BridgeType.OVS)}
    assert "provider changed" in plan.reasons["a"]


def test_there_and_not_desired_is_removed_after_its_peers_are_parked() -> None:
    """A node that left the file goes; the peer's interface is pulled only if the file has it no more."""
    topology = chain("a", "b", "c")
    observed, document, saved = deployed(topology)
    new = evolve(
        chain("a", "b"), nodes=(chain("a").nodes[0], evolve(chain("b").nodes[0], interfaces=("eth2",)))
    )
    plan = decide(new, observed, document, saved=saved)
    assert names(plan.remove) == ["c"]
    assert [(str(port.end), port.far) for port in plan.park] == [("b:eth2", Alone())]
    assert not plan.create
    assert not plan.unplug


def test_a_link_that_left_is_exactly_what_is_removed() -> None:
    """Its interfaces go, nothing else is touched."""
    observed, document, saved = deployed(chain("a", "b", "c"))
    new = evolve(chain("a", "b", "c"), links=chain("a", "b").links)
    plan = decide(new, observed, document, saved=saved)
    assert sorted(str(end) for _, end in plan.unplug) == ["b:eth2", "c:eth1"]
    assert not any((plan.plug, plan.create, plan.remove, plan.start))


@pytest.mark.parametrize(
    "state", [NodeState.STOPPED, NodeState.CRASHED, NodeState.DEFINED], ids=lambda state: state.value
)
def test_a_node_that_does_not_run_is_started(state: NodeState) -> None:
    """Deploy and recover start what is wanted and there, with the links it has."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    down = changed(observed, "a", lambda node: evolve(node, state=state))
    plan = decide(topology, down, document, saved=saved)
    assert names(plan.start) == ["a"]
    assert not plan.create
    assert not plan.plug


@pytest.mark.parametrize(
    "state", [NodeState.RUNNING, NodeState.STARTING, NodeState.PAUSED, NodeState.UNKNOWN]
)
def test_a_node_that_runs_is_left_alone(state: NodeState) -> None:
    """Nothing is restarted unasked."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    plan = decide(
        topology, changed(observed, "a", lambda node: evolve(node, state=state)), document, saved=saved
    )
    assert plan.empty


def test_foreign_thing_with_our_name_is_a_conflict() -> None:
    """Our name without our labels: never adopted, and nothing is made."""
    foreign = ObservedNode(
        lab="", node="", provider="mem", runtime_name="labprov-lab-a", state=NodeState.FOREIGN
    )
    with pytest.raises(ForeignResource, match="labprov-lab-a exists already"):
        decide(chain("a", "b"), Observed((foreign,)))


def test_name_of_another_lab_of_ours_gets_a_suffix() -> None:
    """Where another (lab, node) of ours has the plain name, the newcomer takes the next one."""
    other = ObservedNode(
        lab="la",
        node="b-a",
        provider="mem",
        runtime_name="labprov-lab-a",
        state=NodeState.RUNNING,
        prefix="labprov",
        workspace=WORKSPACE,
    )
    plan = decide(chain("a"), Observed((other,)))
    assert plan.create[0].runtime_name in identity.candidates("labprov", "lab", "a")[1:]
    assert not plan.remove


def test_lab_of_another_workspace_is_a_conflict_to_deploy_and_invisible_to_destroy() -> None:
    """Two workspaces never work on one lab."""
    observed, _, _ = deployed(chain("a", "b"))
    theirs = Observed(tuple(evolve(node, workspace="other") for node in observed.nodes))
    with pytest.raises(OtherWorkspace):
        decide(chain("a", "b"), theirs)
    assert decide(Topology(name="lab"), theirs).empty


def test_destroy_removes_all_of_the_lab_and_nothing_else() -> None:
    """Nothing is desired: all nodes go, the documents too; ``lab1`` is not ``lab10``."""
    observed, document, saved = deployed(chain("a", "b"))
    near = ObservedNode(
        lab="lab1", node="a", provider="mem", runtime_name="x", state=NodeState.RUNNING, workspace=WORKSPACE
    )
    everything = Observed((*observed.nodes, near))
    plan = decide(Topology(name="lab"), everything, document, saved=saved, asked=frozenset({"mem"}))
    assert names(plan.remove) == ["a", "b"]
    assert {node.lab for node in plan.remove} == {"lab"}
    assert plan.document is None
    assert plan.saved is None
    assert plan.forget == ("mem",)


def test_interrupted_commands_are_finished() -> None:
    """Commands that nobody began are run; where labprov died in their midst they meet fresh interfaces."""
    topology = chain("a", "b", exec=("ip link",))
    observed, document, _ = deployed(topology)
    due = Saved(topology=topology, commands={"a": Commands.DUE})
    plan = decide(topology, observed, document, saved=due)
    assert plan.commands == ("a",)
    assert not plan.create
    begun = Saved(topology=topology, commands={"a": Commands.BEGUN})
    plan = decide(topology, observed, document, saved=begun)
    assert plan.commands == ("a",)
    assert not any((plan.remove, plan.create, plan.start)), "the node itself, and its disk, stay"
    assert [str(end) for _, end in plan.unplug] == ["a:eth2"]
    assert {str(port.end) for port in plan.plug} == {"a:eth2", "b:eth1"}
    assert decide(topology, observed, document, saved=begun, keep=True).commands == ("a",)
    assert [(str(port.end), port.far) for port in plan.park] == [("b:eth1", Alone())]


def test_commands_follow_interfaces_made_anew() -> None:
    """They run after a first start, not after a restart whose interfaces stayed, not on a no-op."""
    topology = chain("a", "b", exec=("ip link",))
    assert decide(topology).commands == ("a", "b")
    observed, document, saved = deployed(topology)
    assert decide(topology, observed, document, saved=saved).commands == ()
    stopped = changed(observed, "a", lambda node: evolve(node, state=NodeState.STOPPED))
    assert decide(topology, stopped, document, saved=saved).commands == ()
    bare = changed(without(observed, "b"), "a", lambda node: evolve(node, state=NodeState.STOPPED))
    assert decide(topology, bare, document, saved=saved).commands == ("a", "b")


def test_commands_after_a_lost_interface_wait_for_the_next_start() -> None:
    """A node that lost one of its interfaces keeps running; its next start makes all of them anew."""
    topology = chain("a", "b", "c", exec=("ip link",))
    observed, document, saved = deployed(topology)
    robbed = without(observed, "c")
    plan = decide(topology, robbed, document, saved=saved)
    assert names(plan.create) == ["c"]
    assert plan.saved is not None
    assert plan.saved.commands == {"b": Commands.LOST, "c": Commands.DUE}
    assert any("restart it" in warning for warning in plan.warnings)
    healed = carried_out(plan, robbed)
    later = Saved(topology=topology, commands={"b": Commands.LOST})
    assert decide(topology, healed, document, saved=later).empty
    stopped = changed(healed, "b", lambda node: evolve(node, state=NodeState.STOPPED))
    plan = decide(topology, stopped, document, saved=later, touch=frozenset({"b"}))
    assert names(plan.start) == ["b"]
    assert not any((plan.remove, plan.create))
    assert sorted(str(end) for _, end in plan.unplug) == ["b:eth1", "b:eth2"]
    assert plan.commands == ("b",)


def test_touch_limits_what_is_made_and_started() -> None:
    """Starting one node starts that one; a peer that is absent is not waited for."""
    topology = chain("a", "b", "c")
    observed, document, saved = deployed(topology)
    gone = without(observed, "b", "c")
    plan = decide(topology, gone, document, saved=saved, touch=frozenset({"b"}))
    assert names(plan.create) == names(plan.start) == ["b"]
    assert {str(port.end): port.far for port in plan.plug} == {
        "a:eth2": Peer(Endpoint("b", "eth1")),
        "b:eth1": Peer(Endpoint("a", "eth2")),
        "b:eth2": Alone(),
    }
    assert plan.document == document


def test_far_ends() -> None:
    """Host ends, the host's bridges, segments of labprov's, and links between providers."""
    topology = with_provider(
        TopologyBuilder("lab")
        .add_node("a", interfaces=["eth9"])
        .add_node("b", provider="other")
        .add_node("sw", kind="bridge")
        .add_node("br0", kind="bridge")
        .add_node("mix", kind="bridge")
        .add_link("a:eth1", "host:out")
        .add_link("a:eth2", "sw:p1")
        .add_link("a:eth3", "br0:p1")
        .add_link("a:eth4", "b:eth1")
        .add_link("a:eth5", "mix:p1")
        .add_link("b:eth2", "mix:p2")
        .build()
    )
    plan = decide(topology, host_bridges=frozenset({"br0"}), host_interfaces=frozenset({"br0"}))
    assert {str(port.end): port.far for port in plan.plug} == {
        "a:eth1": HostEnd("out"),
        "a:eth2": Joined("sw", BridgeType.PARKING, learn=True),
        "a:eth3": Joined("br0", BridgeType.HOST, learn=True),
        "a:eth4": Joined("lp-bridge", BridgeType.OVS),
        "a:eth5": Joined("lp-bridge", BridgeType.OVS, learn=True),
        "a:eth9": Alone(),
        "b:eth1": Joined("lp-bridge", BridgeType.OVS),
        "b:eth2": Joined("lp-bridge", BridgeType.OVS, learn=True),
    }
    assert len({port.tag for port in plan.plug if str(port.end) in ("a:eth5", "b:eth2")}) == 1


def test_host_end_that_is_taken_is_a_conflict() -> None:
    """An interface of the host with that name is never taken over; our own is recognised."""
    topology = with_provider(TopologyBuilder("lab").add_node("a").add_link("a:eth1", "host:out").build())
    taken = frozenset({"out"})
    with pytest.raises(ForeignResource, match="out already"):
        decide(topology, host_interfaces=taken)
    observed, document, saved = deployed(topology)
    assert decide(topology, observed, document, saved=saved, host_interfaces=taken).empty


def test_links_that_cant_be_made_are_refused_before_anything_is() -> None:
    """Providers that have no way to meet, or can't reach the host: refused, with the remedy."""
    lonely = {"mem": info("mem", frozenset({Join.PAIR})), "other": info("other", frozenset({Join.BRIDGE}))}
    mixed = TopologyBuilder("lab").add_node("a").add_node("b", provider="other").add_link("a:eth1", "b:eth1")
    host = TopologyBuilder("lab").add_node("a").add_link("a:eth1", "host:out")
    mgmt = TopologyBuilder("lab").add_node("a").add_link("a:eth1", "mgmt-net:out")
    for builder in (mixed, host, mgmt):
        with pytest.raises((NotSupported, ExceptionGroup)) as caught:
            decide(with_provider(builder.build()), providers=lonely)
        errors = caught.value.exceptions if isinstance(caught.value, ExceptionGroup) else [caught.value]
        assert all(isinstance(error, NotSupported) and error.remedy for error in errors)


def test_what_keeps_a_provider_from_links_is_told() -> None:
    """Where a link could be made but for something that is missing now, each end hears what that is."""
    missing = Unavailable("links can't be made: no switch", remedy="Start it.")
    lonely = {"mem": evolve(info("mem", frozenset()), no_links=missing)}
    with pytest.raises(ExceptionGroup) as caught:
        decide(chain("a", "b"), providers=lonely)
    first, second = caught.value.exceptions
    assert isinstance(first, Unavailable)
    assert (first.message, first.remedy) == (missing.message, missing.remedy)
    assert [first.subject, getattr(second, "subject", "")] == ["lab/a:eth2", "lab/b:eth1"]


def test_foreign_port_with_a_recovered_tag() -> None:
    """A tag that a foreign port carries now is not reused; the user is told."""
    topology = chain("a", "b")
    observed, document, saved = deployed(topology)
    plan = decide(topology, observed, document, saved=saved, foreign_tags=frozenset({100}))
    assert {port.tag for port in plan.plug} == {101}
    assert any("foreign port" in warning for warning in plan.warnings)


def test_reserved_tags_are_not_issued() -> None:
    """On a bridge that labs share, other labs' tags are taken, those of stopped nodes included."""
    plan = decide(chain("a", "b"), reserved=frozenset({100, 101}))
    assert {port.tag for port in plan.plug} == {102}


def test_exhaustion_is_an_error_before_anything_is_planned() -> None:
    """With too few tags nothing is made."""
    with pytest.raises(TagsExhausted):
        decide(chain("a", "b", "c", "d"), vlan_range=(100, 101))


def test_failed_nodes_leave_their_peers_alone() -> None:
    """When a node could not be made the rest of the plan goes on without it."""
    plan = decide(chain("a", "b", "c", exec=("true",))).without({"b"})
    assert {str(port.end): port.far for port in plan.plug} == {"a:eth2": Alone(), "c:eth1": Alone()}
    assert names(plan.start) == ["a", "c"]
    assert plan.commands == ("a", "c")


node_names = st.sampled_from(["a", "b", "c", "d"])
ends = st.builds(Endpoint, node_names, st.sampled_from(["eth1", "eth2", "eth10"]))


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Any lab of up to four nodes, one of which may be a bridge."""
    chosen = draw(st.lists(node_names, unique=True))
    bridge = draw(st.sampled_from([None, "d"]))
    nodes = [
        Node(
            name=name,
            kind="bridge" if name == bridge else "linux",
            image=draw(st.sampled_from([None, "x"])),
            interfaces=()
            if name == bridge
            else draw(st.lists(st.sampled_from(["eth1", "eth5"]), unique=True)),
            exec=draw(st.sampled_from([(), ("true",)])),
        )
        for name in chosen
    ]
    links: list[Link] = []
    used: set[Endpoint] = set()
    for a, b in draw(st.lists(st.tuples(ends, ends), max_size=6)):
        machines = [end for end in (a, b) if end.node != bridge]
        if a != b and machines and not {a, b} & used and {a.node, b.node} <= set(chosen):
            used |= {a, b}
            links.append(Link(a, b))
    return with_provider(Topology(name="lab", nodes=tuple(nodes), links=tuple(links)))


@settings(max_examples=300, deadline=None)
@given(topologies(), topologies(), st.sets(node_names), st.booleans(), st.booleans())
def test_any_lab_comes_to_what_is_desired(
    old: Topology, new: Topology, gone: set[str], lost: bool, forgotten: bool
) -> None:
    """Whatever was deployed, vanished or was lost: one plan makes it whole, and the next one is empty.

    Exactly the ends of one wire share a tag, and interfaces whose wire did not change keep theirs unless
    document and engine are both gone.
    """
    observed, document, saved = _deployed_or_nothing(old)
    observed = without(observed, *gone)
    plan = decide(new, observed, None if lost else document, saved=None if forgotten else saved)
    after = carried_out(plan, observed)
    assert {node.node for node in after.nodes} == {node.name for node in new.machines}
    assert all(node.state == NodeState.RUNNING for node in after.nodes)
    tags = by_endpoint(plan.document) if plan.document else {}
    for wire in wires(new):
        assert len({tags[end] for end in wire}) == (1 if wire else 0)
    used = [tags[wire[0]] for wire in wires(new) if wire]
    assert len(used) == len(set(used))
    again = decide(
        new, after, plan.document, saved=evolve(plan.saved, commands={}, previous=()) if plan.saved else None
    )
    assert again.empty
    assert again.document == plan.document
    if document is not None and not lost and not forgotten:
        before = by_endpoint(document)
        for wire in set(wires(old)) & set(wires(new)):
            assert all(tags[end] == before[end] for end in wire)


def _deployed_or_nothing(topology: Topology) -> tuple[Observed, Allocations | None, Saved | None]:
    plan = decide(topology)
    saved = evolve(plan.saved, commands={}, previous=()) if plan.saved else None
    return carried_out(plan), plan.document, saved
