"""Command-line options read off the options dataclasses, so that each is written down once.

A field's name gives the flag, its annotation the type, its default the default, and the
dataclass's `Attributes:` the help. A command only says where it differs; a flag of another name
never replaces the field's own.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from pipeline.cli.values import CommaList, Pairs, ParamType, Whole, joined

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Flag:
    """Where a field's command-line option differs from what the dataclass says.

    Attributes:
        names: Further spellings, shown before the one derived from the field.
        help: Text; empty takes it from the dataclass's docstring.
        type: A click type of one value, of which a field may hold several or named ones; None
            derives it from the annotation.
        split: False if a repeated option's values hold commas of their own.
        once: Whether a second value is refused, not taken for the first: another command takes
            several under the same name.
        on_off: The field's values for `--flag` and `--no-flag`, of a choice that has a third.
    """

    names: tuple[str, ...] = ()
    help: str = ""
    type: ParamType | None = None
    split: bool = True
    once: bool = False
    on_off: tuple[str, str] | None = None


def options_of(
    cls: type[Any], *, skip: Sequence[str] = (), flags: Mapping[str, Flag] | None = None
) -> list[click.Option]:
    """Return one click option for each field of an options dataclass, in order.

    Args:
        cls: A frozen dataclass whose docstring has an `Attributes:` section.
        skip: Fields that are arguments or that the command fills in itself.
        flags: What differs from the dataclass, by field.
    """
    hints = typing.get_type_hints(cls)
    told = attributes_of(cls)
    return [
        _option(field, hints[field.name], told.get(field.name, ""), (flags or {}).get(field.name))
        for field in dataclasses.fields(cls)
        if field.name not in skip
    ]


def with_options(options: Sequence[click.Option]) -> Callable[[Function], Function]:
    """Return a decorator that gives a command these options."""

    def decorate(function: Function) -> Function:
        existing = getattr(function, "__click_params__", [])
        function.__click_params__ = [*existing, *reversed(options)]  # type: ignore[attr-defined]
        return function

    return decorate


def output_option(text: str) -> Callable[[Function], Function]:
    """Return a decorator that adds the required -o."""
    kind = click.Path(path_type=Path)
    return click.option("-o", "--output", required=True, type=kind, help=text)


def common(function: Function) -> Function:
    """Add the options every command has: --json, -v."""
    for decorate in (
        click.option("-v", "--verbose", count=True, help="Say what was reused and why; -vv: all."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    ):
        function = decorate(function)
    return function


def attributes_of(cls: type[Any]) -> dict[str, str]:
    """Return the text of each entry in a class docstring's `Attributes:` section."""
    lines = (cls.__doc__ or "").expandtabs().splitlines()
    found: dict[str, str] = {}
    name = ""
    inside = False
    for line in lines:
        if line.strip() == "Attributes:":
            inside = True
            continue
        if not inside:
            continue
        start = re.match(r"( {4}| {8})(\w+): (.*)", line)
        if start:
            name = start[2]
            found[name] = start[3].strip()
        elif not line.strip():
            name = ""
        elif name:
            found[name] += " " + line.strip()
    return found


def _option(field: dataclasses.Field[Any], hint: Any, told: str, flag: Flag | None) -> click.Option:
    """Return the option of one field."""
    flag = flag or Flag()
    own = f"--{field.name.replace('_', '-')}"
    names = flag.names if own in flag.names else (*flag.names, own)
    text = flag.help or re.sub(r"\bNone\b", "left out:", told).replace(": takes", ", it takes")
    default = _default(field)
    if hint is bool and flag.type is None:
        spelled = names[0] if not default else f"{names[0]}/--no-{names[0].removeprefix('--')}"
        flags = [spelled, *names[1:], field.name]
        return click.Option(flags, is_flag=True, default=default, help=text, show_default=default)
    if flag.on_off is not None:
        switch = f"{own}/--no-{own.removeprefix('--')}"
        return click.Option(
            [switch, field.name], default=None, help=text, callback=_chosen(flag.on_off, default)
        )
    kind, several = _click_type(hint, flag)
    if flag.once:
        kind, several = Whole(kind), True
    return click.Option(
        [*names, field.name],
        type=kind,
        multiple=several,
        callback=only(default) if flag.once else merge_into(default) if several else None,
        default=_click_default(default, several),
        show_default=_shown(default),
        required=default is dataclasses.MISSING,
        help=text,
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _click_default(default: Any, several: bool) -> Any:
    if several:
        return (default,) if default else ()
    return None if default is dataclasses.MISSING else default


def _shown(default: Any) -> bool | str:
    if default is dataclasses.MISSING or default is None or default in ((), {}):
        return False
    if isinstance(default, Mapping):
        return ",".join(f"{name}={value}" for name, value in default.items())
    if isinstance(default, (tuple, list)):
        return ",".join(str(item) for item in default)
    return True


def _click_type(hint: Any, flag: Flag) -> tuple[ParamType, bool]:
    """Return the click type of an annotation and whether the option may be repeated."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in inner:
        return _click_type(next(item for item in inner if item is not type(None)), flag)
    if origin is tuple:
        item = flag.type or _single_type(inner[0])
        return (CommaList(item) if flag.split else Whole(item)), True
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        return Pairs(flag.type or _single_type(inner[1])), True
    return flag.type or _single_type(hint), False


def _single_type(hint: Any) -> ParamType:
    """Return the click type of one value."""
    if typing.get_origin(hint) is Literal:
        return click.Choice([str(item) for item in typing.get_args(hint)])
    if hint is Path:
        return click.Path(path_type=Path)
    simple: dict[Any, ParamType] = {int: click.INT, float: click.FLOAT, str: click.STRING}
    assert hint in simple, f"no command-line type for {hint!r}"
    return simple[hint]


def merge_into(default: Any) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that joins a repeated option's values, or gives the field's default."""

    def merge(ctx: click.Context, param: click.Parameter, values: tuple[Any, ...]) -> Any:
        if not values:
            return default
        if isinstance(values[0], Mapping):
            return joined(values, param, ctx)
        return tuple(item for value in values for item in value)

    return merge


def _chosen(
    words: tuple[str, str], default: Any
) -> Callable[[click.Context, click.Parameter, bool | None], Any]:
    """Return a callback that gives the word for on or off, or the field's default."""

    def choose(ctx: click.Context, param: click.Parameter, value: bool | None) -> Any:
        return default if value is None else words[0] if value else words[1]

    return choose


def only(default: Any) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback that gives an option's one value, or the field's default."""

    def single(ctx: click.Context, param: click.Parameter, values: tuple[Any, ...]) -> Any:
        given = list(dict.fromkeys(item for value in values for item in value))
        if len(given) > 1:
            told = f"one value, not {len(given)} ({', '.join(map(str, given))})"
            raise click.BadParameter(f"{told}: give the command once for each", ctx, param)
        return given[0] if given else default

    return single
