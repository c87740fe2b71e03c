"""The Docker provider of labprov: a node is a container, its network another's.

Beside each node's container stands its *holder*, a container that does nothing but own the network namespace
with the node's interfaces. So they are there before the node's first instruction, and stay whatever becomes
of its process. All that labprov knows of a node stands in the labels of both.
"""

from __future__ import annotations

from labprov_docker.facts import labprov_check, labprov_provider_info
from labprov_docker.labs import labprov_accept_nodes, labprov_prepare_lab, labprov_remove_lab
from labprov_docker.nodes import (
    labprov_create_nodes,
    labprov_remove_nodes,
    labprov_start_nodes,
    labprov_stop_nodes,
)
from labprov_docker.observing import labprov_observe
from labprov_docker.output import labprov_logs
from labprov_docker.ports import labprov_plug, labprov_set_carrier, labprov_unplug
from labprov_docker.running import labprov_console, labprov_exec, labprov_ready
from labprov_docker.suite import labprov_harness
from labprov_docker.watching import labprov_watch

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
