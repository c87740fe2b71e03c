"""What of a node can't be made is said before anything is."""

from __future__ import annotations

import pytest

from labprov import netns
from labprov.engine import NodeSpec
from labprov.model import Node
from tests.engines.netns.rig import Lab

BAD: list[tuple[dict[str, object], str]] = [
    ({"cmd": "sh -c 'x"}, "can't be split"),
    ({"binds": ["f:/x"]}, "absolute paths"),
    ({"binds": ["/x:/y:ro,zz"]}, "absolute paths"),
    ({"binds": ["/x:/"]}, "can't be targets"),
    ({"binds": ["/x:/proc"]}, "can't be targets"),
    ({"sysctls": {"kernel.hostname": "x"}}, "not a network namespace's own"),
    ({"sysctls": {"net/../kernel/hostname": "x"}}, "not a network namespace's own"),
    ({"env": {"A=B": "x"}}, "can't be set"),
    ({"env": {"A": "x\0y"}}, "can't be set"),
    ({"hostname": "a b;c"}, "no host name"),
    ({"hostname": "x" * 65}, "no host name"),
]


@pytest.mark.parametrize(("attributes", "message"), BAD, ids=[next(iter(bad)) for bad, _ in BAD])
def test_what_cant_be_made_is_refused_before_anything_is(
    lab: Lab, attributes: dict[str, object], message: str
) -> None:
    """The error says what of the node is wrong; nothing is made, and the other nodes are accepted."""
    nodes = [Node(name="good"), Node(name="bad", **attributes)]  # type: ignore[arg-type]
    specs = [NodeSpec(node=node, runtime_name=node.name, definition="", labels={}) for node in nodes]
    good, bad = netns.labprov_accept_nodes(lab.scope, specs)
    assert good is None
    assert message in str(bad)
    assert lab.observe().nodes == ()
