"""What a loaded model can be told is what the options of generation can."""

from __future__ import annotations

import dataclasses
import typing

from pipeline import Choosing, GenerateOptions, TextOptions


def test_every_option_of_generation_can_be_said():
    own = {field.name for field in dataclasses.fields(GenerateOptions)}
    shared = {field.name for field in dataclasses.fields(TextOptions)}
    assert typing.get_type_hints(Choosing).keys() == own - shared - {"huge_pages"}
