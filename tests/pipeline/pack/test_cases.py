"""Inputs of a bundle, the right answers, and how far a precision may be off."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.accuracy import compare
from pipeline.errors import BadModelError
from pipeline.graph.files.model_file import load_model
from pipeline.ort.session import OrtOptions
from pipeline.pack.cases import write_cases
from pipeline.stages.runners.ort_runner import OrtRunner
from tests.pipeline.pack.bundles import graph


def test_limits_catch_half_an_error_and_let_rounding_pass(tmp_path):
    graph(tmp_path / "m.onnx")
    model = load_model(tmp_path / "m.onnx")
    (case,) = write_cases(model, "model", 1, 0, ["fp32", "fp16"], tmp_path)
    assert case.limits["fp16"]["y"].rms > 100 * case.limits["fp32"]["y"].rms


def test_cases_differ_and_hold_what_float64_gives(tmp_path):
    graph(tmp_path / "m.onnx")
    model = load_model(tmp_path / "m.onnx")
    cases = write_cases(model, "decoder", 3, 7, ["fp32", "int8"], tmp_path)
    assert [case.name for case in cases] == ["decoder-0", "decoder-1", "decoder-2"]
    assert [set(case.limits) for case in cases] == [{"fp32"}] * 3, "only what the judge rounds to"
    seen = set()
    for case in cases:
        feeds, wanted = (np.load(tmp_path / place) for place in (case.inputs, case.outputs))
        assert wanted["y"].dtype == np.float64
        seen.add(feeds["x"].tobytes())
        with OrtRunner(tmp_path / "m.onnx", OrtOptions()) as runner:
            found = runner.run(dict(feeds))["y"]
        errors = compare(found, wanted["y"])
        assert errors.max <= case.limits["fp32"]["y"].max
    assert len(seen) == 3


def test_nothing_to_compare_is_an_error(tmp_path):
    model = ir.from_onnx_text(
        '<ir_version: 10, opset_import: ["": 20]> g (float[n] x) => (float[n] y) '
        "{ z = Sub(x, x) y = Div(z, z) }"
    )
    with pytest.raises(BadModelError, match="every output is NaN in float64"):
        write_cases(model, "model", 1, 0, ["fp32"], tmp_path)
