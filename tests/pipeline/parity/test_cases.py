import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from pipeline.errors import UsageError
from pipeline.parity.cases import (
    file_case,
    make_cases,
    make_file_cases,
    rounded,
    sums_in,
)
from pipeline.records.tensors import SizeRange

TEXT = """<ir_version: 10, opset_import: ["" : 20]>
g (float[batch, seq] x, float[batch, past] p) => (float[batch, "past + seq"] y) {
  y = Concat<axis = 1>(p, x)
}"""


@pytest.fixture
def model():
    made = ir.from_onnx_text(TEXT.replace('"past + seq"', "total"))
    made.graph.outputs[0].shape = ir.Shape([ir.SymbolicDim("batch"), ir.SymbolicDim("past + seq")])
    return made


def test_cases_differ_and_cover_shapes_and_styles(model):
    dims = {"batch": SizeRange(1, 2, 4), "seq": SizeRange(1, 8, 32), "past": SizeRange(0, 8, 31)}
    cases, _ = make_cases(model, dims, seeds=2, pinned={}, precisions=["fp32"])
    assert len({case.name for case in cases}) == len(cases)
    # Three shapes, the middle one with sequences of one token, and the widest batch.
    assert len({tuple(case.sizes.items()) for case in cases}) == 5
    assert {"plain", "large"} <= {case.style for case in cases}
    for case in cases:
        assert case.feeds["x"].shape == (case.sizes["batch"], case.sizes["seq"])
        assert case.sizes["past"] + case.sizes["seq"] <= 32
    pinned, _ = make_cases(model, dims, seeds=1, pinned={"batch": 3}, precisions=["fp32"])
    assert {case.sizes["batch"] for case in pinned} == {3}
    assert max(case.sizes["batch"] for case in cases) == 4


def test_a_foreign_graph_is_met_at_sizes_its_operators_allow(model):
    cases, _ = make_file_cases(model, seeds=1, pinned={"batch": 2}, precisions=[])
    assert {case.sizes["batch"] for case in cases} == {2}
    assert len({tuple(case.sizes.items()) for case in cases}) >= 2
    assert sums_in(model) == ["past + seq"]


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)]
)
def test_floats_are_exact_in_every_precision_compared(precision, dtype):
    given = {"x": np.array([0.1, 1e38, -3.0], np.float32), "ids": np.array([70000])}
    got = rounded(given, [precision, "fp32"])
    assert got["x"].dtype == np.float32
    np.testing.assert_array_equal(got["x"], got["x"].astype(dtype).astype(np.float32))
    assert np.isfinite(got["x"]).all()
    assert got["ids"] is given["ids"]


def test_inputs_from_a_file(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones(3), extra=np.ones(2))
    assert list(file_case(tmp_path / "a.npz", ["x"], []).feeds) == ["x"]
    assert file_case(tmp_path / "a.npz", ["other"], []) is None
    with pytest.raises(UsageError, match="lack y"):
        file_case(tmp_path / "a.npz", ["x", "y"], [])
    stub = (tmp_path / "a.npz").read_bytes()[:-30]
    (tmp_path / "stub.npz").write_bytes(stub)
    with pytest.raises(UsageError, match="cannot be read"):
        file_case(tmp_path / "stub.npz", ["x"], [])
    with pytest.raises(UsageError, match="cannot be read"):
        file_case(tmp_path / "none.npz", ["x"], [])


def test_rows_that_a_mask_hides_whole_are_known():
    text = (
        '<ir_version: 10, opset_import: ["" : 20]> '
        "g (float[b, s] x, bool[b, s] m) => (float[b, s] y) "
        "{ low = Constant<value_float = -10000.0>() k = Where(m, x, low) y = Softmax(k) }"
    )
    cases, _ = make_file_cases(ir.from_onnx_text(text), seeds=1, pinned={}, precisions=[])
    hidden = {case.style: case.hidden for case in cases}
    rows = next(len(case.feeds["m"]) for case in cases if case.style == "masked-rows")
    assert hidden["masked-rows"] == {"m": (rows - 1,)}
    assert not any(value for style, value in hidden.items() if style != "masked-rows")
