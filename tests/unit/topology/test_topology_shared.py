"""Topology files as users have them: which must be accepted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labprov.topology import read_file

FOLDER = Path(__file__).parents[4] / "shared" / "topologies"

ACCEPTED = {
    # file: nodes, links
    "asav01.clab.yml": (3, 2),
    "br01.clab.yml": (4, 3),
    "clos01.clab.yml": (5, 4),
    "clos02.clab.yml": (14, 16),
    "cvx01.clab.yml": (2, 1),
    "frr01/frr01.clab.yml": (6, 6),
    "ftdv01.clab.yml": (3, 2),
    "generic_vm01.clab.yml": (2, 1),
    "srl02.clab.yml": (2, 1),
    "srlceos01.clab.yml": (2, 1),
    "srlvjunos01.clab.yml": (2, 3),
    "srlxrd01.clab.yml": (2, 1),
    "vr01.clab.yml": (2, 1),
    "vxlan01.clab.yml": (1, 2),
}

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir() and not os.environ.get("CI"), reason=f"{FOLDER.name} is not beside this checkout"
)


@pytest.mark.parametrize(("name", "size"), ACCEPTED.items(), ids=ACCEPTED.keys())
def test_it_is_accepted(name: str, size: tuple[int, int]) -> None:
    """The file is read, with all its nodes and links."""
    topology = read_file(FOLDER / name, env={}).topology
    assert (len(topology.nodes), len(topology.links)) == size


def test_none_is_forgotten() -> None:
    """Every file in the folder is in the list above."""
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.clab.yml")} == set(ACCEPTED)


def test_frr01_is_whole() -> None:
    """Files beside a topology are found; nothing of it is missing or warned of."""
    file = read_file(FOLDER / "frr01/frr01.clab.yml", env={})
    assert (file.warnings, file.missing) == ((), ())
    assert file.topology.by_name["router1"].image == "quay.io/frrouting/frr:10.5.1"
    assert all(Path(bind.split(":")[0]).is_file() for bind in file.topology.by_name["router1"].binds)
