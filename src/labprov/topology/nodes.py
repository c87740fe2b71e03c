"""One node of a topology, from what its file says to the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labprov.errors import InvalidTopology
from labprov.model import Node
from labprov.topology.definitions import IMPORT_ENVIRONMENT, PROVIDER_LABEL, Definition
from labprov.topology.files import NodeFiles, absolute, is_remote
from labprov.topology.source import Source

_LINK_APPLY_MODES = ("live", "restart", "recreate")
_OUR_LABELS = "labprov."
_ATTRIBUTES = [
    "kind",
    "type",
    "provider",
    "image",
    "cmd",
    "entrypoint",
    "env",
    "exec",
    "hostname",
    "sysctls",
    "labels",
    "binds",
]


def build_node(source: Source, name: str, said: Definition, files: NodeFiles) -> Node:
    """Make the node *name*.

    :param said: everything that holds for it, inheritance done.
    :raises InvalidTopology: a bind, a volume or a mode that makes no sense.
    :raises InvalidName: the name is not allowed.
    """
    source.named(name, "node name", said.line)
    _check(source, name, said)
    values = dict(said.values)
    values["binds"] = _binds(said, files)
    values["volumes"] = _volumes(said, files)
    startup_config = _resolve_files(values, said, files)
    try:
        return Node(
            name=name,
            **_attributes(source, values, said),
            startup_config=startup_config,
            settings={key: item for key, item in values.items() if key not in _ATTRIBUTES and item != []},
        )
    except InvalidTopology as error:
        raise source.relocated(error, said.line) from error


def _attributes(source: Source, values: Mapping[str, Any], said: Definition) -> dict[str, Any]:
    """The arguments of a node that have an attribute of their own."""
    found = {key: values[key] for key in _ATTRIBUTES if key in values}
    found["kind"] = values["kind"].lower()
    if "type" in found:
        found["type"] = found["type"].strip()
    env = values.get("env") or {}
    found["env"] = {key: item for key, item in env.items() if key != IMPORT_ENVIRONMENT}
    labels = values.get("labels") or {}
    for label in labels:
        if label.startswith(_OUR_LABELS) and label != PROVIDER_LABEL:
            source.warn(f"the label {label} is labprov's own and is not passed on", said.lines.get("labels"))
    found["labels"] = {key: item for key, item in labels.items() if not key.startswith(_OUR_LABELS)}
    return found


def _check(source: Source, name: str, said: Definition) -> None:
    mode = said.get("link-apply-mode")
    if mode and mode not in _LINK_APPLY_MODES:
        raise source.error(
            f"link-apply-mode {mode!r} is not one",
            said.lines.get("link-apply-mode"),
            node=name,
            remedy=f"There are: {', '.join(_LINK_APPLY_MODES)}.",
        )
    if said.get("enforce-startup-config") and said.get("suppress-startup-config"):
        raise source.error(
            "startup-config is both enforced and suppressed",
            said.lines.get("enforce-startup-config"),
            node=name,
        )


def _binds(said: Definition, files: NodeFiles) -> list[str]:
    """``source:target[:options]``; of two with one target the nearer level's holds.

    A bind's source is always a path for containerlab; named volumes are what ``volumes`` is for.
    """
    line = said.lines.get("binds")
    by_target: dict[str, tuple[str, ...]] = {}
    for bind in said.get("binds") or ():
        parts = tuple(bind.split(":"))
        if not 2 <= len(parts) <= 3 or not all(parts[:2]):
            raise files.source.error(
                f"the bind {bind!r} is not source:target or source:target:options",
                line,
                node=files.node,
                remedy="A volume without a source belongs under 'volumes'.",
            )
        by_target[parts[1]] = parts
    found = []
    for path, *rest in sorted(by_target.values()):
        found.append(":".join([files.find("binds", path, line), *rest]))
    return found


def _volumes(said: Definition, files: NodeFiles) -> list[str]:
    """``target`` or ``name:target[:options]``; of two with one target the nearer level's holds."""
    line = said.lines.get("volumes")
    by_target: dict[str, str] = {}
    for volume in said.get("volumes") or ():
        parts = volume.split(":")
        if len(parts) == 1 and volume:
            by_target[volume] = volume
            continue
        if not 2 <= len(parts) <= 3 or volume.startswith("/"):
            raise files.source.error(
                f"the volume {volume!r} is not target, name:target or name:target:options",
                line,
                node=files.node,
                remedy="A path of the host belongs under 'binds'.",
            )
        by_target[parts[1]] = ":".join([files.magic(parts[0]), *parts[1:]])
    return sorted(by_target.values())


def _resolve_files(values: dict[str, Any], said: Definition, files: NodeFiles) -> str | None:
    """Make the names of files in *values* absolute, and replace magic variables where containerlab does.

    :returns: the startup-config; one that would have to be fetched stays in *values*.
    """
    values["exec"] = [files.magic(line) for line in values.get("exec") or ()]
    values["env-files"] = [
        files.find("env-files", name, said.lines.get("env-files")) for name in values.get("env-files") or ()
    ]
    if "license" in values:
        values["license"] = files.find_or_keep("license", values["license"], said.lines.get("license"))
    if "stages" in values:
        values["stages"] = _stages(values["stages"], files)
    if "extras" in values:
        values["extras"] = _extras(values["extras"], said, files)
    identity = (values.get("credentials") or {}).get("identity-file")
    if identity:
        values["credentials"] = {**values["credentials"], "identity-file": absolute(files.source, identity)}
    return _startup_config(values, said, files)


def _startup_config(values: dict[str, Any], said: Definition, files: NodeFiles) -> str | None:
    name = values.pop("startup-config", None)
    if name is None:
        return None
    found = files.find_or_keep("startup-config", name, said.lines.get("startup-config"))
    if is_remote(found):
        values["startup-config"] = found
        return None
    return found


def _stages(stages: dict[str, Any], files: NodeFiles) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for stage, parts in stages.items():
        found[stage] = dict(parts)
        if "exec" in parts:
            found[stage]["exec"] = [
                {**item, "command": files.magic(item["command"])} if item and "command" in item else item
                for item in parts["exec"]
            ]
    return found


def _extras(extras: dict[str, Any], said: Definition, files: NodeFiles) -> dict[str, Any]:
    found = dict(extras)
    for key in ("srl-agents", "ceos-copy-to-flash"):
        if key in extras:
            line = said.lines.get("extras")
            found[key] = [files.find_or_keep(f"extras.{key}", name, line) for name in extras[key]]
    return found
