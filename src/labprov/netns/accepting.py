"""What of a node can't be made, seen before anything is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from labprov.engine import NodeSpec, Scope
from labprov.errors import InvalidInput, LabprovError
from labprov.hookspecs import hookimpl
from labprov.model import Node
from labprov.netns.nodes import argv
from labprov.nodekeys import check_variables, hostname
from labprov.wires import Bind

SYSCTL = re.compile(r"net[./][A-Za-z0-9_./-]+")
"""Only the network's are a namespace's own; all others would be the host's."""


@hookimpl
def labprov_accept_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> list[LabprovError | None]:
    """Read command lines, binds, settings and names as they will be read when the node is made."""
    return [_problem(spec.node) for spec in nodes]


def _problem(node: Node) -> LabprovError | None:
    try:
        argv(node)
        for bind in node.binds:
            Bind.parse(bind)
        hostname(node)
        check_variables(node.env)
        _check_sysctls(node)
    except LabprovError as error:
        return error
    return None


def _check_sysctls(node: Node) -> None:
    for name in node.sysctls:
        if not SYSCTL.fullmatch(name) or ".." in name:
            raise InvalidInput(
                f"the setting {name!r} is not a network namespace's own",
                remedy="Set it on the host; a node's sysctls begin with net.",
            )
