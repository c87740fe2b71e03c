"""Declaration: a provider claims what it does, and does nothing that it does not claim."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labprov import hookspecs
from labprov.contract.bench import Bench
from labprov.contract.clauses import CLAUSES, clause
from labprov.contract.suite.checks import check_whole, deployed
from labprov.engine import Capability, Observed, ProviderInfo, Scope
from labprov.errors import NotSupported, Unavailable
from labprov.hookspecs import hookimpl
from labprov.host import Host
from labprov.model import endpoint

UNTESTED = frozenset({Capability.CONSOLE, Capability.SSH, Capability.EXTRACT, Capability.RESTORE})
"""Capabilities whose clauses come with their hooks."""


class MissingLibrary:
    """A provider whose library is not installed."""

    @hookimpl
    def labprov_provider_info(self, host: Host) -> ProviderInfo:
        """Say so."""
        raise ImportError("No module named 'engine'")

    @hookimpl
    def labprov_observe(self, scope: Scope, names: frozenset[str]) -> Observed:
        """Nobody should ask."""
        raise Unavailable("no library", provider="missing")


class TestDeclaration:
    """D1 and D2."""

    @clause("D1")
    def test_claims_are_known_and_true(self, bench: Bench) -> None:
        """Every hook is known to the spec, every claim is tested, what is not claimed is refused."""
        hooks = [name for name in dir(bench.plugin) if name.startswith("labprov_")]
        own = [name for name in hooks if getattr(getattr(bench.plugin, name), "labprov_impl", None)]
        assert own
        assert [name for name in own if not hasattr(hookspecs, name)] == []
        assert bench.info.name == bench.name
        assert bench.info.version
        tested = frozenset().union(*(known.needs for known in CLAUSES.values()))
        optional = {Capability.PROCESSES, Capability.JSON_STORE}  # asked within clauses that are core
        assert bench.info.capabilities <= tested | UNTESTED | optional
        topology = bench.topology("d1", "r1:eth1 r2:eth1")
        deployed(bench, topology)
        for capability, use in _uses(bench, topology.name).items():
            if not bench.claims(capability):
                with pytest.raises(NotSupported):
                    use()

    @clause("D2")
    def test_missing_engine_is_listed(self, bench: Bench) -> None:
        """The library or engine is missing: listed unavailable with the remedy; other providers work."""
        plugins = bench.new_plugins()
        plugins.register(MissingLibrary(), "missing")
        assert plugins.providers == tuple(sorted((bench.name, "missing")))
        info = plugins.provider("missing").info(bench.host)
        assert not info.available
        assert "No module named 'engine'" in (info.reason or "")
        topology = bench.topology("d2", "r1:eth1 r2:eth1")
        lab = bench.lab(topology)
        lab.plugins = plugins
        lab.deploy().raise_failures()
        check_whole(bench, topology)
        bench.harness.break_engine(bench.scope(topology.name))
        try:
            broken = bench.new_plugins().provider(bench.name).info(bench.host)
            assert broken.available or broken.remedy, "unavailable, and no word of what to do about it"
            assert broken.capabilities == bench.info.capabilities
        finally:
            bench.harness.mend_engine(bench.scope(topology.name))


def _uses(bench: Bench, lab: str) -> dict[Capability, Callable[[], object]]:
    """How each capability is used, where it has a call of its own."""
    provider, scope, node = bench.new_plugins().provider(bench.name), bench.scope(lab), bench.nodes(lab)["r1"]
    return {
        Capability.CARRIER: lambda: provider.set_carrier(scope, [endpoint("r1:eth1")], False),
        Capability.CONSOLE: lambda: provider.console(scope, node, "exec"),
        Capability.EXTERNAL_RESTART: lambda: bench.harness.restart_node(scope, node),
        Capability.ENGINE_RESTART: lambda: bench.harness.engine_accidents(),
        Capability.FRAMES: lambda: bench.harness.send(scope, endpoint("r1:eth1"), bytes(60)),
    }
