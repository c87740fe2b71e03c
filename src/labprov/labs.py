"""All labs of a workspace: which there are, and how the ones that nobody wants any more are cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Collection

from attrs import evolve

from labprov import saved as topologies
from labprov.engine import NodeState, Observed, Scope
from labprov.errors import DocumentCorrupt, InvalidInput, LabprovError, Unavailable
from labprov.events import Event
from labprov.facts import mine_of
from labprov.host import Host
from labprov.lab import Lab
from labprov.model import checked_name
from labprov.plugins import Plugins, load_plugins, tell
from labprov.provider import Provider
from labprov.report import NodeStatus, Report
from labprov.settings import Settings
from labprov.status import statuses
from labprov.watching import Watching, watch
from labprov.workspace import Workspace


def _observe_all(settings: Settings, plugins: Plugins) -> tuple[Observed, dict[str, Unavailable]]:
    """What the providers hold of this workspace, and the errors of those that could not be asked.

    A provider whose engine is not on this host at all has nothing to tell, and is in neither.
    """
    workspace = Workspace(settings.workspace)
    workspace.check_id()
    observed, silent = Observed(), {}
    if not workspace.id:
        return observed, {}
    with Host(options=settings.host_options) as host:
        scope = Scope(
            host=host, workspace_id=workspace.id, workspace=workspace.path, timeouts=settings.timeouts
        )
        for name in plugins.providers:
            try:
                observed += _ask(plugins.provider(name), scope)
            except Unavailable as error:
                silent[name] = error
    mine = Observed(
        tuple(node for node in observed.nodes if node.workspace == workspace.id and node.lab),
        tuple(item for item in observed.resources if item.workspace == workspace.id),
    )
    return mine, silent


def _ask(provider: Provider, scope: Scope) -> Observed:
    info = provider.info(scope.host)
    if info.available:
        return provider.observe(scope)
    if info.present:
        raise Unavailable(
            f"the provider {provider.name} does not answer: {info.reason}",
            provider=provider.name,
            remedy=info.remedy,
        )
    return Observed()


def known_labs(settings: Settings, plugins: Plugins | None = None) -> tuple[str, ...]:
    """The ids of all labs that the workspace has documents of, or an engine has things of; sorted.

    :raises Unavailable: an engine that is there does not answer.
    """
    observed, silent = _observe_all(settings, plugins or load_plugins())
    for error in silent.values():
        raise error
    return tuple(sorted(_ids(settings, observed)))


def _ids(settings: Settings, observed: Observed) -> set[str]:
    seen = {node.lab for node in observed.nodes} | {item.lab for item in observed.resources}
    return seen | Workspace(settings.workspace).labs()


def inspect_all(settings: Settings, plugins: Plugins | None = None) -> tuple[NodeStatus, ...]:
    """Every node of every lab of the workspace, as it is now. Writes nothing.

    A saved node whose engine does not answer is *unknown*, never absent.
    """
    workspace = Workspace(settings.workspace)
    observed, silent = _observe_all(settings, plugins or load_plugins())
    found: list[NodeStatus] = []
    for lab in sorted(_ids(settings, observed)):
        try:
            saved = topologies.load(workspace, lab)
        except DocumentCorrupt:
            # what the engines hold is shown all the same; `labprov validate` tells of the document
            saved = None
        there = mine_of(observed, lab, workspace.id)
        found += [
            evolve(status, state=NodeState.UNKNOWN) if status.provider in silent else status
            for status in statuses(lab, there, saved.topology if saved else None)
        ]
    return tuple(found)


def watch_all(
    settings: Settings,
    plugins: Plugins | None = None,
    *,
    on_event: Callable[[Event], None] | None = None,
) -> Watching:
    """Listen to the engines' own news of all labs of the workspace (see :meth:`labprov.Lab.watch`).

    Every provider that is available is listened to, also for labs that are deployed later. A new workspace
    gets its id by that; nothing else is written anywhere.

    :param on_event: hears what happens, beside the observers that are installed.
    :raises NotSupported: no provider that is available tells news.
    """
    found = plugins or load_plugins()
    workspace = Workspace(settings.workspace)
    workspace.prepare()
    scope = Scope(
        host=Host(options=settings.host_options),
        workspace_id=workspace.id,
        workspace=workspace.path,
        timeouts=settings.timeouts,
        emit=lambda event: tell(found, on_event, event),
    )
    return watch(scope, found)


def orphans(
    settings: Settings, keep: Collection[str], *, every: bool = False, plugins: Plugins | None = None
) -> tuple[str, ...]:
    """The labs of the workspace that are not to be kept. Lists only; nothing is removed.

    :param keep: ids of the labs to keep, each compared in full.
    :param every: keep none.
    :raises InvalidInput: *keep* is empty and *every* was not said.
    """
    if not keep and not every:
        raise InvalidInput(
            "no lab to keep was named, so every lab would be removed",
            remedy="Name the labs to keep with --keep, or say --all.",
        )
    kept = {checked_name(lab, "lab name") for lab in keep}
    return tuple(lab for lab in known_labs(settings, plugins) if lab not in kept)


def cleanup(
    settings: Settings,
    labs: Collection[str],
    *,
    plugins: Plugins | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> tuple[Report, ...]:
    """Destroy *labs*, going on past one that can't be; each has its report, the error in ``failures``."""
    plugins = plugins or load_plugins()
    reports: dict[str, Report] = {}
    for name in labs:
        try:
            lab = Lab.attach(name, settings, plugins=plugins, on_event=on_event)
            reports[name] = lab.destroy()
        except LabprovError as error:
            reports[name] = Report(lab=name, operation="cleanup", failures=(error,))
    return tuple(reports.values())
