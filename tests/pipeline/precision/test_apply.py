"""Typing as the optimizer calls it, and whether what it types is built for every GPU."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.errors import PipelineError, UsageError
from pipeline.graph.files.model_file import save_model
from pipeline.precision import type_model
from pipeline.precision.assign import owners
from pipeline.precision.constraints import must_stay
from pipeline.precision.empty_rows import with_low_masks
from pipeline.precision.masks import cuts, find_masks
from pipeline.precision.policy import LIMITS, limits_of
from pipeline.precision.values import Values
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.stage import build_engines
from tests.pipeline.precision.test_core import TORTURE, block, masks_by_product, model


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("case", TORTURE, ids=lambda c: c.__name__)
def test_typed_torture_is_built_for_every_target(case, precision, tmp_path, monkeypatch):
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made, feeds = case()
    type_model(made, precision, [feeds])
    save_model(made, tmp_path / "m.onnx")
    names = {d.value for v in made.graph.inputs for d in v.shape if not isinstance(d, int)}
    dims = dict.fromkeys(sorted(names), (1, 2, 8))
    plan = build_engines(BuildEngineOptions(tmp_path / "m.onnx", tmp_path / "m.plan", dims=dims))
    assert plan.files[0].bytes > 0


class Notes:
    def __init__(self):
        self.notes, self.steps = [], []

    def note(self, text):
        self.notes.append(text)

    def step(self, text, done=None, total=None):
        self.steps.append(text)


def test_ranges_are_traced_on_made_up_inputs():
    made, screen = block(), Notes()
    report = type_model(made, "fp16", progress=screen)
    assert report.ranged
    assert any("tracing ranges" in step for step in screen.steps)
    assert screen.notes == []


def test_a_precision_without_ranges_is_an_error(monkeypatch):
    made = block()
    before = ir.to_proto(made).SerializeToString()

    def fail(model):
        raise PipelineError("sizes disagree", where="x=1")

    monkeypatch.setattr("pipeline.precision.apply.InputMaker", fail)
    with pytest.raises(UsageError, match=r"fp16 needs ranges.*sizes disagree") as caught:
        type_model(made, "fp16")
    assert "--inputs" in caught.value.fix
    assert ir.to_proto(made).SerializeToString() == before


def test_fp32_is_left_alone_unless_something_is_low():
    made = block()
    before = ir.to_proto(made).SerializeToString()
    assert type_model(made, "fp32").precision == "fp32"
    assert ir.to_proto(made).SerializeToString() == before
    type_model(made, "fp16")
    type_model(made, "fp32")
    assert {v.dtype for v in made.graph.initializers.values()} == {ir.DataType.FLOAT}


def test_limits_of_precisions():
    assert limits_of("fp32") is None
    assert limits_of("fp16").largest == np.finfo(np.float16).max
    assert limits_of("fp16").normal == np.finfo(np.float16).tiny
    for limits in LIMITS.values():
        assert 2 * limits.mask < limits.largest, "two masks must add up to a finite sum"


def values_of(made):
    return Values(made, lambda v: v.dtype, lambda v: None)


def test_thresholds_keep_their_order_when_masks_are_cut():
    made, _feeds = masks_by_product()
    masks = find_masks(made, values_of(made).array)
    (new,) = cuts(masks, 30000.0).values()
    assert new == 30000.0
    both = {**masks.constants, **dict.fromkeys(made.graph.outputs, 3.38e38)}
    cut = cuts(type(masks)(both, masks.values, masks.wide), 30000.0)
    assert sorted(cut.values()) == pytest.approx([29799.0, 30000.0], abs=1)
    assert with_low_masks(made, masks, values_of(made), LIMITS["bf16"], set(made.graph)) == []


def test_reasons_are_given_node_by_node():
    made = model(
        """<ir_version: 10, opset_import: ["" : 23]> g (float[n,8] x) => (float[n,8] y) {
            a = Add(x, eps)
            s = Softmax<axis=-1>(a)
            y = Relu(s)
        }""",
        eps=np.array(1e-12, np.float32),
    )
    masks = find_masks(made, values_of(made).array)
    nodes = list(made.graph)
    reasons = [must_stay(n, values_of(made), LIMITS["fp16"], masks, {}) for n in nodes]
    assert "vanishes in float16" in reasons[0]
    assert reasons[1:] == ["Softmax: exponentials", ""]
    assert owners(made) == {}
