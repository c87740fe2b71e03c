"""What a provider does not claim it must refuse, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labprov.contract.bench import Bench
from labprov.engine import Capability, NodeState, ObservedNode
from labprov.errors import LabprovError, NotSupported
from labprov.model import Endpoint


def refused(bench: Bench, capability: Capability) -> str | None:
    """Ask the provider for something that it does not claim.

    :returns: what is wrong; None if it raised :class:`NotSupported`, or if no hook stands for *capability*.
    """
    if capability not in _QUESTIONS:
        return None
    hook, ask = _QUESTIONS[capability]
    try:
        answer = ask(bench)
    except NotSupported:
        return None
    except LabprovError as error:
        answer = error
    return f"{bench.name} does not claim {capability}, so {hook} must raise NotSupported; it gave {answer!r}"


def _carrier(bench: Bench) -> object:
    provider = bench.new_plugins().provider(bench.name)
    scope = bench.scope(bench.name_of("unclaimed"))
    (outcome,) = provider.set_carrier(scope, (Endpoint("r1", "eth1"),), True)
    if isinstance(outcome, NotSupported):
        raise outcome
    return outcome


def _console(method: str) -> Callable[[Bench], object]:
    def ask(bench: Bench) -> object:
        scope = bench.scope(bench.name_of("unclaimed"))
        name = f"labprov-{scope.lab}-r1"
        node = ObservedNode(
            lab=scope.lab or "", node="r1", provider=bench.name, runtime_name=name, state=NodeState.RUNNING
        )
        return bench.new_plugins().provider(bench.name).console(scope, node, method)

    return ask


_QUESTIONS: Mapping[Capability, tuple[str, Callable[[Bench], object]]] = {
    Capability.CARRIER: ("labprov_set_carrier", _carrier),
    Capability.CONSOLE: ("labprov_console", _console("exec")),
    Capability.SSH: ("labprov_console", _console("ssh")),
}
"""The hooks that stand for a capability, and how each is asked about a lab that does not exist."""
