"""The model finds what no single clause finds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
from attrs import field, mutable

from labprov.contract.reference import ReferenceProvider
from labprov.contract.suite.drawing import Drawing, kept_tags
from labprov.contract.suite.model import ENOUGH, ModelBench, run_model
from labprov.engine import NodeSpec, ObservedNode, Port, Scope
from labprov.errors import LabprovError
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint
from tests.contract.rig import ROOT, Folder


@mutable(eq=False)
class PortsOfTheDayItStopped(ReferenceProvider):
    """A node that starts has the ports it stopped with: its engine keeps them in the node's definition.

    Stop and start give back what was there, connect and disconnect work on a running lab, and a deploy finds
    a port that leads elsewhere and puts it right. Only a node whose links changed while it was stopped, and
    that was then started, has its old wire back, and with it somebody else's tag.
    """

    kept: dict[str, list[Port]] = field(factory=dict)

    @hookimpl
    def labprov_stop_nodes(
        self, scope: Scope, nodes: Sequence[ObservedNode], grace: float
    ) -> Sequence[LabprovError | None]:
        for node in nodes:
            self.kept[node.runtime_name] = _ports(node)
        return super().labprov_stop_nodes(scope, nodes, grace)

    @hookimpl
    def labprov_start_nodes(self, scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None]:
        for spec in nodes:
            wanted = {port.end for port in spec.ports}
            old = [port for port in self.kept.pop(spec.runtime_name, []) if port.end in wanted]
            super().labprov_plug(scope, old)
        return super().labprov_start_nodes(scope, nodes)


def _ports(node: ObservedNode) -> list[Port]:
    return [
        Port(
            end=Endpoint(node.node, item.name),
            index=index,
            mac=item.mac,
            tag=item.tag,
            far=item.far,
            mtu=item.mtu,
        )
        for index, item in enumerate(node.interfaces)
        if item.tag is not None and item.far is not None
    ]


def _benches(folder: Path, provider: Callable[[], ReferenceProvider]) -> Callable[[], ModelBench]:
    numbers = count()
    return lambda: ModelBench("reference", provider(), folder / f"model{next(numbers)}")


def _noted(new_bench: Callable[[], ModelBench], made: list[ModelBench]) -> Callable[[], ModelBench]:
    def new() -> ModelBench:
        made.append(new_bench())
        return made[-1]

    return new


def test_a_wire_that_a_stopped_node_remembers_is_found_by_the_model(tmp_path: Path) -> None:
    """What only a sequence shows (stop, disconnect, start) the model finds, naming the clause."""
    with pytest.raises(AssertionError, match=r"^(W6|P7): ") as failure:
        run_model(
            _benches(tmp_path, PortsOfTheDayItStopped), ENOUGH - 1
        )  # not made small: that takes a minute
    assert "state.stop(" in "\n".join(failure.value.__notes__)


def test_the_model_finds_nothing_in_the_reference_provider(tmp_path: Path) -> None:
    """A provider that keeps the contract passes, whatever the sequence."""
    run_model(_benches(tmp_path, ReferenceProvider), 40)


def test_the_same_sequences_come_at_every_run(tmp_path: Path) -> None:
    """Two runs make the same calls in the same order, so a failure comes back."""
    calls: list[list[str]] = []
    for name in ("first", "second"):
        made: list[ModelBench] = []
        run_model(_noted(_benches(tmp_path / name, ReferenceProvider), made), 3)
        calls.append([hook for bench in made for hook in bench.calls])
    assert calls[0] == calls[1]
    assert calls[0]


@pytest.mark.parametrize(
    ("new_links", "kept"),
    [
        ((("a:1", "b:1"), ("c:1", "d:1")), {"a:1": 1, "b:1": 1, "c:1": 2, "d:1": 2}),
        ((("a:1", "c:1"), ("b:1", "d:1")), {"a:1": 1, "c:1": 1}),
        ((("d:1", "a:1"),), {"d:1": 1, "a:1": 1, "c:1": 2}),
        ((), {"a:1": 1, "c:1": 2}),
    ],
)
def test_the_models_rule_of_tags_is_the_documented_one(
    new_links: tuple[tuple[str, str], ...], kept: dict[str, int]
) -> None:
    """Who leaves a wire second gets a new tag; who is joined has the first one's."""
    ends = frozenset({"a:1", "b:1", "c:1", "d:1"})
    old = Drawing(nodes=("a", "b", "c", "d"), links=(("a:1", "b:1"), ("c:1", "d:1")), spare=ends)
    new = Drawing(nodes=old.nodes, links=new_links, spare=ends)
    assert kept_tags(old, new, {"a:1": 1, "b:1": 1, "c:1": 2, "d:1": 2}) == kept


def test_no_single_clause_finds_that_wire(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other clause passes, or is not claimed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    done = folder.suite(
        "--labprov-provider=tests.contract.test_model:PortsOfTheDayItStopped", "-k", "not TestModel"
    )
    failed = [id for id, outcome in done.outcomes("reference").items() if outcome == "failed"]
    assert failed == [], done.out
