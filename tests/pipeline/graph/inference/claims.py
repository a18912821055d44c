"""Claims about a text graph, held against what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from tests.pipeline.graph.check_facts import check
from tests.pipeline.text_graphs import feeds_of, model_of

SIZES = ({"B": 2, "S": 5, "P": 3, "T": 8}, {"B": 1, "S": 7, "P": 4, "T": 11})


def assert_claims(
    text: str,
    *,
    opset: int = 23,
    feeds: Mapping[str, np.ndarray] | None = None,
    closed: bool = True,
) -> None:
    """Check that everything claimed of the graph holds for two sets of sizes.

    Args:
        text: The graph; sizes named B, S, P and T get numbers with T = P + S.
        opset: Its opset.
        feeds: Values for inputs whose contents matter.
        closed: Whether every shape must be known in terms of the inputs' sizes.
    """
    model = model_of(text, opset)
    sets = [{**feeds_of(model, **sizes), **(feeds or {})} for sizes in SIZES]
    tally = check(ir.to_proto(model), sets)
    assert tally.wrong == []
    assert tally.failed == 0
    assert tally.shaped == tally.values
    if closed:
        assert tally.closed == tally.values


def shape_of(text: str, opset: int = 23) -> str:
    """Return the inferred shape of the only output, e.g. `B, 2*S`."""
    model = model_of(text, opset)
    shape = Facts(model).shape(model.graph.outputs[0])
    assert shape is not None
    return ", ".join(map(str, shape))


def ints_of(text: str) -> str:
    """Return the inferred contents of the only output."""
    model = model_of(text)
    ints = Facts(model).ints(model.graph.outputs[0])
    assert ints is not None
    return ", ".join(map(str, ints))
