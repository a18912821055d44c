"""Facts reach the nodes and constants of a replacement before it is committed."""

import numpy as np

from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from tests.pipeline.text_graphs import model_of


def test_shapes_that_depend_on_new_constants_are_known():
    model = model_of("(float[B,S,8] x) => (float[B,S,8] y) { y = Neg(x) }")
    facts = Facts(model)
    emit = Emitter(facts, model.graph.node(0), "test")
    starts = emit.ints([0])
    half = emit.one("Slice", [model.graph.inputs[0], starts, emit.ints([4]), emit.ints([-1])])
    assert [str(d) for d in facts.shape(half)] == ["B", "S", "4"]
    np.testing.assert_array_equal(facts.const(starts), [0])
