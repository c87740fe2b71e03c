"""The contract suite's hands on this provider."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from labprov.engine import ObservedNode, Scope
from labprov.errors import LabprovError, NotSupported
from labprov.hookspecs import hookimpl
from labprov.model import Endpoint
from labprov.netns import naming
from labprov.wires import Helper, helper
from labprov.wires.processes import ready


class Listening:
    """An interface that is listened to from its making on."""

    def __init__(self, helper: Helper, number: int) -> None:
        self._helper = helper
        self._number = number

    def frames(self, seconds: float, count: int | None = None) -> list[bytes]:
        """What arrived since the last call, waiting until *seconds* are over or *count* frames are there."""
        found = self._helper.request("heard", listener=self._number, seconds=seconds, count=count)
        return [base64.b64decode(frame) for frame in found]


class NetnsHarness:
    """See :class:`labprov.harness.Harness`."""

    def _place(self, scope: Scope, end: Endpoint) -> str:
        place = naming.found(scope, [end])[0]
        if isinstance(place, LabprovError):
            raise place
        return place.path

    def send(self, scope: Scope, end: Endpoint, frame: bytes) -> None:
        """Send one raw frame from inside the node."""
        said = base64.b64encode(frame).decode()
        helper(scope).request("send", place=self._place(scope, end), interface=end.interface, frame=said)

    @contextmanager
    def listen(self, scope: Scope, end: Endpoint) -> Iterator[Listening]:
        """Hear an interface from here on, so that nothing sent afterwards is missed."""
        place = self._place(scope, end)
        with Helper(scope.workspace_id, scope.workspace, scope.timeouts.helper) as own:
            yield Listening(own, own.request("listen", place=place, interface=end.interface))

    def sniff(self, scope: Scope, end: Endpoint, seconds: float) -> list[bytes]:
        """Hear an interface for some time."""
        with self.listen(scope, end) as listening:
            return listening.frames(seconds)

    def kill_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the process as the kernel's OOM killer would."""
        if node.process is None:
            return
        fd = os.pidfd_open(node.process)
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            ready(fd, None)
        finally:
            os.close(fd)

    def remove_node(self, scope: Scope, node: ObservedNode) -> None:
        """Kill the process and delete the namespace, as ``ip netns delete`` would."""
        self.kill_node(scope, node)
        helper(scope).request("unname", name=node.runtime_name)

    def make_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Make a namespace of that name, as ``ip netns add`` would."""
        helper(scope).request("foreign", name=runtime_name)

    def remove_foreign(self, scope: Scope, runtime_name: str) -> None:
        """Delete it."""
        helper(scope).request("unname", name=runtime_name)

    def break_engine(self, scope: Scope) -> None:
        """A kernel can't be made not to answer."""
        raise NotSupported("a kernel can't be broken", provider="netns")

    def mend_engine(self, scope: Scope) -> None:
        """See :meth:`break_engine`."""
        raise NotSupported("a kernel can't be broken", provider="netns")

    def restart_engine(self, scope: Scope) -> None:
        """A kernel can't be restarted under a test."""
        raise NotSupported("a kernel can't be restarted", provider="netns")


@hookimpl
def labprov_harness(scope: Scope) -> NetnsHarness:
    """Raw frames through the helper; accidents as the kernel's own tools make them."""
    return NetnsHarness()
