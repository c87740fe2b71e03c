"""Wires: what joins places. A provider says where a port is; this makes the things that join it.

Everything that needs privileges is done by one helper process (:mod:`labprov.wires.helper`), in batches.
"""

from __future__ import annotations

from labprov.wires.client import Helper, helper
from labprov.wires.holder import NODE_VARIABLE
from labprov.wires.ports import plug, set_carrier, unplug
from labprov.wires.rootfs import Bind

__all__ = ["NODE_VARIABLE", "Bind", "Helper", "helper", "plug", "set_carrier", "unplug"]
