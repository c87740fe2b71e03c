"""Identity: names for people, labels that decide, MACs and device names that never change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import cattrs
from attrs import frozen

from labprov.errors import InvalidInput, InvalidTopology
from labprov.model import MAC, NAME, Endpoint, Node, Topology

LABEL = "labprov."
"""What every label's key begins with."""
LONGEST_LAB_PART = 20
LONGEST_PREFIX = 32
LAB_NAME_PREFIX = "__lab-name"
"""containerlab's word for "no prefix, only the lab's name"."""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def checked_prefix(prefix: str) -> str:
    """Return *prefix* if a name may begin with it; empty and ``__lab-name`` are containerlab's.

    :raises InvalidInput: otherwise, or if it has more than 32 characters.
    """
    plain = prefix in ("", LAB_NAME_PREFIX) or NAME.fullmatch(prefix)
    if not plain or len(prefix) > LONGEST_PREFIX:
        raise InvalidInput(
            f"the prefix {prefix!r} is not allowed",
            remedy=f"Use up to {LONGEST_PREFIX} letters, digits, '_', '.' or '-', or nothing.",
        )
    return prefix


def short_lab(lab: str) -> str:
    """The lab's part of a runtime name: up to 20 characters.

    A longer id becomes its first 13 characters, a dash and 6 hex digits of its SHA-256, so that two ids with
    one beginning stay apart.
    """
    if len(lab) <= LONGEST_LAB_PART:
        return lab
    return f"{lab[:13]}-{_digest(lab)[:6]}"


@frozen
class Owner:
    """Whose a runtime name is."""

    prefix: str
    lab: str
    node: str


def plain_name(prefix: str, lab: str, node: str) -> str:
    """The name that people expect: ``prefix-lab-node``, ``lab-node`` or ``node``, as containerlab has it."""
    if prefix == "":
        return node
    parts = (short_lab(lab), node) if prefix == LAB_NAME_PREFIX else (prefix, short_lab(lab), node)
    return "-".join(parts)


def candidates(prefix: str, lab: str, node: str) -> tuple[str, str]:
    """The names that the node may get: the plain one, and the first that follows when that is taken."""
    plain = plain_name(prefix, lab, node)
    return (plain, f"{plain}-{_digest(prefix, lab, node)[:6]}")


def runtime_name(prefix: str, lab: str, node: str, taken: Mapping[str, Owner]) -> str:
    """The name that the engine knows the node by.

    :param taken: who of labprov's holds which name already.
    :returns: the plain name, or, where another (prefix, lab, node) of ours holds it, the plain name with a
        dash and hex digits of the SHA-256 of all three: 6, or as many more as it takes.
    """
    me = Owner(prefix, lab, node)
    plain = name = plain_name(prefix, lab, node)
    length = 6
    while taken.get(name, me) != me:
        name = f"{plain}-{_digest(prefix, lab, node)[:length]}"
        length += 6
    return name


def holder_name(runtime_name: str) -> str:
    """The name of the thing beside a node that holds its network; no name that people would give a node."""
    return f"{runtime_name}-holder-{_digest('holder', runtime_name)[:6]}"


def bridge_name(workspace: str, lab: str) -> str:
    """The name of the lab's own bridge; labs of one name in two workspaces have each their own."""
    return f"lp-{_digest('bridge', workspace, lab)[:10]}"


def device_name(workspace: str, lab: str, end: Endpoint) -> str:
    """The name of an interface's device on the host, where it keeps one: 13 of the 15 characters there are.

    The host's sides of veths, which are made anew, have the same stem and a letter of their own.
    """
    return f"lp{_digest(workspace, lab, end.node, end.interface)[:10]}t"


def _mac(lab: str, end: Endpoint, attempt: int) -> str:
    digest = _digest("mac", lab, end.node, end.interface, *([str(attempt)] if attempt else []))
    # 02: locally administered, unicast, and none of the first octets that engines reserve (fe: taps)
    return ":".join(["02", *(digest[index : index + 2] for index in range(0, 10, 2))])


def macs(topology: Topology) -> dict[Endpoint, str]:
    """The MAC of every data interface: the topology's own where it names one, else derived from the identity.

    The same for every deploy; distinct within the lab.

    :raises InvalidTopology: a MAC of the topology's own is no unicast MAC, or is there twice.
    """
    found: dict[Endpoint, str] = {}
    used: set[str] = set()
    for end in topology.endpoints:
        link = topology.link_at.get(end)
        given = link.mac(end) if link else None
        if given is not None:
            found[end] = _checked_mac(topology.name, end, given.lower(), used)
            used.add(found[end])
    for end in topology.endpoints:
        if end not in found:
            attempt = 0
            while _mac(topology.name, end, attempt) in used:
                attempt += 1
            found[end] = _mac(topology.name, end, attempt)
            used.add(found[end])
    return found


def _checked_mac(lab: str, end: Endpoint, mac: str, used: set[str]) -> str:
    problem = None
    if not MAC.fullmatch(mac) or int(mac[:2], 16) & 1:
        problem = f"{mac!r} is no MAC address that an interface can have"
    elif mac in used:
        problem = f"the MAC address {mac} is given twice"
    if problem:
        raise InvalidTopology(problem, lab=lab, node=end.node, interface=end.interface)
    return mac


IN_PLACE = frozenset({"exec", "interfaces", "provider"})
"""What can change without a new node: links come and go, and commands are for the next start. Another
provider is another node anyway."""


def definition(node: Node, prefix: str) -> str:
    """The hash of all that can't change in place, as it stands in the node's labels: 12 hex digits.

    Only what differs from a plain node counts, so that a new attribute of nodes replaces nobody's nodes.
    """
    plain = cattrs.unstructure(Node(name=node.name))
    values = {
        key: value
        for key, value in cattrs.unstructure(node).items()
        if key not in IN_PLACE and value != plain[key]
    }
    return _digest(prefix, json.dumps(values, sort_keys=True, default=str))[:12]


def changed_keys(old: Node, new: Node) -> tuple[str, ...]:
    """Which of the things that can't change in place differ, by their names in the file."""
    before, after = cattrs.unstructure(old), cattrs.unstructure(new)
    flat_before, flat_after = _flat(before), _flat(after)
    names = {
        key
        for key in flat_before.keys() | flat_after.keys()
        if flat_before.get(key) != flat_after.get(key) and key not in IN_PLACE
    }
    return tuple(sorted(name.replace("_", "-") for name in names))


def _flat(node: Mapping[str, object]) -> dict[str, object]:
    flat = {key: value for key, value in node.items() if key != "settings"}
    settings = node["settings"]
    assert isinstance(settings, Mapping)
    return flat | dict(settings)


def labels(
    *, lab: str, node: str, prefix: str, workspace: str, kind: str, definition: str, role: str = "node"
) -> dict[str, str]:
    """The labels that carry a node's identity in its engine, the same on every provider."""
    values = {
        "lab": lab,
        "node": node,
        "prefix": prefix,
        "workspace": workspace,
        "kind": kind,
        "role": role,
        "definition": definition,
    }
    return {LABEL + key: value for key, value in values.items()}
