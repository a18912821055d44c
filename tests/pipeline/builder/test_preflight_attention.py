"""Forms of attention that the parser or the builder refuses, one sentence per broken condition."""

from __future__ import annotations

import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from pipeline.builder.preflight_attention import (
    attentions,
    check_attention,
    check_rotary,
    check_shared_operands,
)
from pipeline.builder.seen import Seen
from tests.pipeline.builder import small


def told(check, path):
    return [f.what for f in check(Seen(ir.load(path)))]


BROKEN = {
    "soft-cap": ({"softcap": 5.0}, "attention with a soft-cap"),
    "softmax in another type": ({"softmax_precision": 1}, "attention with softmax_precision"),
    "second output": ({"outputs": 4}, "past inputs or present"),
    "causal and masked": (
        {"is_causal": 1, "mask": (T.FLOAT16, (8, 8))}, "causal and masked at once"
    ),
    "sizes of heads": ({"v": (1, 2, 8, 32)}, "key head size 16 and value head size 32"),
    "grouped heads in rows": (
        {"q": (1, 8, 64), "k": (1, 8, 32), "v": (1, 8, 64), "q_num_heads": 4, "kv_num_heads": 2},
        "key head size 16 and value head size 32",
    ),
    "type of the mask": ({"mask": (T.FLOAT, (8, 8))}, "FLOAT16 with a FLOAT mask"),
}  # fmt: skip
FINE = {
    "plain": {},
    "causal": {"is_causal": 1},
    "boolean mask": {"mask": (T.BOOL, (8, 8))},
    "mask of the type": {"mask": (T.FLOAT16, (8, 8))},
    "open sizes": {"q": ("b", 2, "s", 16)},
    "soft-cap of zero": {"softcap": 0.0},
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_broken_condition_is_named(case, tmp_path):
    options, words = BROKEN[case]
    (what,) = told(check_attention, small.attention(tmp_path / "m.onnx", **options))
    assert words in what


@pytest.mark.parametrize("case", FINE)
def test_what_builds_is_let_through(case, tmp_path):
    assert told(check_attention, small.attention(tmp_path / "m.onnx", **FINE[case])) == []


def test_several_conditions_are_several_findings(tmp_path):
    path = small.attention(tmp_path / "m.onnx", softcap=3.0, mask=(T.FLOAT, (8, 8)))
    assert len(told(check_attention, path)) == 2


def test_operators_of_other_domains_are_not_ours(tmp_path):
    node = h.make_node("Attention", ["x"], ["y"], domain="com.microsoft")
    x = {"x": (T.FLOAT, (1, 8, 16))}
    path = small.save(tmp_path / "m.onnx", [node], x, {"y": T.FLOAT}, domains=["com.microsoft"])
    assert attentions(Seen(ir.load(path))) == []
    assert len(attentions(Seen(ir.load(small.attention(tmp_path / "a.onnx"))))) == 1


def test_a_rotary_cache_of_one_row(tmp_path):
    path = small.rotary(tmp_path / "m.onnx")
    assert told(check_rotary, path) == [
        "RotaryEmbedding with a cache of batch 1 on an input of batch 2"
    ]
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    assert told(check_rotary, path) == []


@pytest.mark.parametrize(("between", "level"), [("Reshape", "error"), ("Relu", "warning")])
def test_behind_another_operator_a_shared_operand_may_crash(between, level, tmp_path):
    """A layout changes nothing; what is computed in between merges into it, mostly."""
    shape = [small.weight("n", (4,))] if between == "Reshape" else []
    if shape:
        shape = [h.make_tensor("n", T.INT64, (4,), (1, 2, 8, 16))]
    inputs = ["k0", "n"] if shape else ["k0"]
    nodes = [
        h.make_node(between, inputs, ["k"]),
        *(h.make_node("Attention", [f"q{i}", "k", "v"], [f"y{i}"], name=f"a{i}") for i in (1, 2)),
    ]
    feeds = dict.fromkeys(("q1", "q2", "k0", "v"), (T.FLOAT16, (1, 2, 8, 16)))
    path = small.save(tmp_path / "m.onnx", nodes, feeds, {"y1": T.FLOAT16, "y2": T.FLOAT16}, shape)
    (found,) = check_shared_operands(Seen(ir.load(path)))
    assert (found.level, found.node) == (level, "a1")
    assert "shared with a2" in found.what
