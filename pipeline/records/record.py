"""A record: a frozen dataclass with a JSON form that is checked when it is read.

Reading is msgspec's (strict, one extension module without dependencies, names the path to a bad
value); writing is `as_json`. A field with a default is a key that may be absent: it is left out of
the JSON while it has that value. Every other key must be there, and no further one may be.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Protocol, Self, TypeAlias, TypeVar

import msgspec

from pipeline.errors import FolderError
from pipeline.notebook import Grid, Shown
from pipeline.received_json import parse_json
from pipeline.types import Json

Finite: TypeAlias = Annotated[
    float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)
]  # JSON has no infinity and no NaN
Place: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^(?!/)(?!.*(^|/)\.\.(/|$))[^\\\x00]+$")
]  # a path inside the artifact folder, with forward slashes

_T = TypeVar("_T")


class Made(Protocol):
    """An artifact, as far as a record needs to know one."""

    @property
    def folder(self) -> Path:
        """The output folder."""

    @property
    def stage(self) -> str:
        """The stage's name, with its variant."""

    @property
    def facts(self) -> Mapping[str, Json]:
        """What the manifest holds."""


@dataclass(frozen=True, kw_only=True)
class Record(Shown):
    """The root of a tree of dataclasses that a stage writes and others read.

    Class attributes:
        FORMAT: Raised when a key is added, dropped or changes its meaning.
        COMMAND: What makes it anew: a command of `pipeline`.
        EMPTY: Keys whose value None is written as an empty object.
    """

    FORMAT: ClassVar[int]
    COMMAND: ClassVar[str]
    EMPTY: ClassVar[frozenset[str]] = frozenset()

    def grids(self) -> list[Grid]:
        """Return the record as tables, for a notebook."""
        found: list[Grid] = shown().grids_of(self)
        return found

    def to_json(self) -> dict[str, Json]:
        """Return the record as plain data, its format number first.

        Raises:
            ValueError: a number is not finite, or a value has no JSON form.
        """
        told = as_json(self, self.EMPTY)
        assert isinstance(told, dict)
        return {"format": self.FORMAT, **told}

    @classmethod
    def from_json(cls, raw: object, where: str = "") -> Self:
        """Return the record that `to_json` wrote.

        Args:
            raw: Plain data, as `json.loads` gives it.
            where: What it was read from, for the error.

        Raises:
            FolderError: it has another format, lacks a key, has one too many, or a value of
                another type; numbers in quotes, NaN and infinity are other types.
        """
        told = dict(raw) if isinstance(raw, Mapping) else {}
        number = told.pop("format", 0)
        if number != cls.FORMAT or isinstance(number, bool):
            newer = isinstance(number, int) and number > cls.FORMAT
            raise FolderError(
                f"the {cls.COMMAND} record has format {number}, this version reads {cls.FORMAT}",
                where=where,
                fix=("upgrade, or " if newer else "") + cls._remedy(),
            )
        try:
            return read(cls, told, cls.EMPTY)
        except ValueError as error:
            raise FolderError(
                f"the {cls.COMMAND} record is damaged: {error}", where=where, fix=cls._remedy()
            ) from error

    @classmethod
    def of(cls, made: Made) -> Self:
        """Return the record an artifact holds.

        Raises:
            FolderError: as `from_json`.
        """
        return cls.from_json(made.facts, f"{made.folder}, {made.stage}")

    @classmethod
    def read_file(cls, path: Path) -> Self:
        """Return the record that a file holds.

        Raises:
            FolderError: as `from_json`, or the file is missing or holds no JSON.
        """
        try:
            raw: object = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FolderError(
                f"the {cls.COMMAND} record is damaged: {error}", where=str(path), fix=cls._remedy()
            ) from error
        return cls.from_json(raw, str(path))

    @classmethod
    def _remedy(cls) -> str:
        again = f"make it again with `pipeline {cls.COMMAND}`"
        return again if cls.COMMAND == "run" else f"{again}, or with `pipeline run`"


def shown() -> ModuleType:
    """Return `records.shown`, which writes records as tables.

    By a computed name, so that it is no ingredient of a stage: how a result looks in a notebook
    is no reason to make it again.
    """
    return importlib.import_module(f"{__package__}.shown")


def read(cls: type[_T], raw: object, empty: frozenset[str] = frozenset()) -> _T:
    """Return plain data as a dataclass (or another type), nothing converted but lists to tuples.

    Raises:
        ValueError: a key is missing or unknown, or a value has another type, with its path.
    """
    told = _with_none(raw, empty) if empty else raw
    found = msgspec.convert(told, cls, strict=True)
    if unknown := _unknown(told, found):
        raise ValueError(f"Object has an unknown field - at `{unknown}`")
    return found


def as_json(value: object, empty: frozenset[str] = frozenset()) -> Json:
    """Return a dataclass, or what one may hold, as plain data.

    Args:
        value: Dataclasses, mappings, sequences and scalars, to any depth.
        empty: Fields whose None is written as an empty object.

    Raises:
        ValueError: a number is not finite, or a value has no JSON form.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no JSON form")
        return float(value)
    if is_dataclass(value):
        found = {f.name: (f, getattr(value, f.name)) for f in fields(value)}
        return {
            name: {} if item is None and name in empty else as_json(item, empty)
            for name, (field, item) in found.items()
            if not _is_default(field, item)
        }
    if isinstance(value, Mapping):
        return {str(name): as_json(item, empty) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [as_json(item, empty) for item in value]
    raise ValueError(f"a {type(value).__name__} has no JSON form")


def _is_default(field: Any, value: object) -> bool:
    if field.default is not MISSING:
        return bool(field.default == value)
    return field.default_factory is not MISSING and bool(field.default_factory() == value)


def _with_none(raw: object, empty: frozenset[str]) -> object:
    """Return the data with None for the empty objects that stand for it."""
    if isinstance(raw, Mapping):
        return {
            name: None if name in empty and item == {} else _with_none(item, empty)
            for name, item in raw.items()
        }
    return [_with_none(item, empty) for item in raw] if isinstance(raw, list) else raw


def _unknown(raw: object, found: object, path: str = "$") -> str:
    """Return the path of the first key that reading skipped, empty if none was."""
    pairs: Iterable[tuple[str, object, object]] = ()
    if isinstance(raw, Mapping):
        made = found if isinstance(found, Mapping) else vars(found)
        for name in raw:
            if name not in made:
                return f"{path}.{name}"
        pairs = ((f"{path}.{name}", item, made[name]) for name, item in raw.items())
    elif isinstance(raw, (list, tuple)) and isinstance(found, (list, tuple)) and _nested(found):
        several = enumerate(zip(raw, found, strict=True))
        pairs = ((f"{path}[{place}]", item, other) for place, (item, other) in several)
    return next(filter(None, (_unknown(item, other, at) for at, item, other in pairs)), "")


def _nested(items: Sequence[object]) -> bool:
    """Return whether a sequence holds more than plain values: many thousands, in samples."""
    return bool(items) and not isinstance(items[0], (bool, int, float, str, type(None)))
