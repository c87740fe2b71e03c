"""The provider contract: every hook a provider or an observer may implement.

A provider is one plugin object (a module or an instance) under an entry point of the group ``labprov``; the
entry point's name is the provider's name. It implements hooks with :data:`hookimpl`, takes no decision
about tags, names, files or recovery, and imports only labprov's public names and :mod:`labprov.wires`.

What holds for all hooks:

* A hook's implementation may leave out arguments that it does not need (pluggy passes by name).
* Each call goes to one provider and to the plugins that belong to no provider, never to another provider.
* Provider hooks are *firstresult*: returning None passes the question on to labprov's default, where there
  is one; where nobody answers the caller gets :class:`labprov.NotSupported`.
* Batch hooks take a sequence and return a list of the same length and order, one outcome for each item: a
  value (None where there is nothing to say) or a :class:`labprov.LabprovError`, returned, not raised. One
  item's failure stops no other item. Raising means that nothing is known of the whole batch: labprov takes
  each of its items for failed, does no more with those nodes, and looks anew in its next operation.
* Every hook is idempotent: what is already as asked for is left alone and is no error.
* Whatever engine error occurs is translated to a :class:`labprov.LabprovError`; anything else that escapes
  is reported as :class:`labprov.ProviderFault`.
* Hooks may be called from any thread. Those that change something are never called twice at once for one
  lab; those that only look, and ``exec``, may be.

The order of one deploy: ``observe``, ``capture_vlans``, (labprov decides), ``accept_nodes``, (labprov
persists), ``prepare_lab``,
``plug`` (peers of what goes), ``remove_nodes``, ``unplug``, ``create_nodes``, ``plug``, ``start_nodes``,
``exec``, ``ready``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from labprov.engine import (
        ConsoleCommand,
        NodeSpec,
        Observed,
        ObservedNode,
        Place,
        Port,
        Problem,
        ProviderInfo,
        Readiness,
        Result,
        Scope,
    )
    from labprov.errors import LabprovError
    from labprov.events import Event, Watch
    from labprov.harness import Harness
    from labprov.host import Host
    from labprov.model import Allocations, Endpoint, Topology

PROJECT = "labprov"
"""The name of the pluggy project, and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a provider's or an observer's implementation of a hook."""


# ---------------------------------------------------------------------------------------------------------
# What a provider says of itself and of the host


@hookspec(firstresult=True)
def labprov_provider_info(host: Host) -> ProviderInfo | None:
    """Say what the provider is, what it claims, and whether it can work on *host*.

    Called first of all, and whenever providers are listed. Read-only, quick (well under a second), and it
    never raises: a missing engine or library is an answer, with ``reason`` and ``remedy``.

    :param host: the machine asked about.
    """


@hookspec(firstresult=True)
def labprov_check(host: Host) -> Sequence[Problem] | None:
    """List the host's problems that this provider's labs would meet, each with its remedy.

    Called by ``labprov doctor`` only. Strictly read-only: nothing is started, loaded or made.
    """


# ---------------------------------------------------------------------------------------------------------
# What exists


@hookspec(firstresult=True)
def labprov_observe(scope: Scope, names: frozenset[str]) -> Observed | None:
    """Tell everything of labprov's that exists, and who holds the given names.

    Called before every decision, so it must be fast: one query for a lab, not one for each node.

    :param scope: ``scope.lab`` None asks for every lab. Things of *other* workspaces are reported too, with
        their workspace's id; labprov decides what that means.
    :param names: runtime names that labprov would like to use. Whatever holds one of them is reported as
        well, whoever it belongs to: ours with its identity, anything else as
        :attr:`~labprov.NodeState.FOREIGN` with ``lab`` and ``node`` empty.
    :returns: nodes in any order, each identified by its labels only, never by its name; data interfaces in
        natural order, each with the ``far`` and ``tag`` it really has. The management NIC is not a data
        interface.
    :raises Unavailable: the engine can't be asked. An answer that may be incomplete must never be given.

    Nothing is written anywhere, on the engine or on disk.
    """


@hookspec(firstresult=True)
def labprov_validate_nodes(scope: Scope, nodes: Sequence[str]) -> Mapping[str, bool] | None:
    """Say which of the nodes of ``scope.lab`` exist with their full identity (lab, node, prefix, workspace).

    Called before every decision. Where a provider has none, labprov derives it from :func:`labprov_observe`.

    :param nodes: node names.
    :returns: for each of *nodes*, whether it exists; a node that exists and is stopped counts.
    :raises Unavailable: the engine can't be asked.
    """


@hookspec(firstresult=True)
def labprov_capture_vlans(scope: Scope) -> Mapping[Endpoint, int] | None:
    """Read the tags that the data interfaces of ``scope.lab`` really carry.

    Called before every decision. Where a provider has none, labprov derives it from
    :func:`labprov_observe`.

    :returns: one tag (1 to 4094) for each interface that carries one, read from the switch itself (or from
        the interface's alias, for a veth pair), never from what was asked for.
    :raises Unavailable: the engine or the switch can't be asked.
    """


# ---------------------------------------------------------------------------------------------------------
# What belongs to a lab and to no node


@hookspec(firstresult=True)
def labprov_prepare_lab(scope: Scope, topology: Topology) -> bool | None:
    """Make what the lab needs before its first node: a management network, a parking namespace, an image.

    Called before ``create_nodes`` of every deploy that creates or plugs anything.

    :param topology: the lab as it will be, this provider's nodes and all others.
    :returns: True when it is there. A provider that needs nothing leaves this hook out.
    :raises LabprovError: it can't be made; the operation stops and nothing of a node was made.
    """


@hookspec(firstresult=True)
def labprov_remove_lab(scope: Scope) -> bool | None:
    """Remove all that :func:`labprov_prepare_lab` made, and whatever else is labelled with the lab.

    Called when the provider's last node of the lab is gone. Afterwards :func:`labprov_observe` reports
    nothing of the lab, and no file, mount, interface or network of it is left.

    :raises LabprovError: something could not be removed; the rest was.
    """


# ---------------------------------------------------------------------------------------------------------
# Nodes


@hookspec(firstresult=True)
def labprov_accept_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None] | None:
    """Look whether each node can be made as it is written: a command line, a bind, a setting that can't be.

    Called for the nodes of a plan before anything is saved or made, in dry runs too. Where a provider leaves
    this hook out, all are accepted, and what can't be made is found when it is made.

    :returns: None or an error (most often :class:`~labprov.InvalidInput`) for each node.

    Nothing is written anywhere, on the engine or on disk.
    """


@hookspec(firstresult=True)
def labprov_create_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None] | None:
    """Make everything of each node but its running first process, so that each port has a place.

    For a namespace that is the namespace; for a container the holder of its network, and the container,
    not started; for a virtual machine its definition, with the names of its taps.

    :param nodes: where ``replaces`` is set, the new node takes the place of that one: its process ends,
        its network place (and so its peers' links) stays, its disks stay unless image or size changed.
    :returns: None or an error for each node.

    Afterwards each node made is reported by :func:`labprov_observe` with the labels of its spec. A node
    that could not be made leaves nothing behind.
    """


@hookspec(firstresult=True)
def labprov_start_nodes(scope: Scope, nodes: Sequence[NodeSpec]) -> Sequence[LabprovError | None] | None:
    """Run the first instruction of each node; all its interfaces are there already.

    Called after ``create_nodes`` and ``plug``. Started means visible as running with matching identity, not
    merely accepted. A running node is left alone, a paused one goes on.
    """


@hookspec(firstresult=True)
def labprov_stop_nodes(
    scope: Scope, nodes: Sequence[ObservedNode], grace: float
) -> Sequence[LabprovError | None] | None:
    """End each node's process; its definition, its disks and its network place stay.

    :param nodes: in any state; paused, crashed, starting and absent ones end up not running as well.
    :param grace: seconds to wait after asking politely; 0 kills at once.

    Afterwards none of them runs, and none comes back by itself.
    """


@hookspec(firstresult=True)
def labprov_remove_nodes(scope: Scope, nodes: Sequence[ObservedNode]) -> Sequence[LabprovError | None] | None:
    """Remove each node with all that is its own: process, ports, place, disks, logs.

    :param nodes: as :func:`labprov_observe` reported them, never foreign ones; a node that has vanished in
        the meantime is no error. Their peers were plugged elsewhere before.
    """


# ---------------------------------------------------------------------------------------------------------
# Links


@hookspec(firstresult=True)
def labprov_plug(scope: Scope, ports: Sequence[Port]) -> Sequence[Place | LabprovError] | None:
    """Make each port as described, or change what is there to it.

    Called after ``create_nodes`` and before ``start_nodes``, and on running nodes when links change. A
    provider over network namespaces or taps passes the ports with their places to
    :func:`labprov.wires.plug`, which makes veths, taps, bridges and switch ports: one helper batch and one
    OVSDB transaction for each call.

    :param ports: both ends of a :class:`~labprov.Peer` wire come in one batch. A port that exists with
        another ``far`` or tag is re-pointed in place: its name, MAC and addresses stay, the old tag goes
        and the new one comes in one step.
    :returns: for each port where it is, or an error.

    Afterwards each port is up, alone with its far end on the wire, and :func:`labprov_observe` reports it
    with exactly the MAC, tag, MTU and far given.
    """


@hookspec(firstresult=True)
def labprov_unplug(scope: Scope, ends: Sequence[Endpoint]) -> Sequence[LabprovError | None] | None:
    """Remove data interfaces from nodes that stay. An interface that is not there is no error."""


@hookspec(firstresult=True)
def labprov_set_carrier(
    scope: Scope, ends: Sequence[Endpoint], up: bool
) -> Sequence[LabprovError | None] | None:
    """Take the carrier of data interfaces away, or give it back, as if the cable were pulled.

    Called for both ends of a link at once (each provider gets its own end). Needs the capability
    ``carrier``. Nothing else of the port changes, and nothing cascades to other links.

    :param up: whether there shall be a carrier.
    """


# ---------------------------------------------------------------------------------------------------------
# Working with running nodes


@hookspec(firstresult=True)
def labprov_exec(scope: Scope, node: ObservedNode, command: Sequence[str], timeout: float) -> Result | None:
    """Run *command* inside a running node and wait for its end.

    :param command: program and arguments; no shell is added.
    :param timeout: seconds; at its end the command is really ended, with all that it started.
    :returns: exit code, standard output and standard error apart, bytes unchanged. A command that could not
        be found is exit code 127, one that may not be run 126, as in a shell.
    :raises NodeNotRunning: the node does not run.
    :raises DeadlineExceeded: the timeout passed.
    """


@hookspec(firstresult=True)
def labprov_logs(scope: Scope, node: ObservedNode) -> bytes | None:
    """Give the node's output (its console's, for a virtual machine) since it was last powered on."""


@hookspec(firstresult=True)
def labprov_ready(scope: Scope, node: ObservedNode) -> Readiness | None:
    """Say whether the node is ready, and if not, why not yet. A single look; labprov does the waiting.

    "Nobody knows how to tell" is an answer with ``ready=False`` and that reason, never ready.
    """


@hookspec(firstresult=True)
def labprov_watch(scope: Scope) -> Watch | None:
    """Listen to the engine's own news of ``scope.lab`` (died, restarted, out of memory), as they come.

    Called when somebody begins to listen. The engine is subscribed to before this returns, so that nothing
    that happens afterwards is missed. Nothing is written anywhere.

    :param scope: ``scope.lab`` None asks for every lab, but those of other workspaces. It is good until the
        watch has ended, and so are connections made through ``scope.host``.
    :returns: the events, and what ends them from another thread (see :class:`~labprov.events.Watch`). Each is
        of the kind :attr:`~labprov.EventKind.NODE_CHANGED`, with ``lab`` and ``node`` by the node's labels,
        ``message`` in words ("died (exit 137)", "out of memory", "paused") and ``state``: what the node is
        doing since. The iterator raises :class:`~labprov.Unavailable` when the engine goes away; that it ends
        though nobody closed it means the same.
    :raises Unavailable: the engine can't be asked.
    """


@hookspec(firstresult=True)
def labprov_console(scope: Scope, node: ObservedNode, method: str) -> ConsoleCommand | None:
    """Describe how to reach the node's console: what to run in a pseudo-terminal. Opens nothing.

    :param method: ``exec``, ``serial`` or ``ssh``.
    :raises NodeNotRunning: the node does not run.
    :raises NotSupported: the node has no such console.
    """


@hookspec(firstresult=True)
def labprov_management_address(scope: Scope, node: ObservedNode, timeout: float) -> str | None:
    """Find the address at which the node's management interface answers, without a prefix length.

    :param timeout: seconds to look for it; ``""`` if there is none by then.
    """


@hookspec(firstresult=True)
def labprov_extract_config(scope: Scope, node: ObservedNode, timeout: float) -> bytes | None:
    """Give the node's running config, whole or not at all. Only where there is a better way than a console.

    :param timeout: seconds for the whole of it.
    :raises LabprovError: it is not whole.
    """


@hookspec(firstresult=True)
def labprov_restore_config(scope: Scope, node: ObservedNode, config: bytes, timeout: float) -> bool | None:
    """Make *config* the node's running config. Only where there is a better way than a console.

    :param timeout: seconds for the whole of it.
    :returns: True when the node has taken it.
    """


@hookspec(firstresult=True)
def labprov_harness(scope: Scope) -> Harness | None:
    """Lend the contract suite the means to observe and to break (see :class:`labprov.harness.Harness`).

    Called by ``pytest -p labprov.contract`` only.
    """


# ---------------------------------------------------------------------------------------------------------
# Allocations


@hookspec(firstresult=True)
def labprov_load_allocations(workspace: Path, lab: str) -> Allocations | None:
    """Read the lab's allocation document. Has no side effect at all.

    A plugin that implements this (it then implements all three) replaces labprov's JSON files for the whole
    workspace; the two are never chained.

    :returns: the document, or None: there is none.
    :raises DocumentCorrupt: there is one, and it can't be what was saved.
    :raises WorkspaceError: it can't be read.
    """


@hookspec(firstresult=True)
def labprov_save_allocations(workspace: Path, lab: str, document: Allocations) -> bool | None:
    """Save the lab's allocation document so that it survives a crash at any moment, whole.

    Called under the lab's lock, before anything of a change is made in an engine.

    :returns: True when it is durable.
    :raises WorkspaceError: it can't be written; the old document is untouched.
    """


@hookspec(firstresult=True)
def labprov_remove_allocations(workspace: Path, lab: str) -> bool | None:
    """Remove the lab's allocation document; a missing one is no error.

    :returns: True when there is none any more.
    :raises WorkspaceError: it can't be removed.
    """


@hookspec(firstresult=True)
def labprov_recover_allocations(
    persisted: Allocations | None,
    topology: Topology | None,
    existing: frozenset[str],
    captured: Mapping[Endpoint, int],
) -> Mapping[Endpoint, int] | None:
    """Decide which allocations are kept. labprov's default is the rule; replace it only to change the rule.

    :param persisted: the document with a name for every position, None where there is none.
    :param topology: what is wanted, None where that is unknown.
    :param existing: names of the lab's nodes that exist with their full identity.
    :param captured: the tags that interfaces really carry.
    :returns: the tags to keep, by interface.
    """


# ---------------------------------------------------------------------------------------------------------
# Observers


@hookspec
def labprov_event(event: Event) -> None:
    """Hear what happens, in the order in which it happens.

    Results are ignored; an exception is logged and harms nothing. Called from the thread that works, so an
    observer that is slow makes labprov slow.
    """
