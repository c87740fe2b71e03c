"""How labprov's JSON documents become values: strictly, nothing coerced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.gen import make_dict_unstructure_fn

from labprov.errors import DocumentCorrupt
from labprov.model import Link, Mgmt, Node, Topology

T = TypeVar("T")


def _strict(wanted: type) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        # bool is an int to Python, and no number to a reader of JSON
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise TypeError(f"{value!r} is no {wanted.__name__}")
        return value

    return check


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for primitive in (int, str, bool):
        converter.register_structure_hook(primitive, _strict(primitive))
    for model in (Node, Link, Mgmt, Topology):
        converter.register_unstructure_hook(
            model, make_dict_unstructure_fn(model, converter, _cattrs_omit_if_default=True)
        )
    return converter


CONVERTER = _converter()


def parse(content: bytes, path: Path) -> Any:
    """The JSON value in *content*.

    :param path: where it came from, for the error.
    :raises DocumentCorrupt: it is no JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DocumentCorrupt(f"{path} is no JSON: {error}", path=path) from error


def structure(value: Any, wanted: type[T], path: Path) -> T:
    """*value* as a *wanted*.

    :raises DocumentCorrupt: it has a key too many or too few, or a value of the wrong type.
    """
    try:
        return CONVERTER.structure(value, wanted)
    except Exception as error:  # cattrs raises groups, and whatever a validator of the model raises
        lines = (
            cattrs.transform_error(error) if isinstance(error, cattrs.BaseValidationError) else [str(error)]
        )
        raise DocumentCorrupt(f"{path} is not what labprov writes: {'; '.join(lines)}", path=path) from error
