"""``connect``, ``disconnect`` and ``link``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.shell import Shell, lines, told, written


def peers(shell: Shell) -> dict[str, str | None]:
    """The other end of each interface."""
    nodes = told(shell("inspect", "--name", "ring", "-f", "json"))
    return {f"{node['node']}:{item['name']}": item["peer"] for node in nodes for item in node["interfaces"]}


def test_links(shell: Shell) -> None:
    """Connect and disconnect change the live lab and what is saved of it."""
    shell("deploy")
    assert shell("disconnect", "r1:eth1", "r2:eth1").returncode == 0
    assert (peers(shell)["r1:eth1"], peers(shell)["r2:eth1"]) == (None, None)
    joined = shell("connect", "--name", "ring", "r1:eth1", "r2:eth1")
    assert joined.returncode == 0, joined.stderr
    assert peers(shell)["r1:eth1"] == "r2:eth1"


def test_carrier(shell: Shell) -> None:
    """Link down and link up act on both ends."""
    shell("deploy")
    for word, up in (("down", False), ("up", True)):
        result = shell("link", word, "r2:eth1")
        assert (result.returncode, result.stdout) == (0, f"ring: link {word}: r1:eth1 r2:eth1\n")
        nodes = told(shell("inspect", "-f", "json"))
        assert [nodes[0]["interfaces"][0]["up"], nodes[1]["interfaces"][0]["up"]] == [up, up]
        assert nodes[2]["interfaces"][0]["up"] is True


@pytest.mark.parametrize(
    "words",
    [
        ["connect", "r1:eth1", "r3:eth1"],
        ["connect", "r1", "r2:eth9"],
        ["connect", "r1:eth5", "r9:eth1"],
        ["connect", "r1:eth5", "r1:eth5"],
        ["connect", "r1:../x", "r2:eth9"],
        ["disconnect", "r1:eth1", "r3:eth1"],
        ["link", "down", "r9:eth1"],
        ["link", "down", "r1:eth7"],
        ["link", "down", ":"],
    ],
)
def test_bad_links(shell: Shell, tmp_path: Path, words: list[str]) -> None:
    """An end that is none, is taken or isn't there is exit code 2, and nothing has changed."""
    shell("deploy")
    before = written(tmp_path)
    result = shell(*words)
    assert result.returncode == 2, result.stderr
    assert len(lines(result.stderr)) == 1
    assert written(tmp_path) == before
