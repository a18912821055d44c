"""Which graphs a path stands for."""

from __future__ import annotations

import pytest

from pipeline.errors import FolderError, UsageError
from pipeline.records.tensors import SizeRange
from pipeline.stages.build_engine.source import EngineSource, GraphToBuild, find_source
from tests.pipeline.builder import small
from tests.pipeline.stages.build_engine.test_stage import optimized

DIMS = {"batch": {"min": 2, "opt": 3, "max": 5}}


def test_a_file_is_one_part_of_no_artifact(tmp_path):
    path = small.matmul(tmp_path / "m.onnx")
    assert find_source(path, None) == EngineSource("", (GraphToBuild("model", path),))


def test_nothing_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        find_source(tmp_path / "m.onnx", None)


def test_a_folder_gives_its_parts_with_their_ranges(tmp_path):
    optimized(tmp_path, "tensorrt-fp16", dims=DIMS)
    found = find_source(tmp_path, None)
    assert (found.variant, [part.name for part in found.parts]) == (
        "tensorrt-fp16",
        ["encoder", "decoder"],
    )
    assert found.parts[0].file == tmp_path / "onnx/encoder.tensorrt-fp16.onnx"
    assert found.parts[0].ranges == {"batch": SizeRange(2, 3, 5)}
    assert found.parent is not None
    assert found.parent.stage == "optimize.tensorrt-fp16"


@pytest.mark.parametrize(
    ("variants", "precision", "chosen"),
    [
        (("tensorrt-fp16", "tensorrt-fp32"), None, "tensorrt-fp32"),
        (("tensorrt-fp16", "tensorrt-fp32"), "fp16", "tensorrt-fp16"),
        (("tensorrt-bf16", "ort-cpu-fp32"), None, "tensorrt-bf16"),
        (("tensorrt-rtx-fp16", "ort-cpu-fp32"), "fp16", "tensorrt-rtx-fp16"),
    ],
    ids=["fp32 first", "as asked", "the only one", "rtx"],
)
def test_the_variant_is_chosen_among_those_for_engines(variants, precision, chosen, tmp_path):
    optimized(tmp_path, *variants)
    assert find_source(tmp_path, precision).variant == chosen


@pytest.mark.parametrize(
    ("variants", "precision", "words"),
    [
        (("ort-cpu-fp32",), None, "no graph here was optimized for TensorRT"),
        (("tensorrt-fp32",), "bf16", r"0 variants fit --precision bf16: tensorrt-fp32"),
        (("tensorrt-fp16", "tensorrt-bf16"), None, r"2 variants fit --precision \(none\)"),
        (("tensorrt-fp16", "tensorrt-rtx-fp16"), "fp16", "2 variants fit --precision fp16"),
    ],
    ids=["none", "another precision", "no fp32", "two backends"],
)
def test_where_none_or_several_fit_it_says_so(variants, precision, words, tmp_path):
    optimized(tmp_path, *variants)
    with pytest.raises(FolderError, match=words) as caught:
        find_source(tmp_path, precision)
    assert caught.value.fix
