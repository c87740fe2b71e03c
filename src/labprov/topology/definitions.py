"""What nodes, groups, kinds and defaults can say, and how a node inherits it.

The keys are those of containerlab's node definition and labprov's own ``provider``. A node inherits from its
group, its kind and the defaults, in that order: text, numbers and switches of the nearest level that has
them; lists joined from far to near, each item once; mappings merged, the nearer level wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from labprov.topology.schema import (
    Reader,
    anything,
    fields,
    flag,
    listed,
    mapped,
    number,
    pairs,
    struct,
    text,
    texts,
    whole,
)
from labprov.topology.source import Source
from labprov.yamltree import Mapping as YamlMapping
from labprov.yamltree import Value

_MDA = listed(struct({"slot": whole, "type": text}))
_STAGE = struct(
    {
        "wait-for": listed(struct({"node": text, "stage": text})),
        "exec": listed(struct({"command": text, "target": text, "phase": text})),
    }
)
STAGES = ("create", "create-links", "configure", "healthy", "exit")
_CREDENTIALS = ("username", "password")

KEYS: Mapping[str, Reader] = {
    **dict.fromkeys(
        [
            "kind",
            "group",
            "type",
            "provider",
            "image",
            "image-pull-policy",
            "license",
            "position",
            "hostname",
            "entrypoint",
            "cmd",
            "startup-config",
            "restart-policy",
            "cgroupns-mode",
            "cgroup-parent",
            "pid-mode",
            "shm-size",
            "mgmt-ipv4",
            "mgmt-ipv6",
            "user",
            "network-mode",
            "runtime",
            "cpu-set",
            "memory",
            "link-apply-mode",
            "username",
            "password",
        ],
        text,
    ),
    **dict.fromkeys(["enforce-startup-config", "suppress-startup-config", "auto-remove", "privileged"], flag),
    **dict.fromkeys(
        ["exec", "binds", "volumes", "devices", "cap-add", "security-opts", "ports", "env-files", "aliases"],
        texts,
    ),
    **dict.fromkeys(["env", "labels", "sysctls", "tmpfs"], pairs),
    "startup-delay": whole,
    "cpu": number,
    "config": struct({"vars": mapped(anything)}),
    "extras": struct(
        {
            "srl-agents": texts,
            "mysocket-proxy": text,
            "ceos-copy-to-flash": texts,
            "k8s_kind": struct({"deploy": struct({"kubeconfig": text, "wait": text})}),
        }
    ),
    "stages": struct(dict.fromkeys(STAGES, _STAGE)),
    "dns": struct(dict.fromkeys(["servers", "options", "search"], texts)),
    "certificate": struct({"issue": flag, "key-size": whole, "validity-duration": text, "sans": texts}),
    "healthcheck": struct(
        {"test": texts, **dict.fromkeys(["interval", "timeout", "retries", "start-period"], whole)}
    ),
    "credentials": struct({"username": text, "password": text, "identity-file": text}),
    "components": listed(
        struct(
            {
                "slot": text,
                "type": text,
                "env": pairs,
                "sfm": text,
                "xiom": listed(struct({"slot": whole, "type": text, "mda": _MDA})),
                "mda": _MDA,
            }
        )
    ),
}

_JOINED = ("exec", "devices", "cap-add", "security-opts", "env-files")
_MERGED = ("env", "labels", "sysctls", "tmpfs")
_BY_TARGET = ("binds", "volumes")
NODE_ONLY = ("mgmt-ipv4", "mgmt-ipv6", "aliases")
_OWN_RULE = {*_JOINED, *_MERGED, *_BY_TARGET, *NODE_ONLY, "kind", "group", "provider", "config", "stages"} | {
    "certificate",
    "credentials",
    *_CREDENTIALS,
}
_NEAREST = tuple(key for key in KEYS if key not in _OWN_RULE)
IMPORT_ENVIRONMENT = "__IMPORT_ENVS"
PROVIDER_LABEL = "labprov.provider"


@frozen
class Definition:
    """What one level says: values by key, and the line of each key."""

    line: int = 0
    values: Mapping[str, Any] = field(factory=dict)
    lines: Mapping[str, int] = field(factory=dict)

    def get(self, key: str) -> Any:
        """The value of *key*, None if it is not said."""
        return self.values.get(key)


def read_definition(source: Source, value: Value, what: str, line: int) -> Definition:
    """Read one body of ``defaults``, ``kinds``, ``groups`` or ``nodes``; an empty one says nothing.

    :raises InvalidTopology: an unknown key, or a value of the wrong form.
    """
    values = fields(source, value, what, KEYS)
    env = values.get("env")
    if env and env.get(IMPORT_ENVIRONMENT) == "true":
        values["env"] = {**source.env, **env}
    _take_old_credentials(values)
    return Definition(line, values, value.lines if isinstance(value, YamlMapping) else {})


def _take_old_credentials(values: dict[str, Any]) -> None:
    """``username`` and ``password`` beside the other keys are what ``credentials`` was before."""
    old = {key: values.pop(key) for key in _CREDENTIALS if key in values}
    if old:
        said = {key: item for key, item in (values.get("credentials") or {}).items() if item}
        values["credentials"] = {**old, **said}


@frozen
class Levels:
    """The definitions of a whole topology, and how its nodes inherit from them."""

    defaults: Definition
    kinds: Mapping[str, Definition]
    groups: Mapping[str, Definition]

    def kind(self, node: Definition) -> str:
        """The node's kind, as written: its own, else its group's, else the defaults'; ``""`` if none."""
        own_group = self.groups.get(node.get("group") or "", Definition())
        default_group = self.groups.get(self.defaults.get("group") or "", Definition())
        levels = (node, own_group, default_group, self.defaults)
        return next((level.get("kind") for level in levels if level.get("kind")), "")

    def group(self, node: Definition) -> str:
        """The node's group: its own, else its kind's, else the defaults'; ``""`` if none."""
        levels = (node, self.kinds.get(self.kind(node), Definition()), self.defaults)
        return next((level.get("group") for level in levels if level.get("group")), "")

    def inherited(self, node: Definition) -> Definition:
        """Everything that holds for *node*, by containerlab's rules."""
        group = self.groups.get(self.group(node), Definition())
        kind = self.kinds.get(self.kind(node), Definition())
        near_to_far = (node, group, kind, self.defaults)
        lines = {key: line for level in reversed(near_to_far) for key, line in level.lines.items()}
        values = _merge([level.values for level in near_to_far])
        values.update({key: node.values[key] for key in NODE_ONLY if key in node.values})
        values["kind"], values["group"] = self.kind(node), self.group(node)
        return Definition(node.line, {key: item for key, item in values.items() if _is_set(item)}, lines)


def _is_set(value: Any) -> bool:
    """Whether a level says something: ``false`` and an empty mapping do, nothing, 0 and ``""`` don't."""
    return isinstance(value, bool | dict) or bool(value)


def _merge(levels: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge *levels*, which are ordered from near to far."""
    far_to_near = levels[::-1]
    values: dict[str, Any] = {
        key: next((level[key] for level in levels if _is_set(level.get(key))), None) for key in _NEAREST
    }
    for key in (*_JOINED, *_BY_TARGET):
        values[key] = list(dict.fromkeys(item for level in far_to_near for item in level.get(key) or ()))
    for key in _MERGED:
        merged = {name: item for level in far_to_near for name, item in (level.get(key) or {}).items()}
        values[key] = merged or None
    values["provider"] = next((said for level in levels if (said := _provider(level))), None)
    values["credentials"] = _credentials(levels)
    values["certificate"] = _certificate(far_to_near)
    values["stages"] = _stages(far_to_near)
    values["config"] = _config(far_to_near)
    return values


def _provider(level: Mapping[str, Any]) -> str | None:
    """The provider that one level names: the key before the label."""
    return level.get("provider") or (level.get("labels") or {}).get(PROVIDER_LABEL)


def _credentials(levels: list[Mapping[str, Any]]) -> dict[str, str] | None:
    """Name and password together from the nearest level that has either; the key file for itself."""
    said = [level.get("credentials") or {} for level in levels]
    login = next((item for item in said if any(item.get(key) for key in _CREDENTIALS)), {})
    found = {key: login[key] for key in _CREDENTIALS if login.get(key)}
    identity = next((item["identity-file"] for item in said if item.get("identity-file")), None)
    return {**found, **({"identity-file": identity} if identity else {})} or None


def _certificate(far_to_near: list[Mapping[str, Any]]) -> dict[str, Any] | None:
    said = [level.get("certificate") or {} for level in far_to_near]
    return {key: item for level in said for key, item in level.items() if _is_set(item)} or None


def _stages(far_to_near: list[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What to wait for is joined, each once; commands are joined as they come."""
    found: dict[str, dict[str, list[Any]]] = {}
    for level in far_to_near:
        for stage, said in (level.get("stages") or {}).items():
            into = found.setdefault(stage, {})
            for key, items in (said or {}).items():
                known = into.setdefault(key, [])
                known += [item for item in items if key == "exec" or item not in known]
    return {stage: said for stage, said in found.items() if any(said.values())} or None


def _config(far_to_near: list[Mapping[str, Any]]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for level in far_to_near:
        found = _deeply(found, (level.get("config") or {}).get("vars") or {})
    return {"vars": found} if found else None


def _deeply(far: dict[str, Any], near: dict[str, Any]) -> dict[str, Any]:
    merged = dict(far)
    for key, item in near.items():
        old = merged.get(key)
        merged[key] = _deeply(old, item) if isinstance(old, dict) and isinstance(item, dict) else item
    return merged
