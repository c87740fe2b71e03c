"""Nodes: the helper's requests about namespaces and the processes in them, as batches.

Helper side: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from labprov.errors import EngineFailure, LabprovError, NodeNotFound
from labprov.wires import links
from labprov.wires.alias import NEVER, OFF, ON, SpaceAlias
from labprov.wires.parking import Owner, Parking
from labprov.wires.processes import end, first_processes
from labprov.wires.spaces import FOLDER, Kernel, Space
from labprov.wires.spawn import Start, check_sysctls, start
from labprov.wires.wiring import Peers, is_end

Outcome = LabprovError | None


@dataclass(frozen=True)
class Named:
    """A node by its name under ``/run/netns`` and its identity."""

    name: str
    owner: SpaceAlias


@dataclass(frozen=True)
class Create(Named):
    """A node to be made; ``replaces`` is the name of the one whose place it takes."""

    sysctls: Mapping[str, str] = field(default_factory=dict)
    replaces: str | None = None


def _each(items: Sequence[Named], work: Callable[[int], None]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for number, item in enumerate(items):
        try:
            work(number)
            outcomes.append(None)
        except LabprovError as error:
            _at(error, item)
            outcomes.append(error)
        except (OSError, ValueError) as error:
            outcomes.append(_at(EngineFailure(f"the kernel refused: {error}"), item))
    return outcomes


def _at(error: LabprovError, item: Named) -> LabprovError:
    error.lab, error.node = item.owner.lab, item.owner.node
    return error


def create(kernel: Kernel, items: Sequence[Create]) -> list[Outcome]:
    """Make the namespaces; one that is there already keeps everything, and gets its new label."""
    return _each(items, lambda number: _create(kernel, items[number]))


def label(kernel: Kernel, place: str, owner: SpaceAlias) -> Outcome:
    """Write whose the namespace at *place* is; one that is somebody else's keeps its label."""
    try:
        space = kernel.space(place)
        if space is None:
            return NodeNotFound("the node has no network namespace", lab=owner.lab, node=owner.node)
        if space.owner is not None and not space.owner.same_owner(owner):
            return EngineFailure(f"{place} is another node's", lab=owner.lab, node=owner.node)
        kernel.relabel(space, owner)
    except LabprovError as error:
        return error
    except (OSError, ValueError) as error:
        return EngineFailure(f"the kernel refused: {error}", lab=owner.lab, node=owner.node)
    return None


def _create(kernel: Kernel, item: Create) -> None:
    check_sysctls(item.sysctls)
    space = kernel.owned(item.name, item.owner)
    if space is None and item.replaces and item.replaces != item.name:
        space = kernel.owned(item.replaces, item.owner)
    if space is None or space.owner is None:
        kernel.make(item.name, item.owner, item.sysctls)
        return
    if item.replaces:
        end(first_processes({space.inode}).values(), 0)
    power = NEVER if item.replaces else space.owner.power
    if space.name != item.name:
        space = kernel.rename(space, item.name)
    kernel.relabel(space, item.owner.with_power(power))


def start_all(kernel: Kernel, items: Sequence[Named], starts: Sequence[Start]) -> list[Outcome]:
    """Run the first processes of nodes that don't run yet."""
    spaces: dict[int, Space] = {}

    def find(number: int) -> None:
        item = items[number]
        space = kernel.owned(item.name, item.owner)
        if space is None:
            raise NodeNotFound("the node has no namespace", remedy="Deploy it.")
        check_sysctls(starts[number].sysctls)
        spaces[number] = space

    outcomes = _each(items, find)
    running = first_processes({space.inode for space in spaces.values()})
    todo = [number for number, space in spaces.items() if space.inode not in running]
    before = {number: spaces[number].owner for number in todo}
    _power(kernel, [spaces[number] for number in todo], ON)
    for log in {os.path.dirname(starts[number].log) for number in todo}:
        os.makedirs(log, mode=0o755, exist_ok=True)
    results = start([spaces[number] for number in todo], [starts[number] for number in todo])
    for number, result in zip(todo, results, strict=True):
        owner = before[number]
        if result is not None and owner is not None:
            kernel.relabel(spaces[number], owner)
            outcomes[number] = _at(result, items[number])
    return outcomes


def _power(kernel: Kernel, spaces: Sequence[Space], power: str) -> None:
    for space in spaces:
        if space.owner is not None and space.owner.power != power:
            kernel.relabel(space, space.owner.with_power(power))


def stop(kernel: Kernel, items: Sequence[Named], grace: float) -> list[Outcome]:
    """End the processes; an absent node does not run, so it is no error."""
    spaces: list[Space] = []

    def find(number: int) -> None:
        space = kernel.owned(items[number].name, items[number].owner)
        if space is not None:
            spaces.append(space)

    outcomes = _each(items, find)
    started = [space for space in spaces if space.owner and space.owner.power != NEVER]
    running = first_processes({space.inode for space in spaces})
    _power(kernel, [*started, *(space for space in spaces if space.inode in running)], OFF)
    end(running.values(), grace)
    return outcomes


def remove(kernel: Kernel, items: Sequence[Named], logs: Sequence[str]) -> list[Outcome]:
    """Remove processes, namespaces and logs; what has vanished is no error."""
    spaces: dict[int, Space] = {}

    def find(number: int) -> None:
        space = kernel.owned(items[number].name, items[number].owner)
        if space is not None:
            spaces[number] = space

    outcomes = _each(items, find)
    running = first_processes({space.inode for space in spaces.values()})
    _power(kernel, [space for space in spaces.values() if space.inode in running], OFF)  # it did not crash
    end(running.values(), 0)

    def take(number: int) -> None:
        if outcomes[number] is None and number in spaces:
            _remove(kernel, spaces[number])
        if outcomes[number] is None:
            remove_log(logs[number])

    taken = _each(items, take)
    return [first or second for first, second in zip(outcomes, taken, strict=True)]


def _remove(kernel: Kernel, space: Space) -> None:
    """A namespace goes some time after its name; what it has outside goes now, with the other side."""
    for link in list(space.links.values()):
        if is_end(link) and _reaches_out(kernel, space, link):
            space.run([links.delete(link.index)])
    kernel.remove(space)


def _reaches_out(kernel: Kernel, space: Space, link: links.Link) -> bool:
    return link.nsid == space.nsid(kernel.home) and Peers([kernel.home]).of(space, link) is not None


def remove_lab(kernel: Kernel, owner: Owner, logs: str) -> None:
    """Remove what belongs to the lab and to no node."""
    parking = Parking(kernel, owner).find()
    if parking is not None:
        kernel.remove(parking)
    for name, whose in kernel.bare().items():
        if (whose.lab, whose.workspace) == (owner.lab, owner.workspace):
            os.unlink(f"{FOLDER}/{name}")
    remove_logs(logs)


def remove_log(path: str) -> None:
    """Remove a node's output; a node that never ran has none."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_logs(folder: str) -> None:
    """Remove the folder of a lab's output."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
