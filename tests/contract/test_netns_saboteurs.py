"""The suite's clauses about links have teeth on a real kernel too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract import netns_saboteurs
from tests.contract.netns_saboteurs import EXPECTED
from tests.contract.rig import failed, run_on

ASKED = ("test_link_is_a_wire", "test_interface_without", "test_carrier", "test_tcp_and_udp")


@pytest.mark.engine("root")
@pytest.mark.parametrize("saboteur", sorted(EXPECTED))
def test_exactly_these_clauses_name_it(tmp_path: Path, saboteur: str) -> None:
    """What is broken is named by the one clause that says so, and by no other of those about links."""
    name = f"{netns_saboteurs.__name__}:{saboteur}"
    assert failed(run_on(tmp_path, [name], "-k", " or ".join(ASKED))["netns"]) == EXPECTED[saboteur]
