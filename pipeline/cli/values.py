"""How values are written on a command line and in a configuration file.

Each type takes text as it is typed, and the plain values of a TOML or YAML file: lists for several
values, tables for named ones.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from typing import Any

import click

if typing.TYPE_CHECKING:
    ParamType = click.ParamType[Any, Any]
else:
    ParamType = click.ParamType  # generic since click 8.4 only

_UNITS = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "KIB": 1 << 10, "MIB": 1 << 20,
          "GIB": 1 << 30}  # fmt: skip


class CommaList(ParamType):
    """Values separated by commas, each of one type."""

    def __init__(self, item: ParamType) -> None:
        self._item = item
        self.name = f"{item.name},..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the values as a tuple."""
        if isinstance(value, (list, tuple)):
            return tuple(self._item.convert(item, param, ctx) for item in value)
        words = [word.strip() for word in str(value).split(",")]
        return tuple(self._item.convert(word, param, ctx) for word in words if word)


class Whole(ParamType):
    """One value, commas included, as a tuple of one: for options that are repeated instead."""

    def __init__(self, item: ParamType) -> None:
        self._item = item
        self.name = item.name

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Return how one value is written."""
        return self._item.get_metavar(param, ctx)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the value in a tuple; a file's list gives them all."""
        several = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(self._item.convert(item, param, ctx) for item in several)


class Pairs(ParamType):
    """`name=value` pairs separated by commas, as a mapping."""

    def __init__(self, item: ParamType) -> None:
        self._item = item
        self.name = f"name={item.name}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Return the mapping; a file may hold a table, or a list of texts."""
        if isinstance(value, Mapping):
            return {str(k): self._item.convert(v, param, ctx) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return joined([self.convert(item, param, ctx) for item in value], param, ctx)
        found = []
        for word in str(value).split(","):
            name, sign, text = word.partition("=")
            if not sign or not name.strip():
                such_as = getattr(self._item, "example", "name=4")
                self.fail(f"{word!r} is no pair such as {such_as}", param, ctx)
            found.append({name.strip(): self._item.convert(text.strip(), param, ctx)})
        return joined(found, param, ctx)


class Shapes(ParamType):
    """The shapes of inputs in trtexec's spelling, as a mapping: `ids:1x8,mask:1x8`."""

    name = "name:1x8,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, tuple[int, ...]]:
        """Return shapes by input; a file's table gives each as `1x8` or as a list."""
        if isinstance(value, Mapping):
            return {str(name): self._shape(dims, param, ctx) for name, dims in value.items()}
        found = []
        for word in filter(None, (w.strip() for w in str(value).split(","))):
            name, colon, dims = word.rpartition(":")
            if not colon or not name.strip("'\""):
                self.fail(f"{word!r} is no input shape: write NAME:1x128,OTHER:1x128", param, ctx)
            found.append({name.strip("'\""): self._shape(dims, param, ctx)})
        return joined(found, param, ctx)

    def _shape(
        self, dims: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        sizes = dims if isinstance(dims, (list, tuple)) else str(dims).lower().split("x")
        try:
            return tuple(int(size) for size in sizes if size != "")
        except (TypeError, ValueError):
            self.fail(f"{dims!r} is no shape: write 1x128", param, ctx)


class Range(ParamType):
    """The range of a size: `1:8:16`, its two ends `1:16`, or one value."""

    name, example = "min:opt:max", "batch=1:8:16"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | tuple[int, ...]:
        """Return one number, or two or three of them."""
        words = value if isinstance(value, (list, tuple)) else str(value).split(":")
        try:
            numbers = tuple(int(word) for word in words)
        except (TypeError, ValueError):
            numbers = ()
        if not 1 <= len(numbers) <= 3:
            self.fail(f"{value!r} is no range: write NAME=MIN:OPT:MAX", param, ctx)
        return numbers[0] if len(numbers) == 1 else numbers


class Gate(ParamType):
    """How many sites must be fused: a number, or `all`."""

    name, example = "number|all", "attention=12"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number or `all`."""
        text = str(value)
        if text != "all" and not text.isdigit():
            self.fail(f"{text!r}: write attention=12 or attention=all", param, ctx)
        return text if text == "all" else int(text)


class MemoryPool(ParamType):
    """trtexec's `workspace:4096` (MiB) or `workspace:2G`, or a size such as `2GiB`; as bytes."""

    name = "workspace:mib"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes; a number without unit is bytes too, after `workspace:` MiB."""
        match = re.fullmatch(r"(workspace:)?(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(value).strip())
        if not match or match[3].upper() not in _UNITS:
            self.fail(f"{value!r}: write workspace:4096 (MiB) or workspace:2G", param, ctx)
        unit = match[3].upper() or ("MIB" if match[1] else "")
        return int(float(match[2]) * _UNITS[unit])


def joined(
    found: typing.Sequence[Mapping[str, Any]],
    param: click.Parameter | None = None,
    ctx: click.Context | None = None,
) -> dict[str, Any]:
    """Return the mappings as one.

    Raises:
        click.BadParameter: Two of them give a name different values.
    """
    whole: dict[str, Any] = {}
    for one in found:
        for name, value in one.items():
            if whole.setdefault(name, value) != value:
                told = f"{name!r} is given twice: {whole[name]} and {value}"
                raise click.BadParameter(told, ctx, param)
    return whole
