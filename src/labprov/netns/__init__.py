"""The embedded provider ``netns``: a node is a network namespace with a process, and nothing else is needed.

As root the namespaces are named under ``/run/netns`` (``ip netns exec labprov-lab-r1 …`` works); without
root they live in a holder's namespaces, where the kernel allows unprivileged user namespaces. A node's
files are the host's, but for ``/proc``, ``/sys``, ``/run``, ``/tmp``, ``/dev/shm`` and its binds.

All that labprov knows of a node is written in the kernel, in the alias of its ``lo``.
"""

from __future__ import annotations

from labprov.netns.accepting import labprov_accept_nodes
from labprov.netns.facts import labprov_check, labprov_provider_info
from labprov.netns.links import labprov_plug, labprov_set_carrier, labprov_unplug
from labprov.netns.nodes import (
    labprov_create_nodes,
    labprov_prepare_lab,
    labprov_remove_lab,
    labprov_remove_nodes,
    labprov_start_nodes,
    labprov_stop_nodes,
)
from labprov.netns.observing import labprov_observe
from labprov.netns.running import labprov_console, labprov_exec, labprov_logs, labprov_ready
from labprov.netns.suite import labprov_harness
from labprov.netns.watching import labprov_watch

__all__ = [
    "labprov_accept_nodes",
    "labprov_check",
    "labprov_console",
    "labprov_create_nodes",
    "labprov_exec",
    "labprov_harness",
    "labprov_logs",
    "labprov_observe",
    "labprov_plug",
    "labprov_prepare_lab",
    "labprov_provider_info",
    "labprov_ready",
    "labprov_remove_lab",
    "labprov_remove_nodes",
    "labprov_set_carrier",
    "labprov_start_nodes",
    "labprov_stop_nodes",
    "labprov_unplug",
    "labprov_watch",
]
