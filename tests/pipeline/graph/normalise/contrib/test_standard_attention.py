"""Rich forms of the standard Attention written out give the same numbers; plain ones stay."""

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.graph.normalise import normalise
from pipeline.judge import Judge
from tests.pipeline.graph.normalise.contrib.written_out import feeds, text
from tests.pipeline.text_graphs import model_of

FLAT = "float[B,S,8] q, float[B,T,8] k, float[B,T,8] v"
SHARED = "float[B,4,S,4] q, float[B,2,S,4] k, float[B,2,S,4] v"
PAST = "float[B,2,P,4] pk, float[B,2,P,4] pv"
TWO = "q_num_heads=2, kv_num_heads=2"
Y4 = "float[B,4,S,4] y"
GROWN = f"{Y4}, float[B,2,U,4] a, float[B,2,U,4] b"

SIZES = [{"S": 3, "T": 5, "P": 4, "U": 7}, {"S": 1, "T": 2, "P": 2, "U": 3}]
CASES = {
    "soft-cap": text(f"{FLAT}, float[B,1,S,T] m", f"y = Attention<{TWO}, softcap=2.0>(q, k, v, m)"),
    "past and present, shared heads": text(
        f"{SHARED}, {PAST}", "y, a, b = Attention(q, k, v, , pk, pv)", GROWN),
    "past, causal and a mask": text(
        f"{SHARED}, {PAST}, float[1,1,S,U] m", """
        y, a, b = Attention<is_causal=1, scale=0.4>(q, k, v, m, pk, pv)""", GROWN),
    "causal and a boolean mask": text(
        f"{FLAT}, bool[S,T] m", f"y = Attention<{TWO}, is_causal=1>(q, k, v, m)"),
    "present without past": text(
        SHARED, "y, a, b = Attention(q, k, v)", f"{Y4}, float[B,2,S,4] a, float[B,2,S,4] b"),
    **{
        f"scores of stage {stage}": text(
            f"{FLAT}, float[S,T] m",
            f"""y, a, b, c = Attention<{TWO}, softcap=3.0, qk_matmul_output_mode={stage}>
            (q, k, v, m)""",
            "float[B,S,8] y, float[B,2,S,T] c")
        for stage in range(4)
    },
    "lengths": text(f"{FLAT}, int64[B] long", f"y = Attention<{TWO}>(q, k, v, , , , long)"),
    "lengths and causal": text(
        f"{FLAT}, int64[B] long", f"y = Attention<{TWO}, is_causal=1>(q, k, v, , , , long)"),
}  # fmt: skip
PLAIN = {
    "no mask": text(FLAT, f"y = Attention<{TWO}>(q, k, v)"),
    "a mask": text(f"{FLAT}, float[B,1,S,T] m", f"y = Attention<{TWO}>(q, k, v, m)"),
    "causal": text(SHARED, "y = Attention<is_causal=1>(q, k, v)", Y4),
}


def outputs(model, fed):
    return [value.numpy() for value in Judge(model, "float64").run(fed).values()]


def assert_written_out_alike(model, sizes):
    fed = feeds(model, {"B": 2, **sizes})
    for name, array in fed.items():
        if name == "m" and array.dtype == bool:
            array[...] = np.arange(array.shape[-1]) != 1
            array[0] = False  # a row that sees nothing
    expected = outputs(model, fed)
    normalise(model, 24, frozenset())
    assert "Attention" not in {node.op_type for node in model.graph}
    for got, wanted in zip(outputs(model, fed), expected, strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)  # float64 on both sides


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    "sizes", [{"S": 3, "T": 5, "P": 4, "U": 7}, {"S": 1, "T": 2, "P": 2, "U": 3}]
)
def test_the_written_form_gives_the_same_numbers(case, sizes):
    assert_written_out_alike(model_of(case, opset=24), sizes)


@pytest.mark.parametrize(
    "window", ["left_window_size=1", "left_window_size=2, right_window_size=0"]
)
def test_windows_become_masks(window):
    case = text(FLAT.replace("T", "S"), f"y = Attention<{TWO}, {window}>(q, k, v)")
    assert_written_out_alike(model_of(case, opset=25), {"S": 6})


@pytest.mark.parametrize("case", PLAIN.values(), ids=PLAIN)
def test_the_plain_form_stays(case):
    model = model_of(case)
    normalise(model, 23, frozenset())
    assert [node.op_type for node in model.graph] == ["Attention"]


def test_a_mask_shorter_than_the_keys_hides_the_rest():
    case = text(f"{FLAT}, float[B,1,S,M] m", f"y = Attention<{TWO}, softcap=2.0>(q, k, v, m)")
    assert_written_out_alike(model_of(case, opset=24), {"S": 3, "T": 5, "M": 2})


def test_float16_stays_float16():
    case = text(FLAT, f"y = Attention<{TWO}, softcap=2.0>(q, k, v)").replace("float[", "float16[")
    model = model_of(case)
    normalise(model, 23, frozenset())
    kinds = {v.dtype for v in model.graph.initializers.values()} - {ir.DataType.INT64}
    assert kinds == {ir.DataType.FLOAT16}
