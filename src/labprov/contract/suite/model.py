"""The contract as a state machine: any sequence of operations and accidents, beside a model of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from itertools import count
from time import monotonic
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from labprov import labs
from labprov.contract.bench import WRITES, Bench, Killed
from labprov.contract.clauses import clause
from labprov.contract.suite.drawing import Drawing, is_segment, node_of
from labprov.contract.suite.expected import Document, Expected, check, done, topology_of
from labprov.engine import Capability, Join, NodeState
from labprov.errors import InvalidInput, NotSupported
from labprov.lab import Lab
from labprov.model import endpoint
from labprov.plugins import Plugins
from labprov.report import Report

NODES = ("r1", "r10", "r2", "r2-1")
FIRST = Drawing(nodes=("r1", "r2"), links=(("r1:eth1", "r2:eth1"),))
STEPS = WRITES | {"labprov_save_allocations", "labprov_remove_allocations"}
"""Calls before which labprov may be killed."""
BAD_DOCUMENTS = (b"", b'{"allocations": {"r1": [10', b'{"allocations": [], "next_vlan": 100}', b"[]\n")
CHUNK = 5
"""Examples between two looks at the clock."""
MOST = 250
"""More examples are not made, however many are asked for: to other clauses an example is a single call."""
ENOUGH = 25
"""From so many examples on a failure is made small (which may take minutes where nodes are slow)."""
BUDGET = 60.0
"""Seconds after which no further chunk of examples is begun."""
STEP_COUNT = 30
HEARD, SILENT = 10.0, 0.05
"""Seconds for a frame to arrive, and to wait for one that must not."""
TEST_ETHERTYPE = b"\x88\xb5"


class ModelBench(Bench):
    """A bench of one sequence: its plugins are registered once, which takes more time than all else."""

    @cached_property
    def _plugins(self) -> Plugins:
        return super().new_plugins()

    def new_plugins(self) -> Plugins:
        """The same ones each time; they know nothing of any lab."""
        return self._plugins


class LabMachine(RuleBasedStateMachine):
    """One lab, its topology's file, and a neighbour that nothing may touch."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.lab = bench.name_of("lab1")
        self.file = FIRST if bench.info.joins else Drawing(nodes=("r1", "r2"), spare=frozenset({"r1:eth1"}))
        self.deployed_file: Drawing | None = None
        self.expected = Expected(bench, self.lab)
        self.neighbour: object = None
        self.frames = count()

    def teardown(self) -> None:
        """Leave nothing behind, whatever was found."""
        self.bench.close()

    # -- choices ------------------------------------------------------------------------------------------

    def _free_ends(self, drawing: Drawing, *, segment: bool) -> list[str]:
        ends = [f"{node}:eth{number}" for node in drawing.nodes for number in (1, 2, 3)]
        if segment:
            ends += [f"sw1:p{number}" for number in (1, 2, 3, 4)]
        return [end for end in ends if end not in drawing.linked]

    def _new_link(self, data: st.DataObject, drawing: Drawing, *, segment: bool) -> Drawing | None:
        """The drawing with a link between two free ends; None where there are none."""
        firsts = self._free_ends(drawing, segment=False)
        if len(firsts) < 2:
            return None
        a = data.draw(st.sampled_from(firsts), label="one end")
        others = [end for end in self._free_ends(drawing, segment=segment) if end != a]
        return drawing.with_link(a, data.draw(st.sampled_from(others), label="other end"))

    def _links(self) -> bool:
        return bool(self.bench.info.joins & {Join.PAIR, Join.BRIDGE})

    def _some_nodes(self, data: st.DataObject) -> list[str]:
        nodes = st.lists(st.sampled_from(self.expected.drawing.nodes), min_size=1, unique=True)
        return data.draw(nodes, label="nodes")

    def _attached(self) -> Lab:
        return self.bench.attach(self.lab)

    def _wanted(self) -> Lab:
        return self.bench.lab(topology_of(self.bench, "lab1", self.file))

    def _killed_before(self, call: int | None, work: Callable[[], Report]) -> None:
        """Let labprov die before that call of *work* which may change something; None: don't run it."""
        if call is None:
            return
        calls = count()

        def listener(hook: str, arguments: dict[str, Any]) -> None:
            if hook in STEPS and next(calls) == call:
                raise Killed

        with self.bench.before_each_call(listener), suppress(Killed):
            work()

    # -- editing the file ---------------------------------------------------------------------------------

    @rule(data=st.data())
    def add_node(self, data: st.DataObject) -> None:
        """A node comes, perhaps with interfaces that have no link."""
        absent = [node for node in NODES if node not in self.file.nodes]
        if absent:
            node = data.draw(st.sampled_from(absent), label="node")
            spare = data.draw(st.sets(st.sampled_from([f"{node}:eth1", f"{node}:eth3"])), label="interfaces")
            self.file = self.file.with_node(node, spare)

    @rule(data=st.data())
    def remove_node(self, data: st.DataObject) -> None:
        """A node goes, with its links."""
        if len(self.file.nodes) > 1:
            node = data.draw(st.sampled_from(self.file.nodes), label="node")
            self.file = self.file.without_node(node)

    @rule(data=st.data())
    def add_link(self, data: st.DataObject) -> None:
        """A link comes, to another node, within one, or to a segment."""
        if self._links():
            self.file = self._new_link(data, self.file, segment=True) or self.file

    @rule(data=st.data(), ends_stay=st.booleans())
    def remove_link(self, data: st.DataObject, ends_stay: bool) -> None:
        """A link goes; its interfaces stay or go."""
        if self.file.links:
            link = data.draw(st.sampled_from(self.file.links), label="link")
            self.file = self.file.without_link(link, ends_stay=ends_stay)

    @rule(data=st.data())
    def change_definition(self, data: st.DataObject) -> None:
        """A node's definition changes, or changes back."""
        node = data.draw(st.sampled_from(self.file.nodes), label="node")
        try:
            self.bench.harness.changed(self.bench.harness.node(node))
        except NotSupported:
            return
        self.file = self.file.with_other_definition(node)

    # -- the lab as a whole -------------------------------------------------------------------------------

    @rule(killed_before=st.none() | st.integers(0, 9))
    def deploy(self, killed_before: int | None) -> None:
        """Deploy the file; perhaps labprov was killed at it before."""
        untouched = self.expected.whole and self.expected.live == self.deployed_file == self.file
        self._killed_before(killed_before, lambda: self._wanted().deploy())
        files, writes = self.bench.files(), len(self.bench.writes)
        report = done("L1", lambda: self._wanted().deploy())
        if untouched:
            assert not report.changed, f"R10: a deploy of what is there reports {report}"
            assert self.bench.writes[writes:] == [], f"R10: it wrote {self.bench.writes[writes:]}"
            assert self.bench.files() == files, "R10: it wrote files"
        bad = self.expected.document is Document.BAD and killed_before is None
        assert report.warnings or not bad, "P9: nobody was warned of the bad document"
        self.expected.deployed("R1", self.file)
        self.deployed_file = self.file

    @precondition(lambda self: self.expected.live is not None)
    @rule(killed_before=st.none() | st.integers(0, 9))
    def recover(self, killed_before: int | None) -> None:
        """Put everything back; perhaps labprov was killed at it before."""
        self._killed_before(killed_before, lambda: self._attached().recover())
        report = done("R9", lambda: self._attached().recover())
        drawing = self.expected.drawing
        if self.expected.document is Document.GOOD:
            assert report.recovered == len(drawing.ends), (
                f"R2: {report.recovered} recovered of {drawing.ends}"
            )
        self.expected.deployed("R1", drawing)

    @rule(killed_before=st.none() | st.integers(0, 9))
    def destroy(self, killed_before: int | None) -> None:
        """Destroy the lab, which may not be there; perhaps labprov was killed at it before."""
        lab = self._wanted()
        self._killed_before(killed_before, lab.destroy)
        done("I6", lab.destroy)
        self.expected.destroyed()
        self.expected.check_nothing_left()

    @rule()
    def deploy_neighbour(self) -> None:
        """Another lab comes, whose id begins as this one's."""
        links = ["r1:eth1 r2:eth1"] if self._links() else []
        spare = {} if links else {"r1": ["eth1"], "r2": ["eth1"]}
        done("L1", lambda: self.bench.lab(self.bench.topology("lab10", *links, **spare)).deploy())
        self.neighbour = self._neighbour()

    def _neighbour(self) -> object:
        name = self.bench.name_of("lab10")
        return self.bench.nodes(name), self.bench.document(name)

    @precondition(lambda self: self.neighbour is not None)
    @rule(keep=st.sampled_from(["lab1", "lab10"]))
    def cleanup(self, keep: str) -> None:
        """Clean up what is not to be kept: the neighbour, or this lab."""
        with pytest.raises(InvalidInput):  # I4
            labs.orphans(self.bench.settings, [], plugins=self.bench.new_plugins())
        kept = self.bench.name_of(keep)
        there = {self.bench.name_of("lab10")} | ({self.lab} if self.expected.live is not None else set())
        found = labs.orphans(self.bench.settings, [kept], plugins=self.bench.new_plugins())
        assert set(found) == there - {kept}, f"I5: {found} are called orphans, beside {kept}"
        for report in labs.cleanup(self.bench.settings, found, plugins=self.bench.new_plugins()):
            check("I6", report)
        if keep == "lab1":
            self.neighbour = None
            Expected(self.bench, self.bench.name_of("lab10")).check_nothing_left()
        else:
            self.expected.destroyed()
            self.expected.check_nothing_left()

    # -- nodes --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.expected.live is not None)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        """Stop some nodes; one that is gone is no error."""
        nodes = self._some_nodes(data)
        done("L3", lambda: self._attached().stop(nodes))
        self.expected.halted(nodes)

    @precondition(lambda self: self.expected.live is not None)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        """Start some nodes; one that is gone is made again."""
        nodes = self._some_nodes(data)
        done("L1", lambda: self._attached().start(nodes))
        self.expected.became("R8", self.expected.drawing)
        self.expected.started(nodes)

    @precondition(lambda self: self.expected.live is not None)
    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        """Stop some nodes and start them."""
        nodes = self._some_nodes(data)
        done("L1", lambda: self._attached().restart(nodes))
        self.expected.halted(nodes)
        self.expected.became("R8", self.expected.drawing)
        self.expected.started(nodes)

    # -- links --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.expected.live is not None)
    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        """Join two interfaces of the live lab, new ones or old ones."""
        old = self.expected.drawing
        segment = any(is_segment(node_of(end)) for link in old.links for end in link)
        new = self._new_link(data, old, segment=segment) if self._links() else None
        if new is not None:
            a, b = new.links[-1]
            done("W5", lambda: self._attached().connect(a, b))
            self._relinked(new, a, b)

    @precondition(lambda self: self.expected.drawing.links)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        """Part two interfaces of the live lab; both stay."""
        old = self.expected.drawing
        a, b = data.draw(st.sampled_from(old.links), label="link")
        done("W5", lambda: self._attached().disconnect(a, b))
        self._relinked(old.without_link((a, b), ends_stay=True), a, b)

    def _relinked(self, new: Drawing, a: str, b: str) -> None:
        self.expected.became("W5", new)
        self.expected.unsure -= {a, b}
        self.deployed_file = None

    @precondition(lambda self: self.expected.whole and self.bench.claims(Capability.FRAMES))
    @rule(data=st.data())
    def talk(self, data: st.DataObject) -> None:
        """Send a frame: whoever is on the wire hears it once, and nobody else."""
        ends = sorted(self.expected.drawing.ends)
        if not ends:
            return
        sender = data.draw(st.sampled_from(ends), label="sender")
        scope = self.bench.scope(self.lab)
        mac = bytes.fromhex(self.bench.macs(self.lab)[sender].replace(":", ""))
        frame = b"\xff" * 6 + mac + TEST_ETHERTYPE + next(self.frames).to_bytes(46, "big")
        others = [end for end in self.expected.drawing.wire_of[sender] if end != sender]
        with ExitStack() as stack:
            hear = {end: stack.enter_context(self.bench.harness.listen(scope, endpoint(end))) for end in ends}
            self.bench.harness.send(scope, endpoint(sender), frame)
            for end in others:
                assert _arrives(hear.pop(end), frame), f"W1: {end} never heard what {sender} sent"
            for end, heard in hear.items():
                assert frame not in heard(SILENT), f"W1: {end} heard what {sender} sent"

    # -- accidents ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.expected.present)
    @rule(data=st.data())
    def kill_process(self, data: st.DataObject) -> None:
        """A node's process dies."""
        node = data.draw(st.sampled_from(sorted(self.expected.present)), label="node")
        there = self.bench.nodes(self.lab)[node]
        if there.state is NodeState.RUNNING:
            self.bench.harness.kill_node(self.bench.scope(self.lab), there)
            self.expected.halted([node])

    @precondition(lambda self: self.expected.present)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """A node is removed behind labprov's back."""
        node = data.draw(st.sampled_from(sorted(self.expected.present)), label="node")
        self.bench.harness.remove_node(self.bench.scope(self.lab), self.bench.nodes(self.lab)[node])
        self.expected.removed(node)

    @precondition(lambda self: self.expected.live and self.expected.document is Document.GOOD)
    @rule(content=st.sampled_from([None, *BAD_DOCUMENTS]))
    def lose_document(self, content: bytes | None) -> None:
        """The allocation document is lost, or becomes bad."""
        if content is None or not self.bench.claims(Capability.JSON_STORE):
            self.bench.new_plugins().remove_allocations(self.bench.settings.workspace, self.lab)
            self.expected.lost_document(Document.LOST)
        else:
            self.bench.vlan_file(self.lab).write_bytes(content)
            self.expected.lost_document(Document.BAD, content)

    @precondition(lambda self: self.expected.present and self.bench.claims(Capability.EXTERNAL_RESTART))
    @rule(data=st.data())
    def restart_from_outside(self, data: st.DataObject) -> None:
        """A node is restarted by the engine's own means: its links are back with no labprov there."""
        running = sorted(self.expected.present - self.expected.still)
        if running:
            node = data.draw(st.sampled_from(running), label="node")
            self.bench.harness.restart_node(self.bench.scope(self.lab), self.bench.nodes(self.lab)[node])
            self.expected.processes.pop(node, None)

    @precondition(lambda self: self.expected.whole and self.bench.claims(Capability.ENGINE_RESTART))
    @rule(data=st.data())
    def engine_accident(self, data: st.DataObject) -> None:
        """The engine has an accident: one recover puts everything back."""
        accidents = self.bench.harness.engine_accidents()
        name = data.draw(st.sampled_from(sorted(accidents)), label="accident")
        accidents[name](self.bench.scope(self.lab))
        self.expected.processes.clear()
        self.neighbour = None  # nobody has recovered it
        done("R9", lambda: self._attached().recover())
        self.expected.deployed("R9", self.expected.drawing)

    # -- always -------------------------------------------------------------------------------------------

    @rule()
    def look(self) -> None:
        """Looking at the lab and planning changes nothing."""
        files, writes = self.bench.files(), len(self.bench.writes)
        self._wanted().plan()
        self._wanted().inspect()
        labs.inspect_all(self.bench.settings, self.bench.new_plugins())
        assert self.bench.writes[writes:] == [], f"R7: looking wrote {self.bench.writes[writes:]}"
        assert self.bench.files() == files, "R7: looking wrote files"

    @invariant()
    def as_drawn(self) -> None:
        """Everything is as the model has it, and the neighbour as it was."""
        self.expected.check()
        if self.neighbour is not None:
            assert self._neighbour() == self.neighbour, "I1: the neighbour was touched"


def _arrives(hear: Callable[[float], list[bytes]], frame: bytes) -> bool:
    """Whether the frame comes, and only once."""
    deadline = monotonic() + HEARD
    heard: list[bytes] = []
    while frame not in heard and monotonic() < deadline:
        heard += hear(SILENT)
    return (heard + hear(SILENT)).count(frame) == 1


def run_model(
    new_bench: Callable[[], Bench], examples: int, *, first: int = 0, budget: float = BUDGET
) -> None:
    """Run the machine over *examples* sequences; the same ones at every run.

    :param new_bench: a bench with an empty workspace for each sequence.
    :param first: other numbers choose other sequences.
    :param budget: seconds after which no further chunk of sequences is begun.
    :raises AssertionError: a step broke what must be true; the message begins with the clause's id.
    """
    small = (Phase.shrink,) if examples >= ENOUGH else ()
    deadline = monotonic() + budget
    for number, begin in enumerate(range(0, examples, CHUNK), first * MOST):
        if begin and monotonic() > deadline:
            return
        chosen = settings(
            max_examples=min(CHUNK, examples - begin),
            stateful_step_count=STEP_COUNT,
            derandomize=True,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            print_blob=False,
            phases=(Phase.generate, *small),
            suppress_health_check=list(HealthCheck),
        )
        factory = seed(number)(lambda: LabMachine(new_bench()))
        # "which returns an instance when called with no arguments": its annotation says less than its text
        run_state_machine_as_test(cast(type[LabMachine], factory), settings=chosen)


class TestModel:
    """Sequences of steps, where single clauses look at one."""

    @clause("W6", Capability.FRAMES)
    def test_any_sequence_keeps_exactly_the_ends_of_a_wire_together(
        self, bench: Bench, labprov_examples: int, labprov_seed: int
    ) -> None:
        """After any sequence of operations and accidents exactly the ends of one wire share a tag.

        Steps: edits of the file, deploy, connect, disconnect, stop, start, kills, losses, recover, cleanup,
        destroy. What else must hold after each is named by its clause in the message.
        """
        numbers = count()

        def new_bench() -> Bench:
            folder = bench.settings.workspace.parent / f"model{next(numbers)}"
            return ModelBench(bench.name, bench.plugin, folder)

        run_model(new_bench, min(labprov_examples, MOST), first=labprov_seed)
