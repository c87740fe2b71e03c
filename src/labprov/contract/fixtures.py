"""What the suite lends to tests: a bench for each provider, and how many examples are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from labprov.contract.bench import Bench
from labprov.contract.locks import sole_use
from labprov.contract.targets import Target


@pytest.fixture(scope="session")
def labprov_target(request: pytest.FixtureRequest) -> Target:
    """Give the provider under test; a test that asks for it runs once for each."""
    target: Target | None = getattr(request, "param", None)
    if target is None:
        pytest.fail("`bench` has to stand among the test's arguments", pytrace=False)
    if target.unavailable:
        pytest.fail(f"the provider {target.name} is unavailable: {target.unavailable}", pytrace=False)
    return target


@pytest.fixture
def bench(labprov_target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Give a bench with the provider under test, for this test alone; at its end all its labs are gone."""
    # An engine that lives in this process is nobody else's; its author says so.
    private = getattr(labprov_target.plugin, "private_engine", False)
    with nullcontext() if private else sole_use(labprov_target.name):
        # Not tmp_path: its name has the test's, and sockets in a workspace must have short paths.
        bench = Bench(labprov_target.name, labprov_target.plugin, tmp_path_factory.mktemp("bench"))
        yield bench
        bench.close()


@pytest.fixture(scope="session")
def labprov_examples(request: pytest.FixtureRequest) -> int:
    """Give the number of examples that a clause with many shall make."""
    number: int = request.config.getoption("labprov_examples")
    return number


@pytest.fixture(scope="session")
def labprov_seed(request: pytest.FixtureRequest) -> int:
    """Give the number by which a clause chooses what it leaves to chance."""
    number: int = request.config.getoption("labprov_seed")
    return number
