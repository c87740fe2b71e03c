"""labprov: a provider framework for network labs.

Everything public stands here; it is imported when it is first used, so that ``labprov --help`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labprov.builder import TopologyBuilder as TopologyBuilder
    from labprov.engine import NodeState as NodeState
    from labprov.engine import ProviderInfo as ProviderInfo
    from labprov.engine import Result as Result
    from labprov.errors import Busy as Busy
    from labprov.errors import Conflict as Conflict
    from labprov.errors import InvalidInput as InvalidInput
    from labprov.errors import InvalidTopology as InvalidTopology
    from labprov.errors import LabNotFound as LabNotFound
    from labprov.errors import LabprovError as LabprovError
    from labprov.errors import NodeNotFound as NodeNotFound
    from labprov.errors import NodeNotRunning as NodeNotRunning
    from labprov.errors import NotSupported as NotSupported
    from labprov.errors import Unavailable as Unavailable
    from labprov.events import Event as Event
    from labprov.events import EventKind as EventKind
    from labprov.hookspecs import hookimpl as hookimpl
    from labprov.host import Host as Host
    from labprov.lab import Lab as Lab
    from labprov.labs import cleanup as cleanup
    from labprov.labs import inspect_all as inspect_all
    from labprov.labs import known_labs as known_labs
    from labprov.labs import orphans as orphans
    from labprov.labs import watch_all as watch_all
    from labprov.model import Allocations as Allocations
    from labprov.model import Endpoint as Endpoint
    from labprov.model import Link as Link
    from labprov.model import Node as Node
    from labprov.model import Topology as Topology
    from labprov.plugins import Plugins as Plugins
    from labprov.plugins import load_plugins as load_plugins
    from labprov.report import Report as Report
    from labprov.settings import Settings as Settings
    from labprov.timeouts import Timeouts as Timeouts

_HOMES = {
    "Allocations": "model",
    "Busy": "errors",
    "Conflict": "errors",
    "Endpoint": "model",
    "Event": "events",
    "EventKind": "events",
    "Host": "host",
    "InvalidInput": "errors",
    "InvalidTopology": "errors",
    "Lab": "lab",
    "LabNotFound": "errors",
    "LabprovError": "errors",
    "Link": "model",
    "Node": "model",
    "NodeNotFound": "errors",
    "NodeNotRunning": "errors",
    "NodeState": "engine",
    "NotSupported": "errors",
    "Plugins": "plugins",
    "ProviderInfo": "engine",
    "Report": "report",
    "Result": "engine",
    "Settings": "settings",
    "Timeouts": "timeouts",
    "Topology": "model",
    "TopologyBuilder": "builder",
    "Unavailable": "errors",
    "cleanup": "labs",
    "hookimpl": "hookspecs",
    "inspect_all": "labs",
    "known_labs": "labs",
    "load_plugins": "plugins",
    "orphans": "labs",
    "watch_all": "labs",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
