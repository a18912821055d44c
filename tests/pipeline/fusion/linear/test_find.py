"""Linear sites: every spelling with its roles, and what is none."""

import numpy as np
import pytest

from pipeline.fusion.linear.find import TABLE_BYTES, find_linears, find_tables
from pipeline.fusion.refusal import Refusal
from pipeline.graph.inference.facts import Facts
from tests.pipeline.fusion.linear.linear_graphs import mlp, with_weights


def found(model, find=find_linears):
    return list(find(model.graph, Facts(model)))


def test_products_with_their_bias_layout_and_place():
    up, down, head = found(mlp())
    assert (up.form, down.form, head.form) == ("64 -> 128 + bias", "128 -> 64", "head, 64 -> 96")
    assert (up.by_rows, down.by_rows) == (False, True)
    assert up.matrix().shape == (128, 64)
    assert down.matrix().shape == (64, 128)
    assert up.outputs[0].name == "c"


@pytest.mark.parametrize("turned", [0, 1])
def test_a_gemm_is_a_product_in_either_layout(turned):
    shape = (48, 32) if turned else (32, 48)
    size = f"{shape[0]},{shape[1]}"
    model = with_weights(
        f"(float[B,32] x, float[{size}] w, float[48] b) => (float[B,48] y)"
        f" {{ y = Gemm<transB={turned}>(x, w, b) }}",
        w=shape, b=(48,),
    )  # fmt: skip
    (site,) = found(model)
    assert (site.inner, site.columns, site.bias.name) == (32, 48, "b")
    assert site.matrix().shape == (48, 32)


def test_a_result_that_is_also_read_inside_is_no_head():
    model = with_weights(
        "(float[B,32] x, float[32,48] w) => (float[B,48] y, float[B,48] z)"
        " { y = MatMul(x, w) z = Softmax(y) }",
        w=(32, 48),
    )
    (site,) = found(model)
    assert not site.head


def test_a_sum_that_others_read_keeps_its_bias_outside():
    model = with_weights(
        "(float[B,32] x, float[32,48] w, float[48] b) => (float[B,48] y, float[B,48] z)"
        " { y = MatMul(x, w) z = Add(y, b) }",
        w=(32, 48), b=(48,),
    )  # fmt: skip
    (site,) = found(model)
    assert site.bias is None


def test_products_of_computed_values_are_none():
    text = "(float[B,32,32] x) => (float[B,32,32] y) { y = MatMul(x, x) }"
    assert found(with_weights(text)) == []


def test_a_gemm_that_scales_is_refused_with_its_reason():
    model = with_weights(
        "(float[B,32] x, float[32,48] w) => (float[B,48] y) { y = Gemm<alpha=2.0>(x, w) }",
        w=(32, 48),
    )
    (refusal,) = found(model)
    assert isinstance(refusal, Refusal)
    assert "scales or transposes" in refusal.reason


def test_halves_are_refused_with_their_type():
    model = with_weights(
        "(float16[B,32] x, float[32,48] w) => (float16[B,48] y)"
        " { h = Cast<to=10>(w) y = MatMul(x, h) }",
        w=(32, 48),
    )
    value = model.graph.initializers["w"]
    value.const_value = type(value.const_value)(value.const_value.numpy().astype(np.float16))
    value.dtype = value.const_value.dtype
    node = next(n for n in model.graph if n.op_type == "MatMul")
    node.replace_input_with(1, value)
    (refusal,) = found(model)
    assert "FLOAT16" in refusal.reason


def test_tables_are_found_and_small_ones_left():
    rows = TABLE_BYTES // 4 // 64
    model = with_weights(
        f"(int64[B,S] i, float[{rows},64] t, float[8,64] s) => (float[B,S,64] y)"
        " { a = Gather(t, i) b = Gather(s, i) y = Add(a, b) }",
        t=(rows, 64), s=(8, 64),
    )  # fmt: skip
    large, small = found(model, find_tables)
    assert large.form == f"table of {rows} x 64"
    assert small.plain
    assert "2048 bytes" in small.reason
