"""Element types against compute capabilities, one finding per type."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder.preflight_types import check_types
from pipeline.builder.seen import Seen
from tests.pipeline.builder import small


def found(path, *targets):
    rows = list(check_types(Seen(ir.load(path)), targets))
    assert all(row.level == "error" for row in rows)
    return [(row.node, row.what, row.fix) for row in rows]


def cast(path, to):
    nodes = [
        h.make_node("Cast", ["x"], ["a"], name="first", to=to),
        h.make_node("Cast", ["x"], ["b"], name="second", to=to),
    ]
    return small.save(path, nodes, {"x": (T.FLOAT16, (4,))}, {"a": to, "b": to})


@pytest.mark.parametrize(
    ("kind", "words"),
    [(T.UINT4, "UINT4"), (T.FLOAT8E5M2, "FP8 E5M2"), (T.STRING, "text"), (T.COMPLEX64, "complex")],
    ids=["uint4", "e5m2", "text", "complex"],
)
def test_what_no_target_has_is_told_once_at_the_first_node(kind, words, tmp_path):
    ((node, what, fix),) = found(cast(tmp_path / "m.onnx", kind), "12.0")
    assert (node, fix) == ("first", "")
    assert what.startswith(f"the parser has no type for {words}")


@pytest.mark.parametrize(
    ("kind", "since", "before"),
    [(T.BFLOAT16, "8.0", "7.5"), (T.INT4, "8.0", "7.5"), (T.FLOAT8E4M3FN, "8.9", "8.6"),
     (T.FLOAT4E2M1, "12.0", "10.0")],
    ids=["bf16", "int4", "e4m3", "fp4"],
)  # fmt: skip
def test_what_came_later_is_refused_for_the_targets_before_it(kind, since, before, tmp_path):
    path = cast(tmp_path / "m.onnx", kind)
    assert found(path, since, "12.0") == []
    ((node, what, fix),) = found(path, before, "12.0")
    assert node == "first"
    assert what.startswith(f"{before} cannot run")
    assert "--computeCapabilities" in fix


def test_turing_has_no_float32_products(tmp_path):
    path = small.matmul(tmp_path / "m.onnx", "fp32")
    assert found(path, "8.0") == []
    assert [(node, what) for node, what, _ in found(path, "7.5", "8.0")] == [
        ("mm", "7.5 cannot run float32 matrix products")
    ]
    assert found(small.matmul(tmp_path / "h.onnx", "fp16"), "7.5") == []


def test_inputs_and_weights_count_too(tmp_path):
    node = h.make_node("Identity", ["x"], ["y"], name="id")
    path = small.save(tmp_path / "m.onnx", [node], {"x": (T.BFLOAT16, (4,))}, {"y": T.BFLOAT16})
    assert [(n, w) for n, w, _ in found(path, "7.5")] == [("x", "7.5 cannot run bfloat16")]
