"""What a clause works with: labs on the provider under test, from as many processes as it likes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import evolve

from labprov.allocation import JsonStore, by_endpoint, named, render
from labprov.engine import Capability, ObservedInterface, ObservedNode, ProviderInfo, Scope
from labprov.events import Event
from labprov.harness import Harness
from labprov.host import Host
from labprov.identity import bridge_name
from labprov.lab import Lab
from labprov.model import Endpoint, Link, Node, Topology, endpoint
from labprov.plugins import Plugins
from labprov.settings import Settings
from labprov.tags import Recovery
from labprov.timeouts import Timeouts
from labprov.workspace import Workspace

WRITES = frozenset(
    f"labprov_{name}"
    for name in (
        "prepare_lab",
        "remove_lab",
        "create_nodes",
        "start_nodes",
        "stop_nodes",
        "remove_nodes",
        "plug",
        "unplug",
        "set_carrier",
        "restore_config",
    )
)
"""Hooks that change an engine."""


class Killed(BaseException):
    """labprov's process dies here, as far as a test can have it in its own process."""


class Bench:
    """One provider, one workspace, and labs of names of their own, so that runs side by side don't meet.

    :param name: the provider's name.
    :param plugin: its plugin object; labprov's defaults are beside it, and no other provider.
    :param folder: an empty folder.
    """

    def __init__(self, name: str, plugin: object, folder: Path) -> None:
        self.name = name
        self.plugin = plugin
        self.settings = Settings(
            workspace=folder / "workspace", provider=name, timeouts=Timeouts(lock=30.0, ready=60.0)
        )
        self.events: list[Event] = []
        self.calls: list[str] = []
        self._before: list[Callable[[str, dict[str, Any]], None]] = []
        self._run = uuid4().hex[:6]
        self._labs: set[str] = set()
        self._other_workspaces: list[Settings] = []
        self.host = Host()

    # -- labs ---------------------------------------------------------------------------------------------

    def name_of(self, lab: str) -> str:
        """The id, unique to this run, of the lab that the clause calls *lab*."""
        return f"c{self._run}-{lab}"

    def lab(self, topology: Topology, settings: Settings | None = None) -> Lab:
        """The lab, as a process that has just started has it."""
        self._labs.add(topology.name)
        return Lab(
            topology, settings or self.settings, plugins=self.new_plugins(), on_event=self.events.append
        )

    def attach(self, name: str, settings: Settings | None = None) -> Lab:
        """The lab of that (full) id, without its topology file."""
        return Lab.attach(name, settings or self.settings, plugins=self.new_plugins())

    def new_plugins(self) -> Plugins:
        """The plugins of a process that has just started; every hook call of theirs is noted."""
        plugins = Plugins({"labprov.store": JsonStore(), "labprov.recovery": Recovery()})
        plugins.register(self.plugin, self.name)
        plugins.monitor(self._note)
        return plugins

    def _note(self, hook: str, arguments: dict[str, Any]) -> None:
        self.calls.append(hook)
        for listener in tuple(self._before):
            listener(hook, arguments)

    @property
    def writes(self) -> list[str]:
        """The calls so far that may have changed an engine."""
        return [hook for hook in self.calls if hook in WRITES]

    @contextmanager
    def before_each_call(self, listener: Callable[[str, dict[str, Any]], None]) -> Iterator[None]:
        """While it lasts, *listener* hears each hook call (name and arguments) before it is made."""
        self._before.append(listener)
        try:
            yield
        finally:
            self._before.remove(listener)

    # -- topologies ---------------------------------------------------------------------------------------

    def topology(self, name: str, *links: str, **unlinked: list[str]) -> Topology:
        """A topology of links written ``a:eth1 b:eth1``, and of nodes with interfaces that have no link.

        Names that begin with ``sw`` are bridge nodes. All other nodes are what the harness gives.
        """
        pairs = [tuple(link.split()) for link in links]
        names = dict.fromkeys(end.partition(":")[0] for pair in pairs for end in pair)
        names.update(dict.fromkeys(unlinked))
        nodes = []
        for node in names:
            if node.startswith("sw"):
                nodes.append(Node(name=node, kind="bridge"))
            else:
                made = self.harness.node(node)
                nodes.append(evolve(made, interfaces=tuple(unlinked.get(node, ())), provider=self.name))
        ends = tuple(Link(endpoint(a), endpoint(b)) for a, b in pairs)
        return Topology(name=self.name_of(name), nodes=tuple(nodes), links=ends)

    # -- looking ------------------------------------------------------------------------------------------

    def scope(self, lab: str | None, settings: Settings | None = None) -> Scope:
        """The lab (full id), as the provider's hooks are told of it."""
        workspace = Workspace((settings or self.settings).workspace)
        return Scope(
            host=self.host,
            workspace_id=workspace.id,
            workspace=workspace.path,
            lab=lab,
            bridge=self.settings.bridge or (bridge_name(workspace.id, lab) if lab else ""),
            timeouts=self.settings.timeouts,
        )

    @cached_property
    def _eyes(self) -> Plugins:
        """The plugins of somebody who only looks, always the same: making them costs more than looking."""
        return self.new_plugins()

    @cached_property
    def info(self) -> ProviderInfo:
        """What the provider says of itself."""
        return self._eyes.provider(self.name).info(self.host)

    def claims(self, capability: Capability) -> bool:
        """Whether the provider claims *capability*."""
        return capability in self.info.capabilities

    @cached_property
    def harness(self) -> Harness:
        """The provider's hands."""
        return self._eyes.provider(self.name).harness(self.scope(None))

    def nodes(self, lab: str, settings: Settings | None = None) -> dict[str, ObservedNode]:
        """The lab's nodes as the provider observes them."""
        scope = self.scope(lab, settings)
        observed = self._eyes.provider(self.name).observe(scope)
        return {node.node: node for node in observed.nodes if node.lab == lab}

    def interface(self, lab: str, end: str) -> ObservedInterface:
        """One interface as the provider observes it."""
        node, _, name = end.partition(":")
        found = self.nodes(lab)[node].interface(name)
        assert found is not None, f"{end} is not there"
        return found

    def processes(self, lab: str) -> dict[str, int | None]:
        """Each node's first process."""
        return {name: node.process for name, node in self.nodes(lab).items()}

    def tags(self, lab: str) -> dict[str, int]:
        """The tags in the allocation document, by ``node:interface``; empty if there is none."""
        document = self._eyes.load_allocations(self.settings.workspace, lab)
        return {} if document is None else _by_text(by_endpoint(named(document, ())))

    def captured(self, lab: str) -> dict[str, int]:
        """The tags that the engine really carries, by ``node:interface``."""
        provider = self._eyes.provider(self.name)
        scope = self.scope(lab)
        return _by_text(provider.capture_vlans(scope, provider.observe(scope)))

    def macs(self, lab: str) -> dict[str, str]:
        """The MACs that interfaces really have, by ``node:interface``."""
        return {f"{n.node}:{item.name}": item.mac for n in self.nodes(lab).values() for item in n.interfaces}

    def document(self, lab: str) -> bytes | None:
        """The allocation document's bytes, read through the store."""
        document = self._eyes.load_allocations(self.settings.workspace, lab)
        return None if document is None else render(document)

    def files(self) -> dict[str, bytes]:
        """Every file of the workspace that is about labs, and its content; locks and the id left out."""
        top = self.settings.workspace
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file() and path.suffix != ".lock" and path.name != "workspace-id"
        }

    def leftovers(self, lab: str) -> set[str]:
        """All that is left of the lab, in the engine (by the harness) and in the workspace."""
        top = self.settings.workspace
        files = {
            str(path.relative_to(top))
            for path in top.rglob("*")
            if path.name in (lab, f"{lab}.lab.lock") or path.name.lstrip(".").startswith(f"{lab}.json")
        }
        return files | self.harness.leftovers(self.scope(lab))

    def vlan_file(self, lab: str) -> Path:
        """Where the lab's allocation document is, for a provider that claims ``json_store``."""
        return Workspace(self.settings.workspace).vlans(lab)

    def json(self, lab: str) -> dict[str, Any]:
        """The document as JSON."""
        value: dict[str, Any] = json.loads(self.document(lab) or b"{}")
        return value

    # -- the end ------------------------------------------------------------------------------------------

    def other_workspace(self) -> Settings:
        """Settings with a second workspace, cleaned up as the first is."""
        number = len(self._other_workspaces) + 2
        settings = evolve(self.settings, workspace=self.settings.workspace.with_name(f"workspace{number}"))
        self._other_workspaces.append(settings)
        return settings

    def close(self) -> None:
        """Destroy every lab that was made, whatever happens to one of them, and close all connections.

        :raises ExceptionGroup: some could not be destroyed.
        """
        self._before.clear()
        errors: list[Exception] = []
        for settings in (self.settings, *self._other_workspaces):
            for name in sorted(self._labs):
                try:
                    Lab(Topology(name=name), settings, plugins=self.new_plugins()).destroy().raise_failures()
                except Exception as error:
                    errors.append(error)
        self.host.close()
        if errors:
            raise ExceptionGroup("labs of the clause could not be destroyed", errors)


def _by_text(tags: Mapping[Endpoint, int]) -> dict[str, int]:
    return {str(end): tag for end, tag in tags.items()}
