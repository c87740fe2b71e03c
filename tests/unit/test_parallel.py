"""Work done side by side."""

from __future__ import annotations

import threading

import pytest

from labprov.errors import EngineFailure, LabprovError
from labprov.parallel import AT_ONCE, side_by_side


def test_side_by_side() -> None:
    """Eight at a time, in order; a labprov error is an outcome, anything else is raised."""
    barrier = threading.Barrier(AT_ONCE, timeout=30)

    def work(number: int) -> int:
        barrier.wait()
        if number == 3:
            raise EngineFailure("three")
        return number

    outcomes = side_by_side(range(AT_ONCE), work)
    assert isinstance(outcomes[3], EngineFailure)
    assert [item for item in outcomes if not isinstance(item, LabprovError)] == [0, 1, 2, 4, 5, 6, 7]
    with pytest.raises(ZeroDivisionError):
        side_by_side([1, 0], lambda number: 1 // number)
