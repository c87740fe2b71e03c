"""The kinds of frames that a wire carries, and hearing them: what links are tested with.

The groups 01:80:c2:00:00:00 to :0f are those that bridges must not forward (IEEE 802.1D, table 7-10), which
is why a bridge in the place of a wire is found out by them.
"""

from __future__ import annotations

import itertools
import struct
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from attrs import frozen

from labprov.contract.bench import Bench
from labprov.harness import Harness
from labprov.model import endpoint

MARK = uuid.uuid4().bytes
"""Begins every payload, so that what nodes say of their own accord is told apart."""
SHORTEST, JUMBO = 46, 9000
SOON = 5.0
"""Seconds until a frame that was sent must have arrived: generous, since nothing waits for them to pass."""
SETTLED = 2.0
"""Seconds in which an interface that has a carrier surely sends."""
SILENCE = 0.15
"""Seconds in which a frame that nobody should hear would have been heard."""

EXPERIMENTAL = 0x88B5
C_TAG, S_TAG = 0x8100, 0x88A8

_numbers = itertools.count()


def payload(length: int = SHORTEST) -> bytes:
    """Bytes that were never sent before."""
    return (MARK + struct.pack("!Q", next(_numbers))).ljust(length, b"\xa5")


def octets(mac: str) -> bytes:
    """``02:00:00:00:00:01`` as six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(to: bytes, source: bytes, kind: int = EXPERIMENTAL, body: bytes = b"") -> bytes:
    """A frame whose type or length is *kind*; *body* comes before a unique payload."""
    return struct.pack("!6s6sH", to, source, kind) + body + payload()


def _llc(to: str, source: bytes, body: bytes) -> bytes:
    """A frame with a length in the place of the type, as STP and Cisco's protocols have it."""
    return ethernet(octets(to), source, len(body) + SHORTEST, body)


def _tagged(to: bytes, source: bytes, *tags: tuple[int, int]) -> bytes:
    words = b"".join(struct.pack("!HH", kind, value) for kind, value in tags)
    return to + source + words + struct.pack("!H", EXPERIMENTAL) + payload()


_SNAP_CISCO = b"\xaa\xaa\x03\x00\x00\x0c"
_BROADCAST = octets("ff:ff:ff:ff:ff:ff")
_OTHER = octets("02:00:5e:00:00:01")


def kinds(source: str, to: str) -> dict[str, bytes]:
    """One frame of each kind that a wire carries, in the order in which they are to be sent.

    :param source: the MAC of the interface that sends.
    :param to: the MAC of the interface at the other end.
    """
    a, b = octets(source), octets(to)
    return {
        "unicast": ethernet(b, a),
        "broadcast": ethernet(octets("ff:ff:ff:ff:ff:ff"), a),
        "multicast": ethernet(octets("01:00:5e:00:00:05"), a),
        "STP": _llc("01:80:c2:00:00:00", a, b"\x42\x42\x03"),
        "pause": ethernet(octets("01:80:c2:00:00:01"), a, 0x8808, b"\x00\x01\xff\xff"),
        "LACP": ethernet(octets("01:80:c2:00:00:02"), a, 0x8809, b"\x01\x01"),
        "LLDP": ethernet(octets("01:80:c2:00:00:0e"), a, 0x88CC, b"\x02\x07\x04" + a),
        "CDP": _llc("01:00:0c:cc:cc:cc", a, _SNAP_CISCO + b"\x20\x00"),
        "PVST": _llc("01:00:0c:cc:cc:cd", a, _SNAP_CISCO + b"\x01\x0b"),
        "802.1X": ethernet(octets("01:80:c2:00:00:03"), a, 0x888E, b"\x02\x01\x00\x00"),
        "802.1Q": _tagged(b, a, (C_TAG, 42)),
        "QinQ": _tagged(b, a, (S_TAG, 7), (C_TAG, 42)),
        "MPLS": ethernet(b, a, 0x8847, struct.pack("!I", 100 << 12 | 1 << 8 | 64)),
        "9000 bytes": struct.pack("!6s6sH", b, a, EXPERIMENTAL) + payload(JUMBO),
        "destination this end has just sent from": ethernet(a, _OTHER),
        "source equal to destination": ethernet(b, b),
        "multicast source": ethernet(b, octets("01:00:5e:00:00:01")),
        "zero source": ethernet(b, bytes(6)),
        "three tags": _tagged(b, a, (S_TAG, 7), (C_TAG, 42), (C_TAG, 43)),
        "priority tag": _tagged(b, a, (C_TAG, 7 << 13)),
    }


@frozen
class Heard:
    """What one interface was to hear, and heard."""

    listen: Callable[[float], list[bytes]]
    frames: list[bytes]

    def collect(self, seconds: float) -> None:
        """Take in what has arrived, and arrives within *seconds*, of what the suite has sent."""
        self.frames.extend(frame for frame in self.listen(seconds) if MARK in frame)


class Ears:
    """Listens to data interfaces of one or more labs; a context manager.

    :param ends: ``node:interface`` by the lab's full id.
    :param hands: the harnesses of nodes of other providers, by node.
    """

    def __init__(
        self, bench: Bench, ends: Mapping[str, Sequence[str]], hands: Mapping[str, Harness] | None = None
    ) -> None:
        self.bench = bench
        self._hands = hands or {}
        self._ends = [(lab, end) for lab, names in ends.items() for end in names]
        self._stack = ExitStack()
        self._heard: dict[tuple[str, str], Heard] = {}

    def __enter__(self) -> Ears:
        with ExitStack() as stack:
            for lab, end in self._ends:
                context = self._harness(end).listen(self.bench.scope(lab), endpoint(end))
                self._heard[lab, end] = Heard(stack.enter_context(context), [])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def send(self, lab: str, end: str, frame: bytes) -> None:
        """Send a frame out of an interface."""
        self._harness(end).send(self.bench.scope(lab), endpoint(end), frame)

    def _harness(self, end: str) -> Harness:
        return self._hands.get(endpoint(end).node, self.bench.harness)

    def settle(self, lab: str, *wires: tuple[str, str]) -> None:
        """Send along each wire, both ways, until something is heard there.

        Linux tells an interface of its carrier up to a second after it has one, and drops frames until then.
        """
        for near, far in (ends for wire in wires for ends in (wire, wire[::-1])):
            heard = self._heard[lab, far]
            deadline = time.monotonic() + SETTLED
            while not heard.frames and time.monotonic() < deadline:
                self.send(lab, near, ethernet(_BROADCAST, _OTHER))
                heard.collect(0.02)
        for heard in self._heard.values():
            heard.collect(0.02)
            heard.frames.clear()

    def hear(self, wanted: Mapping[tuple[str, str], Sequence[bytes]]) -> dict[tuple[str, str], list[bytes]]:
        """Wait until every wanted frame has arrived, and then a little longer for those that shouldn't.

        :param wanted: by lab and end; the other ends are to stay silent.
        :returns: what arrived since the last call, by lab and end.
        """
        deadline = time.monotonic() + SOON
        for place, frames in wanted.items():
            heard = self._heard[place]
            while not set(frames) <= set(heard.frames) and time.monotonic() < deadline:
                heard.collect(0.02)
        ends = list(self._heard.values())
        for heard in ends[:1]:
            heard.collect(SILENCE)
        for heard in ends[1:]:
            heard.collect(0)
        found = {place: list(heard.frames) for place, heard in self._heard.items()}
        for heard in ends:
            heard.frames.clear()
        return found


def faults(sent: Mapping[str, bytes], arrived: Sequence[bytes]) -> list[str]:
    """What is wrong with *arrived*, one sentence for each kind: lost, changed, or there too often."""
    found = []
    for kind, frame in sent.items():
        if arrived.count(frame) == 1 == sum(_serial(other) == _serial(frame) for other in arrived):
            continue
        changed = [other for other in arrived if _serial(other) == _serial(frame) and other != frame]
        told = f"changed to {changed[0][:40].hex()}" if changed else f"arrived {arrived.count(frame)} times"
        found.append(f"{kind} ({frame[:40].hex()}) {told}")
    known = {_serial(frame) for frame in sent.values()}
    return found + [
        f"{frame[:40].hex()} is from elsewhere" for frame in arrived if _serial(frame) not in known
    ]


def _serial(frame: bytes) -> bytes:
    return frame.partition(MARK)[2][:8]
