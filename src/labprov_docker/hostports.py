"""Ports of the host that a node is to be published on: whether somebody else has them."""

from __future__ import annotations

import errno
import socket

from labprov.engine import NodeSpec, Scope
from labprov.errors import Conflict
from labprov_docker import network
from labprov_docker.client import client
from labprov_docker.containers import LABEL
from labprov_docker.translation import translated
from labprov_docker.units import PublishedPort


def taken(scope: Scope, spec: NodeSpec) -> Conflict | None:
    """Say which port keeps a running node from being made anew: it would be gone before Docker says so.

    Of a node that is not there yet nothing can be lost, and the engine tells of its ports itself.
    """
    if spec.replaces is None:
        return None
    used = [port for port in network.ports(spec.node) if port.host.isdigit() and _is_used(port)]
    own = _own(scope, spec) if used else frozenset()
    for port in used:
        protocol = port.container.partition("/")[2] or "tcp"
        if (int(port.host), protocol) not in own:
            return Conflict(
                f"the host's port {port.host}/{protocol} is in use already",
                lab=scope.lab,
                node=spec.name,
                remedy="Publish another port of the host, or end what has this one.",
            )
    return None


def _is_used(port: PublishedPort) -> bool:
    """Whether it can't be had at the moment."""
    address = port.address or "0.0.0.0"
    udp = port.container.endswith("/udp")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        if not udp:  # connections that linger keep nobody from listening
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, int(port.host)))
            if not udp:
                probe.listen()
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _own(scope: Scope, spec: NodeSpec) -> frozenset[tuple[int, str]]:
    """The host's ports that the node is published on now."""
    labels = [f"{LABEL}lab={scope.lab}", f"{LABEL}workspace={scope.workspace_id}", f"{LABEL}node={spec.name}"]
    with translated(lab=scope.lab, node=spec.name):
        found = client(scope).containers(all=True, filters={"label": labels})
    ends = (end for item in found for end in item.get("Ports") or ())
    return frozenset((end["PublicPort"], end["Type"]) for end in ends if "PublicPort" in end)
