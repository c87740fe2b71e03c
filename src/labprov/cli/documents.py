"""What JSON output holds: stable keys, listed in the manual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labprov.cli.failure import error_document

if TYPE_CHECKING:
    from datetime import datetime

    from labprov.engine import Result
    from labprov.errors import LabprovError
    from labprov.events import Event
    from labprov.report import NodeStatus, Report


def node_document(status: NodeStatus) -> dict[str, Any]:
    """One node of ``inspect``."""
    return {
        "lab": status.lab,
        "node": status.node,
        "kind": status.kind,
        "provider": status.provider,
        "state": str(status.state),
        "runtime_name": status.runtime_name,
        "management_address": status.management_address,
        "interfaces": [
            {
                "name": interface.name,
                "mac": interface.mac,
                "vlan": interface.vlan,
                "peer": str(interface.peer) if interface.peer else None,
                "up": interface.up,
            }
            for interface in status.interfaces
        ],
    }


def event_document(event: Event, heard: datetime) -> dict[str, Any]:
    """One line of ``events``.

    :param heard: when it was, with a time zone.
    """
    return {
        "time": heard.isoformat(timespec="milliseconds"),
        "kind": str(event.kind),
        "lab": event.lab,
        "node": event.node,
        "state": str(event.state) if event.state else None,
        "message": event.message,
    }


def report_document(report: Report) -> dict[str, Any]:
    """A whole report."""
    names = ("created", "replaced", "started", "stopped", "removed", "warnings")
    ends = ("plugged", "unplugged", "dropped")
    return {
        "lab": report.lab,
        "operation": report.operation,
        "ok": report.ok,
        "changed": report.changed,
        **{key: list(getattr(report, key)) for key in names},
        **{key: [str(end) for end in getattr(report, key)] for key in ends},
        "recovered": report.recovered,
        "allocated": report.allocated,
        "commands": [
            {"command": outcome.command, **result_document(outcome.node, outcome.result, outcome.error)}
            for outcome in report.commands
        ],
        "failures": [error_document(failure) for failure in report.failures],
    }


def result_document(node: str, result: Result | None, error: LabprovError | None) -> dict[str, Any]:
    """How a command ended in *node*: *result*, or *error* where it could not be run."""
    return {
        "node": node,
        "exit_code": result.exit_code if result else None,
        "stdout": result.text if result else "",
        "stderr": result.stderr.decode(errors="replace") if result else "",
        "error": error_document(error) if error else None,
    }
