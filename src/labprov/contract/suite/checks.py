"""What several clauses look at: whether a lab is whole, whether frames arrive, what a lab is now."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from attrs import evolve, frozen

from labprov.contract.bench import Bench
from labprov.engine import Capability, NodeState
from labprov.errors import Unavailable
from labprov.lab import Lab
from labprov.model import Endpoint, Topology, endpoint
from labprov.report import Report
from labprov.settings import Settings

ETHERTYPE = b"\x88\xb5"
"""IEEE 802's type for local experiments: nobody else sends it."""
PATIENCE = 20
"""How many tenths of a second a frame may take."""

_numbers = itertools.count(1)


def deployed(bench: Bench, topology: Topology, **settings: Any) -> Lab:
    """The lab, deployed whole."""
    lab = bench.lab(topology, **settings)
    ok(lab.deploy())
    return lab


def ok(report: Report) -> Report:
    """The report, if nothing in it failed."""
    report.raise_failures()
    return report


def shared(bench: Bench) -> Settings:
    """Settings with a bridge that this bench's labs share."""
    return evolve(bench.settings, bridge=f"lps-{bench.name_of('')[1:7]}")


@frozen
class Picture:
    """All that may not change of what is left alone."""

    processes: dict[str, int | None]
    states: dict[str, NodeState]
    macs: dict[str, str]
    captured: dict[str, int]
    tags: dict[str, int]
    document: bytes | None


def picture(bench: Bench, lab: str) -> Picture:
    """The lab as it is now."""
    nodes = bench.nodes(lab)
    return Picture(
        processes={name: node.process for name, node in nodes.items()},
        states={name: node.state for name, node in nodes.items()},
        macs=bench.macs(lab),
        captured=bench.captured(lab),
        tags=bench.tags(lab),
        document=bench.document(lab),
    )


def check_whole(bench: Bench, topology: Topology) -> None:
    """Every node runs, every interface carries the tag that the document has, every link carries frames."""
    nodes = bench.nodes(topology.name)
    states = {name: node.state for name, node in nodes.items()}
    assert states == {node.name: NodeState.RUNNING for node in topology.machines}
    interfaces = {name: tuple(item.name for item in node.interfaces) for name, node in nodes.items()}
    assert interfaces == dict(topology.interfaces)
    assert bench.captured(topology.name) == bench.tags(topology.name)
    check_links(bench, topology)


def check_links(bench: Bench, topology: Topology) -> None:
    """The two ends of every link have one tag; where frames can be had, each hears the other, once."""
    nodes = bench.nodes(topology.name)
    for link in topology.links:
        ends = [str(end) for end in link.ends if topology.is_machine(end.node)]
        seen = [
            nodes[end.node].interface(end.interface) for end in link.ends if topology.is_machine(end.node)
        ]
        assert len({item.tag if item else None for item in seen}) == 1, f"{link} is no wire"
        assert all(item is not None and item.far is not None for item in seen), f"{link} dangles"
        if len(ends) == 2 and bench.claims(Capability.FRAMES):
            assert reaches(bench, topology.name, ends[0], ends[1]) == 1, f"{link} does not carry"
            assert reaches(bench, topology.name, ends[1], ends[0]) == 1, f"{link} does not carry back"


def check_unavailable(bench: Bench, verb: Callable[[], object]) -> None:
    """What is asked for fails, because the engine can't be asked, and the error says which engine."""
    with pytest.raises((Unavailable, ExceptionGroup)) as caught:
        verb()
    errors = caught.value.exceptions if isinstance(caught.value, ExceptionGroup) else [caught.value]
    for error in errors:
        assert isinstance(error, Unavailable)
        assert bench.name in (error.provider, *str(error).split())


def reaches(bench: Bench, lab: str, source: str, target: str) -> int:
    """How often one frame that *source* sends is heard at *target*, waiting for the first to come."""
    frame = a_frame()
    with bench.harness.listen(bench.scope(lab), endpoint(target)) as heard:
        bench.harness.send(bench.scope(lab), endpoint(source), frame)
        return times_heard(heard, frame)


def times_heard(heard: Callable[[float], list[bytes]], frame: bytes) -> int:
    """How often *frame* has arrived, waiting for the first to come."""
    return frames_until(heard, frame).count(frame)


def frames_until(heard: Callable[[float], list[bytes]], last: bytes) -> list[bytes]:
    """What has arrived since the last call, waiting until *last* is among it."""
    frames: list[bytes] = []
    for _ in range(PATIENCE):
        frames += heard(0.1)
        if last in frames:
            break
    return frames


def a_frame() -> bytes:
    """A broadcast frame that is like no other."""
    return b"\xff" * 6 + b"\x02\x00\x5e\x00\x53\x01" + ETHERTYPE + next(_numbers).to_bytes(46, "big")


@contextmanager
def traffic(bench: Bench, topology: Topology) -> Iterator[None]:
    """While it lasts, frames go over every link whenever labprov does anything; none may be lost.

    Nothing is done where the provider does not claim ``frames``.
    """
    if not bench.claims(Capability.FRAMES):
        yield
        return
    scope = bench.scope(topology.name)
    far = {end: link.other(end) for link in topology.links for end in link.ends}
    sent: dict[Endpoint, list[bytes]] = {end: [] for end in far}

    def send(*_: object) -> None:
        for end, frames in sent.items():
            frames.append(a_frame())
            bench.harness.send(scope, end, frames[-1])

    with ExitStack() as stack:
        ears = {end: stack.enter_context(bench.harness.listen(scope, far[end])) for end in far}
        with bench.before_each_call(send):
            yield
        send()
        for end, frames in sent.items():
            heard = [frame for frame in frames_until(ears[end], frames[-1]) if frame in frames]
            lost = len(frames) - len(heard)
            assert heard == frames, f"{lost} of {len(frames)} frames from {end} were lost, or came otherwise"
