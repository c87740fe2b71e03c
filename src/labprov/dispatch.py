"""One call for each provider, all at the same time; the outcomes in the order of what was asked."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from labprov.errors import LabprovError
from labprov.parallel import in_parallel
from labprov.plugins import Plugins
from labprov.provider import Provider

T = TypeVar("T")


def dispatch(
    plugins: Plugins,
    items: Sequence[T],
    provider_of: Callable[[T], str],
    call: Callable[[Provider, Sequence[T]], Sequence[Any]],
) -> list[Any]:
    """Have each provider work on its own items, in one batch.

    :param provider_of: the provider's name for an item.
    :param call: does one provider's batch.
    :returns: one outcome for each of *items*. A batch that raises is an error of its own for each of its
        items: nothing is known of any.
    """
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        places[provider_of(item)].append(place)
    outcomes: list[Any] = [None] * len(items)

    def work(name: str) -> None:
        batch = [items[place] for place in places[name]]
        try:
            results = call(plugins.provider(name), batch)
        except LabprovError as error:
            results = [copy.copy(error) for _ in batch]
        for place, result in zip(places[name], results, strict=True):
            outcomes[place] = result

    in_parallel(work, list(places))
    return outcomes


def failure(outcome: object, *, lab: str, node: str, interface: str | None = None) -> LabprovError | None:
    """The outcome as an error that names its lab and node, or None if it is none."""
    if not isinstance(outcome, LabprovError):
        return None
    outcome.lab = outcome.lab or lab
    if outcome.node is None:
        outcome.node, outcome.interface = node, interface
    return outcome
