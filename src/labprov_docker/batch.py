"""Nodes that are worked on step by step; one whose step has failed takes no further ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from labprov.engine import NodeSpec
from labprov.errors import LabprovError
from labprov.parallel import side_by_side


class Batch:
    """The nodes of one call.

    :param lab: named in errors that name none.
    """

    def __init__(self, lab: str | None, specs: Sequence[NodeSpec]) -> None:
        self._lab = lab
        self._specs = specs
        self._errors: dict[str, LabprovError] = {}

    @property
    def left(self) -> list[NodeSpec]:
        """Those with which all has gone well so far."""
        return [spec for spec in self._specs if spec.name not in self._errors]

    @property
    def failed(self) -> list[NodeSpec]:
        """The others."""
        return [spec for spec in self._specs if spec.name in self._errors]

    @property
    def outcomes(self) -> list[LabprovError | None]:
        """None or an error for each node."""
        return [self._errors.get(spec.name) for spec in self._specs]

    def each(self, work: Callable[[NodeSpec], object], specs: Sequence[NodeSpec] | None = None) -> None:
        """One step, for all that are left, or those of *specs*, side by side."""
        todo = self.left if specs is None else specs
        self.take(zip((spec.name for spec in todo), side_by_side(todo, work), strict=True))

    def take(self, outcomes: Iterable[tuple[str, object]] | Mapping[str, object]) -> None:
        """What came of a step that was one for all: outcomes by node; only errors matter."""
        pairs = outcomes.items() if isinstance(outcomes, Mapping) else outcomes
        for name, outcome in pairs:
            if isinstance(outcome, LabprovError):
                outcome.lab = outcome.lab or self._lab
                outcome.node = outcome.node or name
                self._errors.setdefault(name, outcome)

    def add(self, name: str, text: str) -> None:
        """Say more with the error of a node that has failed."""
        self._errors[name].message += f"; {text}"
