"""What must be true of a lab after each step of the model, and how that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum

from attrs import evolve, field, mutable

from labprov.contract.bench import Bench
from labprov.contract.suite.drawing import Drawing, kept_tags, node_of
from labprov.engine import Alone, Capability, NodeState, ObservedInterface, ObservedNode, Peer
from labprov.errors import NotSupported
from labprov.model import Topology
from labprov.report import Report


class Document(Enum):
    """What has become of the allocation document."""

    GOOD = "good"
    LOST = "lost"
    BAD = "bad"


def topology_of(bench: Bench, name: str, drawing: Drawing) -> Topology:
    """The drawing as a topology, its nodes as the provider's harness gives them."""
    spare: dict[str, list[str]] = {node: [] for node in drawing.nodes}
    for end in sorted(drawing.spare):
        spare[node_of(end)].append(end.partition(":")[2])
    topology = bench.topology(name, *(f"{a} {b}" for a, b in drawing.links), **spare)
    nodes = (bench.harness.changed(node) if node.name in drawing.changed else node for node in topology.nodes)
    return evolve(topology, nodes=tuple(nodes))


@mutable
class Expected:
    """What is known for certain of one deployed lab.

    :param live: what is deployed; None: nothing.
    :param tags: the tag of each interface, as far as document or engine still hold it.
    :param macs: every MAC that was ever seen, by interface.
    :param processes: the first process of each node that has to run on.
    :param still: nodes that were stopped or killed.
    :param gone: nodes that were removed behind labprov's back.
    :param unsure: interfaces that a removed node may have taken along.
    :param bad: the bytes of a document that was made bad.
    """

    bench: Bench
    lab: str
    live: Drawing | None = None
    document: Document = Document.GOOD
    tags: dict[str, int] = field(factory=dict)
    macs: dict[str, str] = field(factory=dict)
    processes: dict[str, int | None] = field(factory=dict)
    still: set[str] = field(factory=set)
    gone: set[str] = field(factory=set)
    unsure: set[str] = field(factory=set)
    bad: bytes = b""

    @property
    def drawing(self) -> Drawing:
        """What is deployed; an empty drawing where nothing is."""
        return self.live or Drawing()

    @property
    def present(self) -> set[str]:
        """The nodes that exist."""
        return set(self.drawing.nodes) - self.gone

    @property
    def sure(self) -> frozenset[str]:
        """The interfaces that are certainly there, and as they were made."""
        return self.drawing.ends_at(self.present) - self.unsure

    @property
    def whole(self) -> bool:
        """Whether nothing is stopped, gone, or in doubt."""
        hurt = self.still or self.gone or self.unsure
        return self.live is not None and not hurt and self.document is Document.GOOD

    # -- what happens -------------------------------------------------------------------------------------

    def lost_document(self, kind: Document, content: bytes = b"") -> None:
        """From now on only the engine holds the tags."""
        self.document, self.bad = kind, content
        self._forget()

    def _forget(self) -> None:
        """Without a document a tag is known only where the engine carries it."""
        if self.document is not Document.GOOD:
            self.tags = {end: tag for end, tag in self.tags.items() if end in self.sure}

    def removed(self, node: str) -> None:
        """The node is gone, and with it perhaps its peers' interfaces."""
        self.unsure |= self.drawing.reached_from({node})
        self.gone.add(node)
        self.still.discard(node)
        self.processes.pop(node, None)
        self._forget()

    def halted(self, nodes: Collection[str]) -> None:
        """The nodes' processes have ended."""
        for node in set(nodes) - self.gone:
            self.still.add(node)
            self.processes.pop(node, None)

    def started(self, nodes: Collection[str]) -> None:
        """The nodes run with all that is theirs; those that ran before still do."""
        for node in set(nodes) & (self.still | self.gone):
            self.processes.pop(node, None)
        self.still -= set(nodes)
        self.gone -= set(nodes)
        self.unsure -= self.drawing.reached_from(nodes)

    def became(self, clause: str, new: Drawing) -> None:
        """Look at what an operation that writes the document has made of the tags.

        :param clause: the clause that names what may not move.
        """
        carried = {self.tags[end]: end for end in self.sure if end in self.tags}
        kept = kept_tags(self.drawing, new, self.tags)
        found = self.bench.tags(self.lab)
        assert set(found) == new.ends, f"P1: the document has {sorted(found)}, not {sorted(new.ends)}"
        for end, tag in kept.items():
            assert found[end] == tag, f"{clause}: the tag of {end} moved from {tag} to {found[end]}"
        for end in found.keys() - kept.keys():
            holder = carried.get(found[end], end)
            assert holder == end, f"W5: {end} got the tag {found[end]} while {holder} carried it"
        self._check_kept_aside()
        self.live, self.tags, self.document = new, found, Document.GOOD

    def _check_kept_aside(self) -> None:
        if self.document is Document.BAD:
            aside = [content for name, content in self.bench.files().items() if ".corrupt-" in name]
            assert self.bad in aside, "P9: the bad document was not kept aside"

    def deployed(self, clause: str, new: Drawing) -> None:
        """Everything of *new* runs; a node that ran, with the same definition, ran through.

        :param clause: as for :meth:`became`.
        """
        old = self.drawing
        same = {node for node in new.nodes if (node in old.changed) == (node in new.changed)}
        running = same & self.present - self.still
        self.became(clause, new)
        self.processes = {node: pid for node, pid in self.processes.items() if node in running}
        self.still.clear()
        self.gone.clear()
        self.unsure.clear()

    def destroyed(self) -> None:
        """Nothing is left but the memory of MACs."""
        self.live, self.document = None, Document.GOOD
        for held in (self.tags, self.processes, self.still, self.gone, self.unsure):
            held.clear()

    # -- what must be true --------------------------------------------------------------------------------

    def check(self) -> None:
        """Everything, after any step.

        :raises AssertionError: something is not as it must be; the message begins with the clause's id.
        """
        nodes = self.bench.nodes(self.lab)
        assert set(nodes) == self.present, f"R12: there are {sorted(nodes)}, not {sorted(self.present)}"
        for node in nodes.values():
            self._check_node(node)
        if self.live is not None:
            self._check_document()
            self._check_wires(nodes, self.bench.captured(self.lab))

    def _check_node(self, node: ObservedNode) -> None:
        running = node.state is NodeState.RUNNING
        name = node.node
        assert running or name in self.still, f"L2: {name} is {node.state}"
        if self.bench.claims(Capability.PROCESSES):
            before = self.processes.setdefault(name, node.process) if running else node.process
            assert before == node.process, f"R3: {name} was process {before}, and is {node.process}"
        for item in node.interfaces:
            end = f"{name}:{item.name}"
            mac = self.macs.setdefault(end, item.mac)
            assert mac == item.mac, f"R1: the MAC of {end} changed from {mac} to {item.mac}"
        found = [f"{name}:{item.name}" for item in node.interfaces]
        wanted = sorted(self.drawing.ends_at({name}))
        sure = [end for end in found if end not in self.unsure]
        assert sure == [end for end in wanted if end in self.sure], f"R12: {name} has {found}, not {wanted}"

    def _check_document(self) -> None:
        if self.document is Document.GOOD:
            found = self.bench.tags(self.lab)
            assert found == self.tags, f"R7: the document changed from {self.tags} to {found}"
        elif self.document is Document.LOST:
            assert self.bench.document(self.lab) is None, "R7: a document came from nowhere"
        else:
            content = self.bench.vlan_file(self.lab).read_bytes()
            assert content == self.bad, "P9: a bad document was overwritten"

    def _check_wires(self, nodes: Mapping[str, ObservedNode], captured: Mapping[str, int]) -> None:
        for end, tag in self.tags.items():
            if end in self.sure:
                assert captured.get(end) == tag, f"P7: {end} carries {captured.get(end)}, not {tag}"
        carried = {end: captured[end] for end in sorted(self.sure) if end in captured}
        for end, tag in carried.items():
            wanted = set(self.drawing.wire_of[end]) & set(carried)
            sharing = {other for other, its in carried.items() if its == tag}
            assert sharing == wanted, f"W6: {sorted(sharing)} share a tag, not {sorted(wanted)}"
        for wire in self.drawing.wires:
            if self.sure.issuperset(wire):
                _check_far(wire, nodes)

    def check_nothing_left(self) -> None:
        """After the lab's end: no node, no document, no file, nothing in the engine."""
        assert not self.bench.nodes(self.lab), f"I6: {sorted(self.bench.nodes(self.lab))} are left"
        assert self.bench.document(self.lab) is None, "P3: the document is left"
        files = [name for name in self.bench.files() if self._is_ours(name)]
        assert not files, f"I6: {files} are left"
        try:
            left = self.bench.harness.leftovers(self.bench.scope(self.lab))
        except NotSupported:
            return
        assert not left, f"I6: {sorted(left)} are left"

    def _is_ours(self, file: str) -> bool:
        folders = file.split("/")
        aside = ".corrupt-" in folders[-1]
        return not aside and any(part in (self.lab, f"{self.lab}.json") for part in folders)


def _check_far(wire: tuple[str, ...], nodes: Mapping[str, ObservedNode]) -> None:
    """Every interface of the wire is up and joined to the others, or alone."""
    for end in wire:
        node, _, name = end.partition(":")
        item = nodes[node].interface(name)
        assert item is not None
        assert item.up, f"W7: {end} has no carrier, and nobody took it"
        others = [other for other in wire if other != end]
        assert _leads(item, others), f"W6: {end} leads to {item.far}, not to {others or 'nothing'}"


def _leads(item: ObservedInterface, others: Collection[str]) -> bool:
    if isinstance(item.far, Peer):
        return [str(item.far.end)] == list(others)
    return item.far is not None and (not others or not isinstance(item.far, Alone))


def done(clause: str, work: Callable[[], Report]) -> Report:
    """The report of an operation that may not fail."""
    return check(clause, work())


def check(clause: str, report: Report) -> Report:
    """The report, in which nothing may have failed."""
    said = [str(failure) for failure in report.failures]
    assert report.ok, f"{clause}: {report.operation} failed: {'; '.join(said)}"
    return report
