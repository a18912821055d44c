"""Every command is a function with typed options in and a typed result out; one name per thing."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from pathlib import Path

import click
import pytest

from pipeline import api, errors
from pipeline.cli.app import COMMANDS, group
from pipeline.types import Progress

# command -> (its function, its options class); `doctor` has no options
FUNCTIONS = {
    "doctor": ("examine", None),
    "run": ("run_pipeline", "RunOptions"),
    "export": ("export_model", "ExportOptions"),
    "optimize": ("optimize_model", "OptimizeOptions"),
    "explain": ("explain_model", "ExplainOptions"),
    "build-engine": ("build_engines", "BuildEngineOptions"),
    "parity": ("compare_parity", "ParityOptions"),
    "perf": ("measure_perf", "PerfOptions"),
    "report": ("write_report", "ReportOptions"),
    "pack": ("pack_folder", "PackOptions"),
    "package": ("package_folder", "PackageOptions"),
    "translate": ("translate_texts", "GenerateOptions"),
    "generate": ("generate_texts", "GenerateOptions"),
    "classify": ("classify_texts", "ClassifyOptions"),
    "embed": ("embed_texts", "EmbedOptions"),
    "rerank": ("rerank_texts", "RerankOptions"),
    "fill-mask": ("fill_masks", "TextOptions"),
    "serve": ("serve_models", "ServeOptions"),
}
CLASSES = sorted({name for _, name in FUNCTIONS.values() if name})

# Spellings a field has besides its own, which the command line keeps.
SHORT = {"-o", "-t"}
# Fields that are a command's words without a flag, or that a run puts together itself.
WORDS = {"model", "models", "folder", "folders", "texts", "reference", "candidates", "stages",
         "query"}  # fmt: skip


def fields_of(name):
    return {item.name: item.type for item in dataclasses.fields(getattr(api, name))}


def test_no_command_is_forgotten():
    assert FUNCTIONS.keys() == COMMANDS.keys()
    named = {name for pair in FUNCTIONS.values() for name in pair if name}
    assert named <= set(api.__all__)


def test_every_error_a_caller_may_catch_is_there():
    ours = {e.__name__ for e in vars(errors).values()
            if isinstance(e, type) and issubclass(e, errors.PipelineError)}  # fmt: skip
    assert ours <= set(api.__all__)


@pytest.mark.parametrize(("function", "options"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_options_go_in_and_a_typed_result_comes_out(function, options):
    hints = typing.get_type_hints(getattr(api, function))
    first = next(iter(inspect.signature(getattr(api, function)).parameters))
    assert hints["progress"] is Progress
    assert hints[first] is (getattr(api, options) if options else Progress)
    assert hints["return"] not in (typing.Any, dict, None)


@pytest.mark.parametrize("name", CLASSES)
def test_options_are_frozen_and_take_paths_as_text(name):
    cls = getattr(api, name)
    assert cls.__dataclass_params__.frozen
    given = dict.fromkeys(WORDS & fields_of(name).keys() - {"stages"}, "text")
    given |= {"output": "out.tar"} if "output" in fields_of(name) else {}
    given |= {"formats": "optimum"} if "formats" in fields_of(name) else {}
    made = cls(**given)
    hints = typing.get_type_hints(cls)
    for field in given:
        wanted = {Path: Path("text"), str: "text"}.get(hints[field])
        if wanted is not None and field != "output":
            assert getattr(made, field) == wanted


@pytest.mark.parametrize("command", FUNCTIONS)
def test_each_field_is_a_flag_of_its_own_name(command):
    """`--max-new-tokens` is max_new_tokens; further spellings are allowed beside it."""
    options = FUNCTIONS[command][1]
    params = group.get_command(click.Context(group), command).params
    flags = {flag for param in params for flag in (*param.opts, *param.secondary_opts)}
    unsaid = {"chat", "system", "history", "huge_pages"} if command == "translate" else set()
    for field in fields_of(options).keys() - WORDS - unsaid if options else ():
        assert f"--{field.replace('_', '-')}" in flags, field


def test_a_name_means_one_thing_everywhere():
    kinds = {}
    for name in CLASSES:
        for field, kind in fields_of(name).items():
            kinds.setdefault(field, set()).add(str(kind).removesuffix(" | None"))
    different = {field: kinds for field, kinds in kinds.items() if len(kinds) > 1}
    # A model is a file or a folder, or for export and run a name: text then. A pinned size is a
    # number where a range is meant for an engine.
    assert different.keys() == {"model", "dims"}


def test_the_command_line_calls_nothing_below_the_front_door():
    """Its commands import their function and options from pipeline.api alone."""
    folder = Path(inspect.getfile(api)).parents[1] / "cli" / "commands"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("pipeline."):
                allowed = ("pipeline.api", "pipeline.cli", "pipeline.types")
                assert str(node.module).startswith(allowed), f"{path.name}: {node.module}"
