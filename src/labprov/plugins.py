"""Providers, observers and stores: found one by one, and checked."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy
from attrs import frozen

from labprov import hookspecs
from labprov.errors import ProviderFault, Unavailable
from labprov.events import Event
from labprov.model import Allocations, Endpoint, Topology
from labprov.provider import INFO_HOOK, Provider

logger = logging.getLogger(__name__)

STORE_HOOK = "labprov_load_allocations"


@frozen
class BrokenPlugin:
    """A plugin that could not be used, and why; the others work."""

    name: str
    error: str
    remedy: str


class Plugins:
    """Everything that takes part: labprov's defaults, providers, observers, a store.

    :param defaults: plugin objects that answer last (labprov's own).
    """

    def __init__(self, defaults: Mapping[str, object]) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._defaults = frozenset(defaults)
        self.broken: tuple[BrokenPlugin, ...] = ()
        for name, plugin in defaults.items():
            self.register(plugin, name)

    def register(self, plugin: object, name: str) -> None:
        """Take *plugin* in under *name*.

        :raises ProviderFault: the name is taken, a hook is misspelt, an implementation wants arguments that
            its hook does not have, or the object can't be hashed.
        """
        try:
            hash(plugin)  # pluggy keeps plugins in sets, and would fail at the first call only
            self._manager.register(plugin, name)
            self._check_hooks(plugin)
        except (TypeError, ValueError, pluggy.PluginValidationError) as error:
            if self._manager.get_plugin(name) is plugin:
                self._manager.unregister(plugin)
            raise ProviderFault(f"the plugin {name!r} does not fit: {error}") from error

    def _check_hooks(self, plugin: object) -> None:
        """Do for one plugin what pluggy's ``check_pending`` does for all at once."""
        for caller in self._manager.get_hookcallers(plugin) or ():
            if caller.spec is not None or all(impl.optionalhook for impl in caller.get_hookimpls()):
                continue
            known = [name for name in vars(hookspecs) if name.startswith("labprov_")]
            near = difflib.get_close_matches(caller.name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no hook {caller.name}{hint}")

    def report_broken(self, name: str, error: Exception) -> None:
        """Remember that the plugin *name* could not be loaded, and why."""
        logger.warning("the plugin %s could not be loaded: %s", name, error)
        self.broken += (BrokenPlugin(name, str(error), "Repair or uninstall the package that has it."),)

    def monitor(self, listener: Callable[[str, dict[str, Any]], None]) -> None:
        """Have *listener* called with the name and the arguments of each hook call, before it is made."""
        self._manager.add_hookcall_monitoring(
            lambda name, _, arguments: listener(name, dict(arguments)), lambda *_: None
        )

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of all providers that are installed and whole, sorted; available or not."""
        return tuple(sorted(name for name, plugin in self._named() if self._implements(plugin, INFO_HOOK)))

    def provider(self, name: str) -> Provider:
        """The handle for the provider *name*.

        :raises Unavailable: no such provider is installed, or its plugin is broken.
        """
        if name in self.providers:
            return Provider(name, lambda hook: self._caller(hook, provider=name))
        broken = next((plugin for plugin in self.broken if plugin.name == name), None)
        raise Unavailable(
            f"the provider {name!r} can't be loaded: {broken.error}"
            if broken
            else f"no provider {name!r} is installed",
            provider=name,
            remedy=broken.remedy if broken else f"Installed are: {', '.join(self.providers) or 'none'}.",
        )

    def emit(self, event: Event) -> None:
        """Tell every observer; one that raises is logged and harms nothing."""
        for plugin in {id(plugin): plugin for _, plugin in self._named()}.values():
            if not self._implements(plugin, "labprov_event"):
                continue
            try:
                self._caller("labprov_event", keep=plugin)(event=event)
            except Exception:
                logger.exception("an observer raised on %s", event)

    def load_allocations(self, workspace: Path, lab: str) -> Allocations | None:
        """See :func:`labprov.hookspecs.labprov_load_allocations`."""
        result: Allocations | None = self._store(STORE_HOOK)(workspace=workspace, lab=lab)
        return result

    def save_allocations(self, workspace: Path, lab: str, document: Allocations) -> None:
        """See :func:`labprov.hookspecs.labprov_save_allocations`."""
        self._store("labprov_save_allocations")(workspace=workspace, lab=lab, document=document)

    def remove_allocations(self, workspace: Path, lab: str) -> None:
        """See :func:`labprov.hookspecs.labprov_remove_allocations`."""
        self._store("labprov_remove_allocations")(workspace=workspace, lab=lab)

    def recover_allocations(
        self,
        persisted: Allocations | None,
        topology: Topology | None,
        existing: frozenset[str],
        captured: Mapping[Endpoint, int],
    ) -> Mapping[Endpoint, int]:
        """See :func:`labprov.hookspecs.labprov_recover_allocations`."""
        kept: Mapping[Endpoint, int] = self._caller("labprov_recover_allocations")(
            persisted=persisted, topology=topology, existing=existing, captured=captured
        )
        return kept

    def _named(self) -> Iterator[tuple[str, object]]:
        return ((name, plugin) for name, plugin in self._manager.list_name_plugin() if plugin is not None)

    def _implements(self, plugin: object, hook: str) -> bool:
        return any(caller.name == hook for caller in self._manager.get_hookcallers(plugin) or ())

    def _store(self, hook: str) -> Callable[..., Any]:
        """The store's hook: a plugin's own, or else labprov's; never one after the other."""
        stores = [plugin for _, plugin in self._named() if self._implements(plugin, STORE_HOOK)]
        own = [plugin for name, plugin in self._named() if name in self._defaults and plugin in stores]
        others = [plugin for plugin in stores if plugin not in own]
        if len(others) > 1:
            raise ProviderFault("two plugins want to be the store of allocations")
        return self._manager.subset_hook_caller(hook, remove_plugins=own if others else [])

    def _caller(self, hook: str, *, provider: str | None = None, keep: object = None) -> Callable[..., Any]:
        """The hook, heard only by *provider* and by plugins that are no provider; or by *keep* alone.

        Built for each call: a cached one would let in whoever registers later.
        """
        if keep is not None:
            others = [plugin for _, plugin in self._named() if plugin is not keep]
        else:
            others = [
                plugin
                for name, plugin in self._named()
                if name != provider and self._implements(plugin, INFO_HOOK)
            ]
        return self._manager.subset_hook_caller(hook, remove_plugins=others)


def tell(plugins: Plugins, on_event: Callable[[Event], None] | None, event: Event) -> None:
    """Tell the caller's own listener and every observer; whoever raises is logged and harms nothing."""
    try:
        if on_event is not None:
            on_event(event)
    except Exception:
        logger.exception("the caller's on_event raised on %s", event)
    plugins.emit(event)


def load_plugins() -> Plugins:
    """Everything that is installed: labprov's defaults, then each entry point of the group, on its own.

    A plugin that can't be imported or does not fit is reported in :attr:`Plugins.broken`; the rest works.
    """
    from labprov.allocation import JsonStore
    from labprov.tags import Recovery

    plugins = Plugins({"labprov.store": JsonStore(), "labprov.recovery": Recovery()})
    for point in sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: point.name):
        _load(plugins, point)
    return plugins


def _load(plugins: Plugins, point: EntryPoint) -> None:
    try:
        plugins.register(point.load(), point.name)
    except Exception as error:
        plugins.report_broken(point.name, error)
