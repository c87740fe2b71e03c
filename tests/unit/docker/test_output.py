"""The engine's streams and moments, read to the last bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from labprov_docker.output import parted, since

FRAMES = some.lists(some.tuples(some.sampled_from([1, 2]), some.binary(min_size=1, max_size=50)))
BEGIN = 1_700_000_000


def moment(seconds: float) -> str:
    """Write a moment of that day as the engine does."""
    return f"2023-11-14T22:13:{20 + seconds:012.9f}Z"


@given(FRAMES)
def test_parted(frames: list[tuple[int, bytes]]) -> None:
    """What was put together is taken apart."""
    raw = b"".join(bytes([which, 0, 0, 0]) + len(part).to_bytes(4, "big") + part for which, part in frames)
    assert parted(raw) == frames


@pytest.mark.parametrize(
    ("started", "finished", "wanted"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 0),
        (moment(5), "0001-01-01T00:00:00Z", 0),
        (moment(5), moment(3), (BEGIN + 4) * 10**9),
        (moment(5), moment(9), (BEGIN + 5) * 10**9 - 10**8),
        ("2023-11-14T23:13:25.123456789+01:00", "2023-11-14T22:13:30Z", (BEGIN + 5) * 10**9 + 23456789),
    ],
)
def test_since(started: str, finished: str, wanted: int) -> None:
    """Between the end of the run before and the noted start; all of it where there was no run before."""
    assert since({"StartedAt": started, "FinishedAt": finished}) == wanted
