"""The command line. Each module registers its commands and imports what is heavy only when one runs."""

from __future__ import annotations

from labprov.cli.app import main

__all__ = ["main"]
