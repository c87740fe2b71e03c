"""With xdist one provider stays on one worker; everything else is spread as the user wants it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import (  # type: ignore[import-untyped] # it has no types
    LoadFileScheduling,
    LoadGroupScheduling,
    LoadScopeScheduling,
)

from labprov.contract.options import SUITE


def scheduler(config: pytest.Config, log: Any, providers: Sequence[str]) -> LoadScopeScheduling | None:
    """Make the scheduler for a run that has the suite in it.

    :param providers: the names of all providers under test.
    :returns: None where every worker has to run everything (``--dist=each``).
    """
    dist = config.getoption("dist")
    if dist == "each":
        return None
    base = {"loadscope": LoadScopeScheduling, "loadfile": LoadFileScheduling}.get(dist, LoadGroupScheduling)

    class ProviderScheduling(base):  # type: ignore[misc,valid-type] # which class it is, the user says
        """Providers first, then what *base* makes of the rest."""

        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(f"{SUITE}::"):
                return f"{SUITE}[{provider_of(nodeid, providers)}]"
            scope: str = super()._split_scope(nodeid)
            return scope

    return ProviderScheduling(config, log)


def provider_of(nodeid: str, providers: Sequence[str]) -> str:
    """Read the provider from a node id; its name comes first among the parameters."""
    parameters = nodeid.partition("[")[2].removesuffix("]")
    fitting = [name for name in providers if parameters == name or parameters.startswith(f"{name}-")]
    return max(fitting, key=len, default="")
