"""``validate``: whether files are topologies, and what a deploy of them would meet; read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from labprov.cli.context import STDIN, Context, read_stdin
from labprov.cli.failure import lines
from labprov.cli.options import Commands, add_format
from labprov.errors import InvalidInput, LabprovError

if TYPE_CHECKING:
    from labprov.model import Topology
    from labprov.topology import TopologyFile


def register(commands: Commands) -> None:
    """Add it."""
    parser = commands.add(
        "validate",
        validate,
        "Check topology files without deploying them.",
        description="Ends with 2 if any of them is invalid. Also reports a lab's allocation document and "
        "saved topology if they are damaged.",
        examples="labprov validate ring.clab.yml\nlabprov validate labs/*.clab.yml -f json",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="topology file, '-' for standard input")
    add_format(parser, "json")


def validate(context: Context) -> int:
    """Check each file."""
    documents = [_checked(context, file) for file in context.args.files]
    if context.args.format == "json":
        context.out.json(documents)
    else:
        for document in documents:
            _tell(context, document)
    return 0 if all(document["valid"] for document in documents) else InvalidInput.exit_code


def _checked(context: Context, name: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "file": name, "valid": False, "lab": None, "nodes": 0, "links": 0,
        "warnings": [], "missing": [], "damaged": [], "errors": [],
    }  # fmt: skip
    try:
        file = _read(name)
    except (LabprovError, ExceptionGroup) as error:
        context.talk.trace(error)
        return {**document, "errors": lines(error)}
    return {
        **document,
        "valid": True,
        "lab": file.topology.name,
        "nodes": len(file.topology.nodes),
        "links": len(file.topology.links),
        "warnings": list(file.warnings),
        "missing": [str(item) for item in file.missing],
        "damaged": _damaged(context, file.topology),
    }


def _read(name: str) -> TopologyFile:
    from labprov import topology

    if name == STDIN:
        return topology.read_text(read_stdin(), folder=Path.cwd())
    return topology.read_file(name)


def _damaged(context: Context, topology: Topology) -> list[str]:
    """What is wrong with the lab's documents in the workspace; only ever reads them."""
    from labprov import saved
    from labprov.allocation import by_endpoint, check_sharing, named
    from labprov.workspace import Workspace

    workspace = Workspace(context.settings.workspace)
    found: list[str] = []
    topologies = [topology]
    try:
        before = saved.load(workspace, topology.name)
        topologies += before.topologies() if before else ()
    except LabprovError as error:
        found += lines(error)
    try:
        document = context.plugins.load_allocations(workspace.path, topology.name)
        if document:
            path = workspace.vlans(topology.name)
            check_sharing(by_endpoint(named(document, topologies[::-1])), topologies, path)
    except LabprovError as error:
        found += lines(error)
    return found


def _tell(context: Context, document: dict[str, Any]) -> None:
    counts = f"lab {document['lab']}, {document['nodes']} nodes, {document['links']} links"
    context.out.line(f"{document['file']}: {'ok: ' + counts if document['valid'] else 'invalid'}")
    for key, word in (
        ("errors", "error"),
        ("warnings", "warning"),
        ("missing", "missing"),
        ("damaged", "damaged"),
    ):
        for text in document[key]:
            context.out.line(f"  {word}: {text}")
