"""Topology files: found, read, their variables replaced."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from labprov import yamltree
from labprov.errors import InvalidInput
from labprov.kinds import Catalogue, load_catalogue
from labprov.topology.assemble import assemble
from labprov.topology.source import Source, TopologyFile
from labprov.topology.variables import substitute
from labprov.yamltree import Value, YamlError

SUFFIXES = (".clab.yml", ".clab.yaml")
_TEMPLATE_SUFFIX = ".gotmpl"
_LARGEST = 16 * 1024 * 1024
_RENDER = (
    "Render it first: `containerlab deploy --export-rendered FILE` writes the plain topology; "
    "so does any other program for Go templates, such as gomplate."
)


def find_file(folder: str | Path) -> Path:
    """The single topology file (``*.clab.yml`` or ``*.clab.yaml``) in *folder*.

    :raises InvalidInput: there is none, or there are several; the message names them.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(SUFFIXES))
    except OSError as error:
        raise InvalidInput(f"the folder {folder} can't be read: {error.strerror}") from error
    if len(names) == 1:
        return Path(folder) / names[0]
    if names:
        raise InvalidInput(
            f"there are several topology files in {folder}: {', '.join(names)}", remedy="Name one of them."
        )
    raise InvalidInput(
        f"there is no topology file (*.clab.yml) in {folder}", remedy="Name the file of the topology."
    )


def read_file(
    path: str | Path, env: Mapping[str, str] | None = None, *, catalogue: Catalogue | None = None
) -> TopologyFile:
    """Read a topology file.

    :param env: the environment that variables are taken from; None: this process's own.
    :param catalogue: the kinds there are; None: labprov's own.
    :returns: the topology, all paths absolute, all interface names canonical.
    :raises InvalidInput: the file is not there or can't be read.
    :raises InvalidTopology: it makes no sense; with file and line.
    :raises InvalidName: the lab's or a node's name is not allowed.

    Reads nothing but this file and, if the lab's name has Git variables, the state of the repository beside
    it; files that it refers to are only looked for.
    """
    folder = Path(os.path.abspath(path)).parent
    source = Source(str(path), folder, os.environ if env is None else env)
    return _read(_decoded(_content(path), source), source, catalogue)


def read_text(
    text: str,
    *,
    folder: str | Path,
    source: str = "<stdin>",
    env: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
) -> TopologyFile:
    """Read the text of a topology file.

    :param folder: what relative paths are relative to.
    :param source: what messages call it.
    :raises InvalidTopology: as for :func:`read_file`.
    :raises InvalidName: as for :func:`read_file`.
    """
    place = Source(source, Path(os.path.abspath(folder)), os.environ if env is None else env)
    return _read(text, place, catalogue)


def _content(path: str | Path) -> bytes:
    try:
        if os.path.isdir(path):
            raise InvalidInput(f"{path} is a folder", remedy="Name the topology file in it.")
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"there is no file {path}", remedy="Check the name; it is relative to the current folder."
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"the file {path} can't be read: {reason}") from error
    if len(content) > _LARGEST:
        raise InvalidInput(f"the file {path} is larger than {_LARGEST // 1024**2} MiB")
    return content


def _decoded(content: bytes, source: Source) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise source.error("the file is not UTF-8", line, remedy="Save it as UTF-8.") from error


def _read(text: str, source: Source, catalogue: Catalogue | None) -> TopologyFile:
    _refuse_template(text, source)
    plain, unset = substitute(text, source)
    root = _loaded(plain, source)
    _warn_of_unset(root, unset, source)
    topology = assemble(root, source, load_catalogue() if catalogue is None else catalogue)
    return TopologyFile(topology, tuple(source.warnings), tuple(source.missing))


def _refuse_template(text: str, source: Source) -> None:
    """Containerlab runs every file through Go's templates; labprov does not guess what they would say."""
    at = text.find("{{")
    if at >= 0 or source.file.endswith(_TEMPLATE_SUFFIX):
        line = text.count("\n", 0, max(at, 0)) + 1
        raise source.error("the file is a Go template, which labprov does not render", line, remedy=_RENDER)


def _loaded(text: str, source: Source) -> Value:
    try:
        root = yamltree.load(text)
    except YamlError as error:
        remedy = "Indent with spaces." if "\t" in text else None
        raise source.error(error.message, error.line, remedy=remedy) from error
    if root is None:
        raise source.error("the file is empty", 1, remedy="A topology has at least a name and one node.")
    return root


def _warn_of_unset(root: Value, unset: frozenset[str], source: Source) -> None:
    """Warn of variables without a value; those in comments are nobody's concern."""
    if not unset:
        return
    names = re.compile(r"\$(" + "|".join(map(re.escape, sorted(unset, key=len, reverse=True))) + r")\b")
    said: set[str] = set()
    for scalar in yamltree.scalars(root):
        for name in names.findall(scalar.text):
            if name not in said:
                said.add(name)
                source.warn(f"the variable {name} is not set and stays as ${name}", scalar.line)
