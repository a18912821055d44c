"""The options of `pipeline run`: those of all stages under one roof, shown stage by stage."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pipeline.cli.commands import build_engine, export, optimize, parity, perf, report
from pipeline.errors import UsageError
from pipeline.run.config import read_config
from pipeline.run.options import RunOptions
from pipeline.run.stages import STAGES, options_class

_OPTIONS = {
    "export": export.OPTIONS,
    "optimize": optimize.OPTIONS,
    "build-engine": build_engine.OPTIONS,
    "parity": parity.OPTIONS,
    "perf": perf.OPTIONS,
    "report": report.OPTIONS,
}
# What a run decides itself, by stage.
_DECIDED = {
    "optimize": {"output", "target"},
    "parity": {"output", "model"},
    "perf": {"output"},
    "report": {"output"},
}


def run_options() -> dict[str, list[click.Option]]:
    """Return each stage's options; one that two stages share stands with the first of them.

    A name that means different things in two stages keeps the first one's flag; the other is
    reached through a configuration file, whose sections keep them apart.
    """
    taken: set[str] = set()
    found: dict[str, list[click.Option]] = {}
    for stage in STAGES:
        decided = _DECIDED.get(stage, set())
        mine = [o for o in _OPTIONS[stage] if o.name not in taken | decided]
        taken |= {str(option.name) for option in mine}
        found[stage] = mine
    return found


class StagedCommand(click.Command):
    """A command whose help lists its options stage by stage."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options first, then each stage's."""
        staged = {id(option): stage for stage, mine in GROUPS.items() for option in mine}
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(staged.get(id(param), "Options"), []).append(record)
        for title in ("Options", *STAGES):
            if title in sections:
                with formatter.section(title if title == "Options" else f"Stage {title}"):
                    formatter.write_dl(sections[title])


GROUPS = run_options()


def settle(ctx: click.Context, config: Path | None, given: Mapping[str, Any]) -> RunOptions:
    """Return the run's options: what was typed, over the file, over the defaults.

    Raises:
        UsageError: a name or value does not exist, or model or output are not given.
    """
    content = read_config(config) if config is not None else {}
    stages = {
        name: _cast(ctx, _OPTIONS[name], content.pop(name)) for name in STAGES if name in content
    }
    typed = {
        name: value
        for name, value in given.items()
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    for stage, values in spread(typed).items():
        stages.setdefault(stage, {}).update(values)
    own = {item.name for item in dataclasses.fields(RunOptions)} - {"stages"}
    mine = [o for o in ctx.command.params if isinstance(o, click.Option) and o.name in own]
    general = _cast(ctx, mine, content)
    general |= {name: value for name, value in typed.items() if name in own}
    for name in general.keys() - own:
        near = difflib.get_close_matches(name, [*own, *STAGES], 1)
        fix = f"did you mean {near[0]}?" if near else f"sections: {', '.join(STAGES)}"
        raise UsageError(f"{name!r} is no option of a run", where=str(config), fix=fix)
    for name, flag in (("model", "MODEL"), ("output", "-o")):
        if not general.get(name):
            raise UsageError(f"{flag} is missing", fix="pipeline run zh-en -o out")
    general["output"] = Path(general["output"])
    return RunOptions(**general, stages=stages)


def _cast(
    ctx: click.Context, options: Sequence[click.Option], section: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a section of a file with its values as the command line would have given them.

    A name may be spelled as any of the option's flags.

    Raises:
        UsageError: An option is given under two spellings.
    """
    known = {spelling: option for option in options for spelling in _spellings(option)}
    found: dict[str, Any] = {}
    for name, value in section.items():
        option = known.get(name)
        field = name if option is None else str(option.name)
        if field in found:
            raise UsageError(f"{name!r} and another spelling of it are given", fix="keep one")
        if option is None or value is None:
            found[field] = value
        else:
            found[field] = option.process_value(ctx, [value] if option.multiple else value)
    return found


def _spellings(option: click.Option) -> set[str]:
    """Return the names of an option in a file, where `-` and `_` are the same."""
    return {str(option.name), *(f.lstrip("-").replace("-", "_") for f in option.opts)}


def spread(typed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what was typed, stage by stage; a name goes to every stage that has it."""
    found: dict[str, dict[str, Any]] = {}
    for stage in STAGES:
        names = {item.name for item in dataclasses.fields(options_class(stage))}
        names -= _DECIDED.get(stage, set()) | _DIFFERENT.get(stage, set()) | {"model", "output"}
        mine = {name: value for name, value in typed.items() if name in names}
        if mine:
            found[stage] = mine
    return found


# Fields whose flag belongs to another stage and means something else there.
_DIFFERENT: dict[str, set[str]] = {"parity": {"dims"}, "perf": {"dims"}}
