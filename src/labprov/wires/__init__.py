"""Wires: what joins places. A provider says where a port is; this makes the things that join it.

Everything that needs privileges is done by one helper process (:mod:`labprov.wires.helper`), in batches.
"""

from __future__ import annotations

from labprov.wires.alias import SpaceAlias
from labprov.wires.client import Helper, helper
from labprov.wires.holder import NODE_VARIABLE
from labprov.wires.ovs import Switch
from labprov.wires.ovs import check as ovs_check
from labprov.wires.ovsdb import Database
from labprov.wires.ovsdb import silent as ovs_problem
from labprov.wires.places import at_places, no_place
from labprov.wires.ports import (
    Seen,
    SeenTap,
    database,
    interfaces,
    label,
    observe,
    observe_taps,
    plug,
    remove_lab,
    remove_ports,
    set_carrier,
    switch,
    unplug,
)
from labprov.wires.rootfs import Bind

__all__ = [
    "NODE_VARIABLE",
    "Bind",
    "Database",
    "Helper",
    "Seen",
    "SeenTap",
    "SpaceAlias",
    "Switch",
    "at_places",
    "database",
    "helper",
    "interfaces",
    "label",
    "no_place",
    "observe",
    "observe_taps",
    "ovs_check",
    "ovs_problem",
    "plug",
    "remove_lab",
    "remove_ports",
    "set_carrier",
    "switch",
    "unplug",
]
