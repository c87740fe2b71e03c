"""Which providers are tested."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from inspect import isclass
from pathlib import Path

import pytest
from attrs import field, frozen

from labprov.engine import ProviderInfo
from labprov.errors import LabprovError
from labprov.hookspecs import PROJECT
from labprov.host import Host
from labprov.plugins import Plugins, load_plugins


@frozen(eq=False)
class Target:
    """A provider under test.

    :param plugin: its plugin object; None where it could not be loaded.
    :param info: what it said of itself on this machine.
    :param named: whether somebody asked for this very provider.
    """

    name: str
    plugin: object = field(repr=False)
    info: ProviderInfo = field(repr=False)
    named: bool

    @property
    def unavailable(self) -> str | None:
        """Why it can't be tested here, and the remedy; None if it can."""
        if self.info.reason is None:
            return None
        return f"{self.info.reason}. {self.info.remedy}" if self.info.remedy else self.info.reason


def known_gaps(plugin: object) -> Mapping[str, str]:
    """The clauses that the provider's author knows to be broken, by id, and why."""
    gaps: Mapping[str, str] = getattr(plugin, "known_gaps", {})
    return gaps


def find_targets(wanted: Sequence[str], folder: Path) -> tuple[Target, ...]:
    """Find the providers that are asked for, or else all that are installed; sorted by name.

    :param wanted: names of installed providers, or ``module:object``.
    :param folder: where modules are looked for, too.
    :raises pytest.UsageError: there is no such provider, or none at all, or none that can be tested here.
    """
    targets = [_find(text, folder) for text in dict.fromkeys(wanted)] if wanted else list(_installed())
    if not targets:
        raise pytest.UsageError(
            f"no provider is installed (entry points of the group {PROJECT!r}); "
            "name one with --labprov-provider=module:object"
        )
    if not wanted and all(target.unavailable for target in targets):
        reasons = (f"{target.name}: {target.unavailable}" for target in targets)
        raise pytest.UsageError("no provider can be tested here", *reasons)
    return tuple(sorted(_distinct(targets), key=lambda target: target.name))


def _distinct(targets: Iterable[Target]) -> Iterable[Target]:
    found: dict[str, Target] = {}
    for target in targets:
        if target.name in found:
            raise pytest.UsageError(f"two of the providers that shall be tested are called {target.name!r}")
        found[target.name] = target
    return found.values()


def _installed() -> Iterable[Target]:
    plugins = load_plugins()
    for name in plugins.providers:
        yield _entry(name, named=False)
    for broken in plugins.broken:
        info = ProviderInfo(name=broken.name, version="", reason=broken.error, remedy=broken.remedy)
        yield Target(broken.name, None, info, named=False)


def _entry(name: str, *, named: bool) -> Target:
    """The provider of that name, which could be loaded before."""
    (point, *_) = entry_points(group=PROJECT, name=name)
    return _target(point.load(), name, named=named)


def _find(text: str, folder: Path) -> Target:
    plugins = load_plugins()
    if text in plugins.providers:
        return _entry(text, named=True)
    for broken in plugins.broken:
        if broken.name == text:
            info = ProviderInfo(name=text, version="", reason=broken.error, remedy=broken.remedy)
            return Target(text, None, info, named=True)
    if ":" in text or "." in text:
        return target_of(_import(text, folder), text)
    raise pytest.UsageError(
        f"no provider {text!r} is installed; installed are: {', '.join(plugins.providers) or 'none'}. "
        "Any other is named by module:object"
    )


def _import(text: str, folder: Path) -> object:
    module, _, path = text.partition(":")
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        found: object = importlib.import_module(module)
        for part in filter(None, path.split(".")):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"the provider {text!r} can't be imported: {error}") from error
    return found


def target_of(plugin: object, text: str) -> Target:
    """Make a target of a plugin object, or of a class that needs no arguments.

    :param text: how it was asked for.
    :raises pytest.UsageError: it is no provider.
    """
    if isclass(plugin):
        try:
            plugin = plugin()
        except Exception as error:
            raise pytest.UsageError(f"no instance of {text!r} can be made: {error}") from error
    return _target(plugin, None, named=True, text=text)


def _target(plugin: object, name: str | None, *, named: bool, text: str = "") -> Target:
    asked = name or text
    plugins = Plugins({})
    try:
        plugins.register(plugin, asked)
        with Host() as host:
            info = plugins.provider(asked).info(host)
    except LabprovError as error:
        if asked not in plugins.providers and not hasattr(plugin, "labprov_provider_info"):
            raise pytest.UsageError(f"{asked!r} is no provider: it has no labprov_provider_info") from error
        info = ProviderInfo(name=asked, version="", reason=error.message, remedy=error.remedy)
    return Target(name or info.name, plugin, info, named)
