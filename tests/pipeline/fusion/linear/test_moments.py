"""What enters products is summed over a calibration, a few rows at a time."""

from __future__ import annotations

import numpy as np
import pytest

import pipeline
from pipeline.errors import UsageError
from pipeline.fusion.linear import moments
from pipeline.fusion.linear.moments import moments_of, parts
from tests.pipeline.fusion.linear.linear_graphs import with_weights

TEXT = (
    "(float[B,S,64] x, float[64,64] w) => (float[B,S,64] y) {"
    " a = MatMul(x, w) r = Relu(a) b = MatMul(r, w) y = Softmax(b) }"
)
NUMBERS = np.random.default_rng(0)
MIX = NUMBERS.standard_normal((64, 64)) * np.geomspace(1, 0.05, 64)
X = (NUMBERS.standard_normal((20, 16, 64)) @ MIX.T).astype(np.float32)


def graph():
    model = with_weights(TEXT, w=(64, 64))
    return model, model.graph.initializers["w"].const_value.numpy()


def test_sums_are_those_of_all_rows_whatever_the_parts(monkeypatch):
    model, w = graph()
    found = moments_of(model.graph, {"x", "r"}, {"x": X})
    for name, rows in (("x", X), ("r", np.maximum(X @ w, 0))):
        flat = rows.reshape(-1, 64).astype(np.float64)
        assert np.allclose(found[name], flat.T @ flat, rtol=1e-4, atol=1e-2)
    monkeypatch.setattr(moments, "ROWS", 100)
    whole = moments_of(model.graph, {"x"}, {"x": X})["x"]
    assert np.allclose(found["x"], whole, rtol=1e-4, atol=1e-3)


def test_parts_share_a_batch_or_are_whole():
    sizes = [part["x"].shape[0] for part in parts({"x": X, "m": X[:, :, 0]})]
    assert sizes == [8, 8, 4]
    assert len(list(parts({"x": X, "m": X[:5]}))) == 1
    assert len(list(parts({"x": X, "scale": np.float32(2)}))) == 1


def after(method, **more):
    model, _ = graph()
    made = pipeline.optimize(model, precision="int4", method=method, **more)
    named = made.record.rounding
    weights = [v.const_value.numpy() for name, v in made.model.graph.initializers.items()]
    return named, [w for w in weights if w.dtype == np.uint8]


def test_inputs_choose_the_method_and_the_record_tells_it():
    named, nearest = after("rtn")
    assert named == "rtn"
    assert after("auto")[0] == "rtn"  # nothing real to go by
    named, codes = after("auto", inputs={"x": X})
    assert named == "gptq"
    assert any(not np.array_equal(a, b) for a, b in zip(codes, nearest, strict=True))
    assert all(
        np.array_equal(a, b) for a, b in zip(after("rtn", inputs={"x": X})[1], nearest, strict=True)
    )


def test_a_method_that_would_be_ignored_is_refused():
    with pytest.raises(UsageError, match="needs real inputs"):
        after("gptq")
    model, _ = graph()
    with pytest.raises(UsageError, match="how int4 rounds, not int8"):
        pipeline.optimize(model, precision="int8", method="gptq", inputs={"x": X})
