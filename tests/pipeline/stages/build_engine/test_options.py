from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.build_engine.options import BuildEngineOptions

HERE = {"model": Path("m.onnx"), "output": Path("out")}


def test_fields_have_python_types():
    made = BuildEngineOptions(
        "m.onnx",
        "out",
        compute_capabilities=["sm120", "8.0", "sm80"],
        max_shapes={"ids": [8, 64]},
        dims={"batch": 4, "seq": (1, 16), "past": (0, 7, 9)},
    )
    assert (made.model, made.output) == (Path("m.onnx"), Path("out"))
    assert made.compute_capabilities == ("8.0", "12.0")
    assert made.max_shapes == ({"ids": (8, 64)},)
    assert made.ranges() == {
        "batch": SizeRange(4, 4, 4), "seq": SizeRange(1, 16, 16), "past": SizeRange(0, 7, 9),
    }  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [
        {"backend": "cuda"},
        {"profiling_verbosity": "loud"},
        {"precision": "fp12"},
        {"builder_optimization_level": 6},
        {"timeout_s": 0},
        {"profile_count": 0},
        {"workspace_bytes": 4096},
        {"compute_capabilities": ()},
        {"compute_capabilities": "8.0,8.9"},
        {"opt_shapes": ("x:1",)},
        {"min_shapes": {"x": (1, -1)}},
        {"dims": ("batch=1:2:3",)},
        {"dims": {"batch": (3, 2, 1)}},
        {"dims": {"batch": (1, 2, 3, 4)}},
        {"profile_from": Path("x"), "opt_shapes": {"x": (1,)}},
    ],
    ids=str,
)
def test_values_out_of_range(bad):
    with pytest.raises(UsageError):
        BuildEngineOptions(**HERE, **bad)
