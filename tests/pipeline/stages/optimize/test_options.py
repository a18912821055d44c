"""Optimize options refuse what does not exist."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.stages.optimize.options import OptimizeOptions, parse_gate


@pytest.mark.parametrize(
    "changes",
    [{"target": "tpu"}, {"precision": "fp12"}, {"proof": "some"}, {"require": ("heads=3",)}],
    ids=["target", "precision", "proof", "gate"],
)
def test_unknown_values_name_the_choices(changes):
    with pytest.raises(UsageError) as caught:
        OptimizeOptions(model=Path("m.onnx"), **changes)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "expected"), [("attention=12", ("attention", 12)), ("norm=all", ("norm", None))]
)
def test_gates_are_numbers_or_all(text, expected):
    assert parse_gate(text) == expected


def test_the_variant_names_target_and_precision():
    assert OptimizeOptions(model=Path("m"), target="tensorrt", precision="fp16").variant == (
        "tensorrt-fp16"
    )
    assert OptimizeOptions(model=Path("m")).variant == "ort-cpu-fp32"
