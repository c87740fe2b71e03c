"""Which provider runs a node, and what of the node that provider can't honour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from attrs import evolve, fields, frozen

from labprov.engine import ProviderInfo
from labprov.errors import LabprovError, Unavailable
from labprov.kinds import Catalogue
from labprov.model import Node, Topology

CORE_KEYS = frozenset({"name", "kind", "type", "provider", "labels", "interfaces", "exec", "group"})
"""What labprov itself sees to, on every provider."""


@frozen
class Placed:
    """A topology in which every machine has its provider, and what the user has to hear about it."""

    topology: Topology
    warnings: tuple[str, ...]


def place(
    topology: Topology,
    providers: Mapping[str, ProviderInfo],
    catalogue: Catalogue,
    *,
    default: str | None = None,
    saved: Topology | None = None,
) -> Placed:
    """Choose every machine's provider: the file's word, else *default*, else the one it has, else its kind's.

    :param providers: what each installed provider says of itself.
    :param default: the provider asked for on the command line.
    :param saved: the topology as deployed; a node stays where it is.
    :raises Unavailable: a provider that is named is not installed or can't work, or none of a kind's can.
    :raises ExceptionGroup: several of these.
    """
    errors: list[LabprovError] = []
    nodes = []
    for node in topology.nodes:
        try:
            nodes.append(_placed(node, providers, catalogue, default, saved, topology.name))
        except LabprovError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ExceptionGroup(f"{topology.name} can't be placed", errors)
    placed = evolve(topology, nodes=tuple(nodes))
    return Placed(placed, (*_unhonoured(placed, providers), *_without_mgmt(placed, providers)))


def _placed(
    node: Node,
    providers: Mapping[str, ProviderInfo],
    catalogue: Catalogue,
    default: str | None,
    saved: Topology | None,
    lab: str,
) -> Node:
    if not node.is_machine:
        return node
    before = saved.by_name.get(node.name) if saved is not None else None
    named = node.provider or default or (before.provider if before is not None else None)
    if named is not None:
        _require(named, providers, lab, node.name)
        return evolve(node, provider=named)
    candidates = catalogue.lookup(node.kind, node.type).providers
    for name in candidates:
        info = providers.get(name)
        # an image is what its author means the node to be: no provider that ignores it is taken silently
        if info is not None and info.available and (info.runs_images or node.image is None):
            return evolve(node, provider=name)
    raise _nobody(node, candidates, providers, lab)


def _require(name: str, providers: Mapping[str, ProviderInfo], lab: str, node: str) -> None:
    info = providers.get(name)
    if info is None:
        installed = ", ".join(sorted(providers)) or "none"
        raise Unavailable(
            f"no provider {name!r} is installed",
            provider=name,
            lab=lab,
            node=node,
            remedy=f"Install it, or choose another; installed are: {installed}.",
        )
    if not info.available:
        raise Unavailable(
            f"the provider {name} can't work here: {info.reason}",
            provider=name,
            lab=lab,
            node=node,
            remedy=info.remedy,
        )


def _nobody(
    node: Node, candidates: tuple[str, ...], providers: Mapping[str, ProviderInfo], lab: str
) -> Unavailable:
    tried = []
    for name in candidates:
        info = providers.get(name)
        if info is None:
            tried.append(f"{name} is not installed")
        elif not info.available:
            tried.append(f"{name}: {info.reason}")
        else:
            tried.append(f"{name} runs no images")
    what = f"kind {node.kind}" + (f" with the image {node.image}" if node.image else "")
    remedies = [info.remedy for name in candidates if (info := providers.get(name)) and info.remedy]
    plain = [name for name, info in sorted(providers.items()) if info.available and not info.runs_images]
    if plain:
        remedies.append(f"Or run it without its image: --provider {plain[0]}.")
    return Unavailable(
        f"no provider can run it ({what}): {'; '.join(tried) or 'its kind names none'}",
        lab=lab,
        node=node.name,
        remedy=" ".join(remedies) or None,
    )


def _unhonoured(topology: Topology, providers: Mapping[str, ProviderInfo]) -> tuple[str, ...]:
    """One warning for each key that a provider can't honour, naming the nodes that have it."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for node in topology.machines:
        assert node.provider is not None
        info = providers[node.provider]
        for key in _used_keys(node):
            if key not in CORE_KEYS and key not in info.node_keys:
                found[node.provider, key].append(node.name)
    return tuple(
        f"{', '.join(names)}: the provider {provider} does not honour '{key}'"
        for (provider, key), names in found.items()
    )


def _without_mgmt(topology: Topology, providers: Mapping[str, ProviderInfo]) -> tuple[str, ...]:
    """An explicit management network is for the first node's provider; the others get one warning."""
    if topology.mgmt is None or not topology.machines:
        return ()
    used = list(dict.fromkeys(node.provider for node in topology.machines if node.provider))
    makers = [name for name in used if "mgmt" in providers[name].node_keys][:1]
    others = [name for name in used if name not in makers]
    return (
        (f"mgmt: {', '.join(others)} will not use the management network that is asked for",)
        if others
        else ()
    )


def _used_keys(node: Node) -> list[str]:
    """The containerlab keys with which the node differs from one of which nothing is said."""
    plain = Node(name=node.name)
    used = [
        attribute.name.replace("_", "-")
        for attribute in fields(Node)
        if attribute.name != "settings" and getattr(node, attribute.name) != getattr(plain, attribute.name)
    ]
    return used + sorted(node.settings)
