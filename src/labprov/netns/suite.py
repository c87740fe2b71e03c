"""The contract suite's hands on this provider."""

from __future__ import annotations

import os
import signal

from attrs import evolve

from labprov import wires
from labprov.engine import Namespace, ObservedNode, Scope
from labprov.errors import EngineFailure
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint, Node
from labprov.netns import kernel, naming
from labprov.netns.facts import NAME
from labprov.wires import helper
from labprov.wires.lending import SpaceHarness
from labprov.wires.processes import read

TOO_LONG = "LABPROV_BROKEN"
"""A variable of this process; no program can be started while it is longer than the kernel allows."""


class NetnsHarness(SpaceHarness):
    """Accidents as the kernel's own tools make them."""

    def __init__(self) -> None:
        self._foreign: dict[str, int] = {}

    def node(self, name: str) -> Node:
        """A namespace with a process that only waits; the host's own shell is in it."""
        return Node(name=name, provider=NAME)

    def changed(self, node: Node) -> Node:
        """The same with something in its environment."""
        return evolve(node, env={**node.env, "CHANGED": "1"})

    def place(self, scope: Scope, end: Endpoint) -> Namespace:
        """The namespace, by its label."""
        places = naming.places(scope)
        if end.node not in places:
            raise wires.no_place(scope, end)
        return places[end.node]

    def restart_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the process and start another with the same words: a kernel does not do that by itself."""
        if node.process is None:
            raise EngineFailure("it does not run", lab=node.lab, node=node.node)
        start = kernel.started_with(node.process)
        self.kill_node(scope, node)
        log = str(naming.log(scope, node.lab, node.node))
        item = {**naming.of_observed(node), "start": {**start, "name": node.runtime_name, "log": log}}
        for error in filter(None, helper(scope).batch("start", items=[item])):
            raise error

    def pause_node(self, scope: Scope, node: ObservedNode) -> None:
        """Freeze the process; the kernel does that some time after it was told to."""
        if node.process is not None:
            os.kill(node.process, signal.SIGSTOP)
            while b"\nState:\tT" not in read(node.process, "status"):
                os.sched_yield()

    def remove_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the process and delete the namespace, as ``ip netns delete`` would."""
        self.kill_node(scope, node)
        helper(scope).request("unname", name=node.runtime_name)

    def make_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Make a namespace of that name, as ``ip netns add`` would."""
        self._foreign[runtime_name] = helper(scope).request("foreign", name=runtime_name)

    def remove_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Delete it, if it is still the one that was made, empty and without a label."""
        made = self._foreign.pop(runtime_name, None)
        found = {name: inode for name, inode, links in kernel.namespaces(scope) if links == {"lo": ""}}
        if made is None or found.get(runtime_name) != made or made in kernel.first_processes(scope):
            raise EngineFailure(f"the foreign namespace {runtime_name} is not as it was")
        helper(scope).request("unname", name=runtime_name)

    def break_engine(self, scope: Scope) -> None:
        """Have the kernel refuse to start any program for this process, so that no helper can ask it."""
        os.environ[TOO_LONG] = "x" * (1 << 20)
        scope.host.close()

    def mend_engine(self, scope: Scope) -> None:
        """Let programs be started again."""
        os.environ.pop(TOO_LONG, None)

    def leftovers(self, scope: Scope) -> set[str]:
        """Namespaces, interfaces, processes and logs, found with ``ip`` and in ``/proc``."""
        return kernel.leftovers(scope)


@hookimpl
def labprov_harness(scope: Scope) -> NetnsHarness:
    """Raw frames through the helper; accidents as the kernel's own tools make them."""
    return NetnsHarness()
