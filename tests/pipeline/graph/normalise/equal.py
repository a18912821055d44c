"""Normalise a text graph and check that no output changed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from pipeline.graph.normalise import normalise
from tests.pipeline.text_graphs import feeds_of, model_of, numbers_of

SIZES = ({"B": 2, "S": 5, "T": 8}, {"B": 1, "S": 7, "T": 3})


def assert_equal_after(
    text: str,
    *,
    opset: int = 23,
    target: int | None = 23,
    feeds: Mapping[str, np.ndarray] | None = None,
    rtol: float = 0.0,
) -> ir.Model:
    """Return the normalised model, after comparing its outputs for two sets of sizes.

    `rtol` is 0 because the same operators run on the same numbers, unless a test says why not.
    """
    model = model_of(text, opset)
    declared = interface(model)
    sets = [{**feeds_of(model, **sizes), **(feeds or {})} for sizes in SIZES]
    expected = [numbers_of(model, each) for each in sets]
    normalise(model, target)
    onnx.checker.check_model(ir.to_proto(model))
    assert interface(model) == declared
    for each, want in zip(sets, expected, strict=True):
        for a, b in zip(want, numbers_of(model, each), strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            np.testing.assert_allclose(b, a, rtol=rtol, atol=0)
    return model


def interface(model: ir.Model) -> list[tuple[object, ...]]:
    """Return what a caller sees: names, sizes and types of inputs and outputs, in order."""
    values = (*model.graph.inputs, *model.graph.outputs)
    return [(v.name, str(v.shape), v.dtype) for v in values]


def ops_of(model: ir.Model) -> list[str]:
    """Return the operators of the main graph in order."""
    return [node.op_type for node in model.graph]
