"""What a loaded model can be told is what the options of generation can."""

from __future__ import annotations

import dataclasses
import inspect
import typing

import pipeline
from pipeline import GenerateOptions


def test_how_tokens_are_chosen_is_what_the_options_say():
    """One list in two forms: the keywords have the options' names and types."""
    rest = {"folder", "texts", "runner", "threads", "huge_pages", "precision"}
    options = {k: v for k, v in typing.get_type_hints(GenerateOptions).items() if k not in rest}
    assert typing.get_type_hints(pipeline.Choosing) == options
    assert {f.name for f in dataclasses.fields(GenerateOptions)} == options.keys() | rest
    told = inspect.getdoc(pipeline.Choosing)  # Python 3.13 takes the indentation away itself
    assert all(f"    {name}: " in told for name in options)
