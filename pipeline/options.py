"""What all options classes share: fields that hold what they declare, and their plain form.

An options class is a frozen dataclass whose `__post_init__` calls `settle` first. A caller may then
give a path as text and a list for a tuple, and hears of anything else by the field's name.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import UsageError
from pipeline.types import Json


def settle(options: Any) -> None:
    """Give each field of a frozen dataclass the type it declares.

    Text becomes the Path it names, and a Path the text; a list becomes a tuple, and a single value
    the tuple of one; a mapping is copied.

    Raises:
        UsageError: A value is not among a field's choices, or of another type.
    """
    for name, hint in typing.get_type_hints(type(options)).items():
        object.__setattr__(options, name, _fitted(getattr(options, name), hint, name))


def plain(options: Any, *, without: Sequence[str] = ()) -> dict[str, Json]:
    """Return the fields of an options dataclass as plain data, for a recipe.

    Args:
        options: A dataclass of plain values, paths, tuples and mappings.
        without: Fields left out: those that cannot change the result, and those that enter a
            recipe by the contents of what they name.
    """
    names = (item.name for item in dataclasses.fields(options))
    return {name: _plain(getattr(options, name)) for name in names if name not in without}


def _fitted(value: Any, hint: Any, name: str) -> Any:
    """Return a value as the annotation wants it."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of_several(value, inner, name)
    if origin is Literal:
        if value not in inner:
            choices = [str(item) for item in inner]
            near = difflib.get_close_matches(str(value), choices, 1)
            fix = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(choices)}"
            raise _wrong(f"{value!r} does not exist", name, fix)
        return value
    if origin is tuple and inner[-1] is Ellipsis:
        several = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(_fitted(item, inner[0], name) for item in several)
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or len(value) != len(inner):
            raise _wrong(f"{value!r} is not {len(inner)} values", name)
        return tuple(_fitted(item, one, name) for item, one in zip(value, inner, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(f"{value!r} is no mapping", name, "give a dict of names and values")
        return {str(key): _fitted(item, inner[1], name) for key, item in value.items()}
    return _simple(value, hint, name)


def _one_of_several(value: Any, hints: Sequence[Any], name: str) -> Any:
    """Return a value as the first of several annotations that takes it."""
    if value is None and type(None) in hints:
        return None
    *others, last = (hint for hint in hints if hint is not type(None))
    for hint in others:
        try:
            return _fitted(value, hint, name)
        except UsageError:
            continue
    return _fitted(value, last, name)


# annotation -> what is taken for it, how it becomes that, what it is called
_TAKEN: dict[Any, tuple[Any, Callable[[Any], Any], str]] = {
    Path: ((str, os.PathLike), Path, "path"),
    str: ((str, os.PathLike), os.fspath, "text"),
    bool: (bool, bool, "truth value"),
    int: (Integral, int, "whole number"),
    float: (Real, float, "number"),
}


def _simple(value: Any, hint: Any, name: str) -> Any:
    if hint not in _TAKEN:
        return value
    kinds, made, word = _TAKEN[hint]
    if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool):
        raise _wrong(f"{value!r} is no {word}", name)
    return made(value)


def _wrong(what: str, name: str, fix: str = "") -> UsageError:
    return UsageError(f"{name}: {what}", where=f"--{name.replace('_', '-')}", fix=fix)


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
