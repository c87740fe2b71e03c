"""``validate``, ``doctor``, ``providers``, ``kinds`` and ``version``: answers that change nothing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labprov.cli.options import Commands, add_format

if TYPE_CHECKING:
    from labprov.cli.context import Context
    from labprov.kinds import Kind

NOTHING_AVAILABLE = 3


def register(commands: Commands) -> None:
    """Add all but ``validate``."""
    for name, run, help in (
        ("doctor", doctor, "Say what is wrong with this host for each provider, and what to do about it."),
        ("providers", providers, "List the providers that are installed, and what they can do."),
        ("kinds", kinds, "List the kinds of nodes that labprov knows."),
    ):
        parser = commands.add(name, run, help, examples=f"labprov {name}\nlabprov {name} -f json")
        add_format(parser, "json")
    commands.add("version", version, "Print the version.", examples="labprov version")


class ShowVersion(argparse.Action):
    """``--version``, which looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: object) -> None:
        """Print and end."""
        print(version_line())
        parser.exit()


def version_line() -> str:
    """``labprov 1.2.3``."""
    from importlib.metadata import version as installed

    return f"labprov {installed('labprov')}"


def version(context: Context) -> int:
    """Print the version."""
    context.out.line(version_line())
    return 0


def provider_documents(context: Context) -> list[dict[str, Any]]:
    """Everything that is known of each provider, broken plugins at the end."""
    from labprov.host import Host

    documents = []
    with Host(options=context.settings.host_options) as host:
        for name in context.plugins.providers:
            info = context.plugins.provider(name).info(host)
            documents.append(
                {
                    "name": name,
                    "available": info.available,
                    "version": info.version,
                    "engine": info.engine,
                    "engine_version": info.engine_version,
                    "joins": sorted(map(str, info.joins)),
                    "capabilities": sorted(map(str, info.capabilities)),
                    "reason": info.reason,
                    "remedy": info.remedy,
                }
            )
    return documents


def broken_documents(context: Context) -> list[dict[str, Any]]:
    """The plugins that could not be loaded."""
    return [
        {"name": plugin.name, "error": plugin.error, "remedy": plugin.remedy}
        for plugin in context.plugins.broken
    ]


def providers(context: Context) -> int:
    """List providers."""
    found, broken = provider_documents(context), broken_documents(context)
    if context.args.format == "json":
        context.out.json({"providers": found, "broken": broken})
        return 0
    rows = [_provider_row(document) for document in found]
    rows += [
        (plugin["name"], "broken", "", "", f"{plugin['error']}. {plugin['remedy']}") for plugin in broken
    ]
    context.out.table(("PROVIDER", "AVAILABLE", "ENGINE", "CAPABILITIES", "REMARK"), rows)
    return 0


def _provider_row(document: dict[str, Any]) -> tuple[str, ...]:
    remark = ". ".join(document[key].rstrip(".") for key in ("reason", "remedy") if document[key])
    return (
        document["name"],
        "yes" if document["available"] else "no",
        f"{document['engine']} {document['engine_version']}".strip(),
        " ".join(document["capabilities"]),
        remark,
    )


def doctor(context: Context) -> int:
    """Ask every provider for the host's problems."""
    diagnoses = [_diagnosis(context, document) for document in provider_documents(context)]
    broken = broken_documents(context)
    if context.args.format == "json":
        context.out.json({"providers": diagnoses, "broken": broken})
    else:
        for diagnosis in diagnoses:
            _tell(context, diagnosis)
        for plugin in broken:
            context.out.line(f"{plugin['name']}: broken plugin: {plugin['error']}")
            context.out.line(f"  remedy: {plugin['remedy']}")
    return _doctors_code(diagnoses, bool(broken))


def _diagnosis(context: Context, document: dict[str, Any]) -> dict[str, Any]:
    from labprov.errors import LabprovError
    from labprov.host import Host

    with Host(options=context.settings.host_options) as host:
        try:
            problems = [
                {"what": problem.what, "remedy": problem.remedy, "serious": problem.serious}
                for problem in context.plugins.provider(document["name"]).check(host)
            ]
        except LabprovError as error:  # a check that fails is itself a finding; the other providers go on
            problems = [{"what": error.message, "remedy": error.remedy or "", "serious": True}]
    keys = ("name", "available", "reason", "remedy")
    return {**{key: document[key] for key in keys}, "problems": problems}


def _tell(context: Context, diagnosis: dict[str, Any]) -> None:
    state = "available" if diagnosis["available"] else f"unavailable: {diagnosis['reason']}"
    context.out.line(f"{diagnosis['name']}: {state}")
    if diagnosis["remedy"]:
        context.out.line(f"  remedy: {diagnosis['remedy']}")
    for problem in diagnosis["problems"]:
        context.out.line(f"  {'problem' if problem['serious'] else 'hint'}: {problem['what']}")
        context.out.line(f"    remedy: {problem['remedy']}")


def _doctors_code(diagnoses: Sequence[dict[str, Any]], broken: bool) -> int:
    """3 where no provider is available; 1 for a serious problem of one that is, or a broken plugin."""
    available = [diagnosis for diagnosis in diagnoses if diagnosis["available"]]
    if not available:
        return NOTHING_AVAILABLE
    serious = any(problem["serious"] for diagnosis in available for problem in diagnosis["problems"])
    return 1 if serious or broken else 0


def kinds(context: Context) -> int:
    """List kinds."""
    from labprov.kinds import load_catalogue

    found = load_catalogue().all
    if context.args.format == "json":
        context.out.json([_kind_document(kind) for kind in found])
        return 0
    rows = [
        (
            " ".join(kind.names),
            " ".join(kind.providers),
            kind.interfaces.first,
            str(kind.truth),
            kind.description,
        )
        for kind in found
    ]
    context.out.table(("KIND", "PROVIDERS", "FIRST", "TRIED ON", "DESCRIPTION"), rows)
    return 0


def _kind_document(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "aliases": list(kind.aliases),
        "description": kind.description,
        "role": str(kind.role),
        "providers": list(kind.providers),
        "first_interface": kind.interfaces.first,
        "interfaces": kind.interfaces.allowed,
        "console": [str(method) for method in kind.console],
        "extraction": kind.extraction is not None,
        "tried": str(kind.truth),
    }
