"""Clauses: a permanent id, since when, what of a provider they need; each is one test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from attrs import frozen

from labprov.engine import Capability

T = TypeVar("T", bound=Callable[..., Any])

CONTRACT_VERSION = "1"
"""Raised when clauses are added; an id never changes its meaning."""


@frozen
class Clause:
    """One sentence that a provider keeps.

    :param id: permanent ("R9"); tightening it is a new id.
    :param since: the version of the contract that brought it.
    :param needs: capabilities without which it is "not claimed"; none: core, can't be skipped.
    """

    id: str
    since: str
    needs: frozenset[Capability]
    name: str
    sentence: str


CLAUSES: dict[str, Clause] = {}
"""All clauses by id."""


def clause(id: str, *needs: Capability, since: str = "1") -> Callable[[T], T]:
    """Make a test the clause *id*; its docstring is the clause's sentence."""

    def register(test: T) -> T:
        assert id not in CLAUSES, f"two tests claim the clause {id}"
        CLAUSES[id] = Clause(
            id=id,
            since=since,
            needs=frozenset(needs),
            name=test.__name__,
            sentence=" ".join((test.__doc__ or "").split()),
        )
        marked: T = pytest.mark.labprov_clause(id)(test)
        return marked

    return register
