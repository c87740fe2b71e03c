"""Looking at everything that a decision is made from: documents first, then the engines that are needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from labprov import allocation, identity
from labprov import saved as topologies
from labprov.engine import Observed, ProviderInfo, Scope
from labprov.errors import DocumentCorrupt, Unavailable
from labprov.events import Event
from labprov.far import is_pair, lacking
from labprov.host import Host
from labprov.kinds import load_catalogue
from labprov.model import Allocations, Endpoint, Topology
from labprov.placement import Placed, place
from labprov.plugins import Plugins
from labprov.saved import Saved
from labprov.settings import DEFAULT_PREFIX, Settings
from labprov.workspace import Workspace

NEED_TOPOLOGY = frozenset({"recover", "start", "restart", "connect", "disconnect", "link"})
"""Operations that can't go by what the engines hold alone."""

NEED_LINKS = frozenset({"deploy", "recover", "destroy", "start", "restart", "connect", "disconnect", "link"})
"""Operations that look at, make or remove what carries the links."""


class Infos(Mapping[str, ProviderInfo]):
    """What each installed provider says of itself; asked at first need, since asking may cost a second."""

    def __init__(self, plugins: Plugins, host: Host) -> None:
        self._plugins = plugins
        self._host = host
        self._known: dict[str, ProviderInfo] = {}

    def __getitem__(self, name: str) -> ProviderInfo:
        if name not in self._plugins.providers:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = self._plugins.provider(name).info(self._host)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins.providers)

    def __len__(self) -> int:
        return len(self._plugins.providers)


@frozen
class Bad:
    """A document that can't be what labprov wrote; it is moved aside when somebody may write."""

    error: DocumentCorrupt


@frozen(kw_only=True)
class Sources:
    """Everything that a decision is made from."""

    desired: Topology | None
    saved: Saved | None
    persisted: Allocations | None
    bad: tuple[Bad, ...]
    observed: Observed
    captured: Mapping[Endpoint, int]
    kept: Mapping[Endpoint, int]
    prefix: str
    asked: tuple[str, ...]
    warnings: tuple[str, ...] = ()


class Survey:
    """Reads the sources of one lab, for one operation. Writes nothing anywhere.

    :param lab: the lab's id.
    :param purpose: the operation ("deploy").
    :param emit: tells the observers.
    """

    def __init__(
        self,
        lab: str,
        purpose: str,
        settings: Settings,
        plugins: Plugins,
        host: Host,
        emit: Callable[[Event], None],
    ) -> None:
        self.lab = lab
        self.purpose = purpose
        self.settings = settings
        self.plugins = plugins
        self.host = host
        self.workspace = Workspace(settings.workspace)
        self.infos = Infos(plugins, host)
        self.emit = emit
        self.shared_bridge = settings.bridge
        """The bridge that labs share, asked for now or, once everything was looked at, at the last deploy."""

    @property
    def bridge(self) -> str:
        """The bridge that the lab's links meet on, where they need one."""
        return self.shared_bridge or identity.bridge_name(self.workspace.id, self.lab)

    def scope(self, prefix: str) -> Scope:
        """The lab, as hooks are told of it."""
        return Scope(
            host=self.host,
            workspace_id=self.workspace.id,
            workspace=self.workspace.path,
            lab=self.lab,
            prefix=prefix,
            bridge=self.bridge,
            shared=self.shared_bridge is not None,
            timeouts=self.settings.timeouts,
            emit=self.emit,
        )

    def look(self, given: Topology | None, *, use_saved: bool = False) -> Sources:
        """Read everything: the documents, then the engines that are needed. Writes nothing.

        :param given: what is wanted, as its file has it; None: unknown.
        :param use_saved: take the saved topology for what is wanted, where *given* is None.
        :raises Unavailable: an engine that is needed does not answer.
        :raises DocumentCorrupt: the saved topology is bad, and nothing else says what is wanted.
        """
        saved, bad_saved = self._load_saved(needed=given is None)
        if saved is not None and self.shared_bridge is None:
            self.shared_bridge = saved.bridge
        if given is None and use_saved and saved is not None:
            given = saved.topology
        prefix = self._prefix(given, saved)
        placed = self._place(given, saved, prefix) if given is not None else None
        desired = placed.topology if placed else None
        scope = self.scope(prefix)
        needed = self.needed(desired, saved)
        self._check_links(saved)
        observed = self._observe(needed, scope, desired)
        persisted, bad = self._load_document([item for item in (*self._known(saved), desired) if item])
        captured = self._captured(needed, scope, observed)
        kept = self.plugins.recover_allocations(
            self._named(persisted, saved, desired), desired, self._existing(needed, scope, observed), captured
        )
        return Sources(
            desired=desired,
            saved=saved,
            persisted=persisted,
            bad=tuple(bad_saved + bad),
            observed=observed,
            captured=captured,
            kept=kept,
            prefix=prefix,
            asked=needed,
            warnings=placed.warnings if placed else (),
        )

    def _load_saved(self, *, needed: bool) -> tuple[Saved | None, list[Bad]]:
        try:
            return topologies.load(self.workspace, self.lab), []
        except DocumentCorrupt as error:
            if needed and self.purpose in NEED_TOPOLOGY:
                error.remedy = "Deploy the lab's file again, or destroy the lab."
                raise
            return None, [Bad(error)]

    def _prefix(self, given: Topology | None, saved: Saved | None) -> str:
        named = [
            given.prefix if given else None,
            self.settings.prefix,
            saved.topology.prefix if saved else None,
        ]
        return identity.checked_prefix(next((word for word in named if word is not None), DEFAULT_PREFIX))

    def _place(self, given: Topology, saved: Saved | None, prefix: str) -> Placed:
        placed = place(
            given,
            self.infos,
            load_catalogue(),
            default=self.settings.provider,
            saved=saved.topology if saved else None,
        )
        return evolve(placed, topology=evolve(placed.topology, prefix=prefix))

    def needed(self, desired: Topology | None, saved: Saved | None) -> tuple[str, ...]:
        """The providers that have to answer: those that are named; where none is, all available ones.

        :raises Unavailable: one that is named can't work here.
        """
        known = [desired, saved.topology if saved else None]
        named = {
            node.provider for topology in known if topology for node in topology.machines if node.provider
        }
        named |= set(saved.providers) if saved else set()
        if not named:
            return tuple(name for name in self.infos if self._answers(name))
        for name in sorted(named):
            info = self.infos.get(name) or self.plugins.provider(name).info(self.host)
            if not info.available:
                raise self._unavailable(name, info)
        return tuple(sorted(named))

    def _check_links(self, saved: Saved | None) -> None:
        """See that what carries the lab's links answers, where links are to be changed.

        :raises Unavailable: it does not, and nobody knows what of the lab it holds.
        """
        if saved is None or self.purpose not in NEED_LINKS:
            return
        topology = saved.topology
        for end in topology.endpoints:
            name = topology.by_name[end.node].provider
            info = self.infos.get(name) if name else None
            if name is None or info is None or info.no_links is None:
                continue
            link = topology.link_at.get(end)
            other = topology.by_name.get(link.other(end).node) if link else None
            if not is_pair(name, info, other.provider if other else None):
                raise lacking(info.no_links, name, self.lab, end)

    def _answers(self, name: str) -> bool:
        """Whether the provider can be asked; one whose engine is not here at all has nothing to tell."""
        info = self.infos[name]
        if not info.available and info.present:
            raise self._unavailable(name, info)
        return info.available

    def _unavailable(self, name: str, info: ProviderInfo) -> Unavailable:
        return Unavailable(
            f"the provider {name} is needed and can't work here: {info.reason}",
            provider=name,
            lab=self.lab,
            remedy=info.remedy,
        )

    def _observe(self, needed: Sequence[str], scope: Scope, desired: Topology | None) -> Observed:
        names = frozenset(
            name
            for node in (desired.machines if desired else ())
            for name in identity.candidates(scope.prefix, self.lab, node.name)
        )
        observed = Observed()
        for name in needed:
            observed += self.plugins.provider(name).observe(scope, names)
        return observed

    def _known(self, saved: Saved | None) -> tuple[Topology, ...]:
        return saved.topologies() if saved else ()

    def _load_document(self, known: Collection[Topology]) -> tuple[Allocations | None, list[Bad]]:
        try:
            document = self.plugins.load_allocations(self.workspace.path, self.lab)
            if document is not None:
                tags = allocation.by_endpoint(allocation.named(document, known))
                allocation.check_sharing(tags, known, self.workspace.vlans(self.lab))
            return document, []
        except DocumentCorrupt as error:
            error.lab = self.lab
            return None, [Bad(error)]

    def _named(
        self, document: Allocations | None, saved: Saved | None, desired: Topology | None
    ) -> Allocations | None:
        if document is None:
            return None
        return allocation.named(document, [item for item in (*self._known(saved), desired) if item])

    def _captured(self, needed: Sequence[str], scope: Scope, observed: Observed) -> Mapping[Endpoint, int]:
        captured: dict[Endpoint, int] = {}
        for name in needed:
            part = Observed(tuple(node for node in observed.nodes if node.provider == name))
            captured.update(self.plugins.provider(name).capture_vlans(scope, part))
        return captured

    def _existing(self, needed: Sequence[str], scope: Scope, observed: Observed) -> frozenset[str]:
        existing: set[str] = set()
        for name in needed:
            nodes = [node for node in observed.nodes if node.provider == name and node.lab == self.lab]
            there = self.plugins.provider(name).validate_nodes(
                scope, [node.node for node in nodes], Observed(tuple(nodes))
            )
            existing |= {node for node, exists in there.items() if exists}
        return frozenset(existing)
