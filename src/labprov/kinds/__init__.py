"""Kinds of devices: what labprov knows of each, as data.

One YAML file describes one kind (``data/``); a user's folder may add kinds or replace these.
"""

from __future__ import annotations

from labprov.kinds.catalogue import Catalogue, load_catalogue
from labprov.kinds.kind import (
    AliasRule,
    Boot,
    Chipset,
    Credentials,
    DiskBus,
    Extraction,
    Firmware,
    Hardware,
    Interfaces,
    Kind,
    Method,
    NicModel,
    Role,
    Truth,
)

__all__ = [
    "AliasRule",
    "Boot",
    "Catalogue",
    "Chipset",
    "Credentials",
    "DiskBus",
    "Extraction",
    "Firmware",
    "Hardware",
    "Interfaces",
    "Kind",
    "Method",
    "NicModel",
    "Role",
    "Truth",
    "load_catalogue",
]
