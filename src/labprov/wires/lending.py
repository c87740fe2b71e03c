"""What every provider over network namespaces lends the contract suite in the same way."""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labprov.engine import Namespace, ObservedNode, Scope
from labprov.harness import Harness
from labprov.model import Endpoint
from labprov.wires.client import Helper, helper
from labprov.wires.processes import end


class SpaceHarness(Harness):
    """Raw frames through the helper; a node's process killed as the kernel's OOM killer would."""

    @abstractmethod
    def place(self, scope: Scope, end: Endpoint) -> Namespace:
        """Where the end's node is.

        :raises LabprovError: it is not there.
        """

    def send(self, scope: Scope, end: Endpoint, frame: bytes) -> None:
        """Send one raw frame from inside the node."""
        said = base64.b64encode(frame).decode()
        place = self.place(scope, end).path
        helper(scope).request("send", place=place, interface=end.interface, frame=said)

    @contextmanager
    def listen(self, scope: Scope, end: Endpoint) -> Iterator[Callable[[float], list[bytes]]]:
        """Hear an interface, through a helper of its own: the operation's can't listen and work at once."""
        place = self.place(scope, end).path
        with Helper(scope.workspace_id, scope.workspace, scope.timeouts.helper) as own:
            number = own.request("listen", place=place, interface=end.interface)

            def heard(seconds: float) -> list[bytes]:
                frames = own.request("heard", listener=number, seconds=seconds)
                return [base64.b64decode(frame) for frame in frames]

            yield heard

    def kill_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the first process; return when it is dead."""
        end([node.process] if node.process is not None else [], 0)
