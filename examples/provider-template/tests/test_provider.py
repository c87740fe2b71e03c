"""This package's own tests; the contract is a run of its own (see the README)."""

from __future__ import annotations

from labprov_template import labprov_provider_info

from labprov.engine import ProviderInfo
from labprov.host import Host


def test_the_provider_says_what_it_is() -> None:
    """An engine that is there has no reason to be unavailable."""
    info = labprov_provider_info(host=Host())
    assert isinstance(info, ProviderInfo)
    assert info.available
