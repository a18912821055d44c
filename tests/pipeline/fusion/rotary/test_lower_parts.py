"""Caches are repeated only where they have to be."""

import pytest

from pipeline.fusion.rotary.lower_parts import per_batch_row
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from tests.pipeline.text_graphs import model_of


@pytest.mark.parametrize(
    ("batch", "cache", "ops"),
    [
        ("B", "B,S,4", []),
        ("1", "1,S,4", []),
        ("2", "1,S,4", ["Expand"]),
        ("B", "1,S,4", ["Shape", "Concat", "Expand"]),
    ],
)
def test_per_batch_row(batch, cache, ops):
    text = (
        f"(float[{batch},2,S,8] x, float[{cache}] c) => (float[{batch},2,S,8] y) {{ y = Neg(x) }}"
    )
    model = model_of(text)
    x, value = model.graph.inputs
    facts = Facts(model)
    emit = Emitter(facts, model.graph.node(0), "test")
    result = per_batch_row(value, x, emit)
    assert [node.op_type for node in emit.nodes] == ops
    assert [str(d) for d in facts.shape(result)] == [batch, "S", "4"]
