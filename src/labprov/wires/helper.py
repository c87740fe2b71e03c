"""The helper process: all privileged work, one request a line, one answer a line, over its own pipes.

labprov never changes its own namespaces: a program with threads can't, and an orchestrator must not be
moved. This process has one thread, lives as long as its standard input is open, and finishes the request
under way when its parent dies. It imports nothing but the standard library and :mod:`labprov.errors`.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from labprov.errors import EngineFailure, LabprovError
from labprov.wires import carrier, frames, holder, nodes, observing, plugging, taps
from labprov.wires.alias import SpaceAlias
from labprov.wires.ends import Order
from labprov.wires.parking import Owner, Parking
from labprov.wires.processes import ready
from labprov.wires.spaces import FOLDER, Kernel
from labprov.wires.spawn import Start, raise_limits
from labprov.wires.taps import TapOrder

Request = dict[str, Any]
MOVED = {"moved": True}
"""The answer where the user's holder has ended: a new helper has to be asked."""


def told(error: LabprovError | None) -> Any:
    """An outcome as JSON: None, or the error's words."""
    if error is None:
        return None
    return {
        "type": type(error).__name__,
        "message": error.message,
        "lab": error.lab,
        "node": error.node,
        "interface": error.interface,
        "remedy": error.remedy,
    }


class Helper:
    """What it remembers between two requests: the holder it is in, and who listens."""

    def __init__(self) -> None:
        self.rootless = os.geteuid() != 0
        self.holder: int | None = None
        self.pidfd = -1
        self.listeners: dict[int, frames.Listener] = {}

    def answer(self, request: Request) -> Any:
        """Work one request off."""
        if self._moved():
            return MOVED
        name = request["op"]
        if not self.rootless:
            return {"ok": _OPS[name](self, request)}
        if name not in _WRITES:
            return {"ok": self._read(name, request)}
        with holder.locked(request["folder"]):
            return {"ok": self._write(name, request)}

    def _moved(self) -> bool:
        if self.holder is None:
            return False
        return ready(self.pidfd, 0)

    def _read(self, name: str, request: Request) -> Any:
        if self.holder is None:
            found = holder.find(request["workspace"])
            if found is None:
                return _NOTHING[name]()
            self._enter(found)
        return _OPS[name](self, request)

    def _write(self, name: str, request: Request) -> Any:
        if self.holder is None:
            found = holder.find(request["workspace"])
            if found is None and name in _REMOVALS:
                return _absent(name, request)
            self._enter(found or holder.start(request["workspace"]))
        try:
            return _OPS[name](self, request)
        finally:
            if self.holder is not None and not os.listdir(FOLDER):
                holder.stop(self.holder)

    def _enter(self, pid: int) -> None:
        self.pidfd = os.pidfd_open(pid)
        holder.enter(pid)
        self.holder = pid


def _absent(name: str, request: Request) -> Any:
    """The answer to a removal where the user has no holder: nothing is there but, perhaps, logs."""
    if name == "remove_lab":
        holder.end_orphans(request["workspace"])
        nodes.remove_logs(request["logs"])
        return True
    if name == "remove":
        for item in request["items"]:
            nodes.remove_log(item["log"])
    return [None for _ in request["ends" if name == "unplug" else "items"]]


def _owner(request: Request) -> Owner:
    return Owner(request["lab"], request["workspace"])


def _named(item: Request) -> nodes.Named:
    return nodes.Named(item["name"], SpaceAlias(**item["owner"]))


def _where(request: Request) -> list[carrier.Where]:
    return [(item["place"], item["lab"], item["node"], item["interface"]) for item in request["ends"]]


def _observe(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        return observing.observe(kernel, request["lab"], frozenset(request["names"]))


def _names(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        return observing.names(kernel, request["lab"])


def _ends(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        return observing.ends(kernel, request["places"])


def _label(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        items = [(item["place"], SpaceAlias(**item["owner"])) for item in request["items"]]
        return [told(nodes.label(kernel, place, owner)) for place, owner in items]


def _taps(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        return taps.observe(kernel, request["lab"])


def _plug_taps(_: Helper, request: Request) -> Any:
    orders = [TapOrder(**item) for item in request["taps"]]
    with Kernel() as kernel:
        return [told(outcome) for outcome in taps.plug(kernel, orders)]


def _unplug_taps(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        return [told(outcome) for outcome in taps.unplug(kernel, request["names"])]


def _sweep(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        carrier.sweep(kernel, _owner(request), request["nodes"])
    return True


def _prepare(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        return Parking(kernel, _owner(request)).ensure().name


def _create(_: Helper, request: Request) -> Any:
    items = [
        nodes.Create(item["name"], SpaceAlias(**item["owner"]), item["sysctls"], item["replaces"])
        for item in request["items"]
    ]
    with Kernel() as kernel:
        return [told(outcome) for outcome in nodes.create(kernel, items)]


def _start(_: Helper, request: Request) -> Any:
    items = [_named(item) for item in request["items"]]
    starts = [Start(**{**item["start"], "argv": tuple(item["start"]["argv"])}) for item in request["items"]]
    with Kernel() as kernel:
        return [told(outcome) for outcome in nodes.start_all(kernel, items, starts)]


def _stop(_: Helper, request: Request) -> Any:
    items = [_named(item) for item in request["items"]]
    with Kernel() as kernel:
        return [told(outcome) for outcome in nodes.stop(kernel, items, request["grace"])]


def _remove(_: Helper, request: Request) -> Any:
    items = [_named(item) for item in request["items"]]
    with Kernel() as kernel:
        outcomes = nodes.remove(kernel, items, [item["log"] for item in request["items"]])
        return [told(outcome) for outcome in outcomes]


def _remove_lab(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        nodes.remove_lab(kernel, _owner(request), request["logs"])
    return True


def _plug(helper: Helper, request: Request) -> Any:
    orders = [Order(**item) for item in request["ports"]]
    with Kernel() as kernel:
        taken = request["taken"]
        outcomes = plugging.plug(kernel, _owner(request), orders, rootless=helper.rootless, taken=taken)
        return [told(outcome) for outcome in outcomes]


def _unplug(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        return [told(one) for one in carrier.unplug(kernel, _owner(request), _where(request))]


def _carrier(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        outcomes = carrier.set_carrier(kernel, _owner(request), _where(request), request["up"])
        return [told(outcome) for outcome in outcomes]


def _send(_: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        space = kernel.space(request["place"])
        if space is None:
            raise EngineFailure(f"there is no namespace {request['place']}")
        frames.send(space, request["interface"], base64.b64decode(request["frame"]))
    return True


def _listen(helper: Helper, request: Request) -> Any:
    with Kernel() as kernel:
        space = kernel.space(request["place"])
        if space is None:
            raise EngineFailure(f"there is no namespace {request['place']}")
        number = len(helper.listeners)
        helper.listeners[number] = frames.Listener(space, request["interface"])
    return number


def _heard(helper: Helper, request: Request) -> Any:
    listener = helper.listeners[request["listener"]]
    found = listener.frames(request["seconds"])
    return [base64.b64encode(frame).decode() for frame in found]


def _foreign(_: Helper, request: Request) -> Any:
    """Make a namespace without a label, as somebody else would; give its inode."""
    with Kernel() as kernel:
        return kernel.make(request["name"], None).inode


def _unname(_: Helper, request: Request) -> Any:
    """Take a namespace's name away, as somebody else would."""
    with Kernel() as kernel:
        space = kernel.named(request["name"])
        if space is not None:
            kernel.remove(space)
    return True


_OPS: dict[str, Callable[[Helper, Request], Any]] = {
    "observe": _observe,
    "names": _names,
    "ends": _ends,
    "label": _label,
    "sweep": _sweep,
    "taps": _taps,
    "plug_taps": _plug_taps,
    "unplug_taps": _unplug_taps,
    "prepare": _prepare,
    "create": _create,
    "start": _start,
    "stop": _stop,
    "remove": _remove,
    "remove_lab": _remove_lab,
    "plug": _plug,
    "unplug": _unplug,
    "carrier": _carrier,
    "send": _send,
    "listen": _listen,
    "heard": _heard,
    "foreign": _foreign,
    "unname": _unname,
}
_NOTHING: dict[str, Callable[[], Any]] = {
    "observe": lambda: {"nodes": [], "resources": [], "foreign": []},
    "names": dict,
    "ends": list,
    "taps": list,
    "send": list,
    "listen": list,
    "heard": list,
}
_REMOVALS = {"stop", "remove", "remove_lab", "unplug"}
"""What finds nothing to do where there is no holder, and must not start one for that."""
_WRITES = set(_OPS) - set(_NOTHING)


def main() -> None:
    """Answer requests until standard input ends."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise_limits()
    helper = Helper()
    for line in sys.stdin.buffer:
        try:
            answer = helper.answer(json.loads(line))
        except LabprovError as error:
            answer = {"error": told(error)}
        except OSError as error:
            answer = {"error": told(EngineFailure(f"the kernel refused: {error}"))}
        try:
            sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # nobody is there to hear it; what was asked is done
            os._exit(0)
        if answer == MOVED:
            return


if __name__ == "__main__":
    main()
