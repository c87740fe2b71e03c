"""The catalogue of kinds: one small file each, read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from labprov.errors import InvalidInput
from labprov.kinds.files import read_kind
from labprov.kinds.kind import Kind

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SUFFIXES = (".yml", ".yaml")


def load_catalogue(folders: Iterable[str | Path] = ()) -> Catalogue:
    """The catalogue: the user's files first, then labprov's own.

    :param folders: folders with one YAML file for each kind, the first the most important. A kind in them
        replaces one of the same name that comes later.
    :raises InvalidInput: a folder is not there, a file of it is no good, or two of its kinds claim one name.

    labprov's own files are read one by one, when a kind is looked up.
    """
    return Catalogue(_read_folder(Path(folder)) for folder in folders)


def _read_folder(folder: Path) -> dict[str, Kind]:
    if not folder.is_dir():
        raise InvalidInput(f"the folder of kinds {folder} is not there", remedy="Name a folder that exists.")
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    return _by_name((read_kind(path), str(path)) for path in files)


def _by_name(kinds: Iterable[tuple[Kind, str]]) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    claimed: dict[str, str] = {}
    for kind, source in kinds:
        for name in kind.names:
            if name in claimed:
                raise InvalidInput(
                    f"{source}: the name {name!r} is claimed by {claimed[name]} already",
                    remedy="Give one of the two another name.",
                )
            claimed[name] = source
        found[kind.name] = kind
    return found


class Catalogue:
    """All kinds that labprov knows.

    :param layers: kinds by name, the most important layer first; labprov's own come last by themselves.
    """

    def __init__(self, layers: Iterable[Mapping[str, Kind]] = ()) -> None:
        self._layers = tuple(layers)
        folder = resources.files("labprov.kinds").joinpath("data")
        self._files: dict[str, Traversable] = {
            file.name.removesuffix(".yml"): file for file in folder.iterdir() if file.name.endswith(".yml")
        }
        self._read: dict[str, Kind] = {}
        for layer in self._layers:
            self._refuse_taken(layer)

    def _refuse_taken(self, layer: Mapping[str, Kind]) -> None:
        for kind in layer.values():
            for alias in kind.aliases:
                if alias in self._files:
                    raise InvalidInput(
                        f"the kind {kind.name!r} claims the name of the kind {alias!r}",
                        remedy=f"Name the kind {alias!r} itself to replace it.",
                    )

    def lookup(self, kind: str, type: str | None = None) -> Kind:
        """The entry for *kind*: the exact name first, then the aliases. Case does not matter.

        :param type: the node's ``type``; where the kind has an entry of its own for it, that is the answer.
        :raises InvalidInput: nobody knows it; the remedy has the nearest names.
        """
        name = kind.lower()
        found = self._exact(name) or self._by_alias.get(name)
        if found is None:
            near = get_close_matches(name, self.names, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`labprov kinds` lists them."
            raise InvalidInput(f"the kind {kind!r} is not known", remedy=hint)
        target = found.types.get(type or "", name)
        return found if target in (name, found.name) else self.lookup(target)

    def _exact(self, name: str) -> Kind | None:
        for layer in self._layers:
            if name in layer:
                return layer[name]
        if name not in self._read and name in self._files:
            self._read[name] = read_kind(self._files[name])
        return self._read.get(name)

    @cached_property
    def all(self) -> tuple[Kind, ...]:
        """Every kind, by name."""
        names = {name for layer in self._layers for name in layer} | set(self._files)
        return tuple(kind for name in sorted(names) if (kind := self._exact(name)))

    @cached_property
    def _by_alias(self) -> dict[str, Kind]:
        """Aliases, the most important layer last, so that it has its way."""
        found: dict[str, Kind] = {}
        for kind in self.all:
            found.update(dict.fromkeys(kind.aliases, kind))
        for layer in reversed(self._layers):
            for kind in layer.values():
                found.update(dict.fromkeys(kind.aliases, self._exact(kind.name) or kind))
        return found

    @property
    def names(self) -> list[str]:
        """Every name and alias, sorted."""
        return sorted({name for kind in self.all for name in kind.names})
