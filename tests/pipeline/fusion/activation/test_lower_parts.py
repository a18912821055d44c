"""What follows an activation: its constant factor, then the tensor it gates."""

import pytest

from pipeline.fusion.activation.find import ActivationSite
from pipeline.fusion.activation.lower_parts import finished
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from tests.pipeline.text_graphs import model_of


@pytest.mark.parametrize(
    ("factor", "gated", "ops"),
    [(1.0, False, []), (2.0, False, ["Mul"]), (1.0, True, ["Mul"]), (2.0, True, ["Mul", "Mul"])],
    ids=["plain", "factor", "gated", "both"],
)
def test_finished(factor, gated, ops):
    model = model_of("(float[B,8] x, float[B,8] u) => (float[B,8] y) { y = Neg(x) }")
    x, up = model.graph.inputs
    node = model.graph.node(0)
    site = ActivationSite(
        node, frozenset({node}), (node.outputs[0],),
        x=x, kind="gelu", alpha=1.0, factor=factor, up=up if gated else None,
    )  # fmt: skip
    emit = Emitter(Facts(model), node, "test")
    result = finished(site, emit, x)
    assert [n.op_type for n in emit.nodes] == ops
    assert (result is x) == (not ops)
