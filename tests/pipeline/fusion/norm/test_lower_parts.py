"""Weights get the sizes of the normalised axes and the type of x."""

import numpy as np
import pytest

from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_parts import vector
from pipeline.fusion.norm.site import Affine
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from tests.pipeline.text_graphs import model_of

TEXT = """(float[B,S,4,8] x, float[{shape}] w) => (float[B,S,4,8] y) {{
    axes = Constant<value_ints=[-2, -1]>() eps = Constant<value_float=1e-5>() p = Mul(x, x)
    v = ReduceMean(p, axes) ve = Add(v, eps) r = Sqrt(ve) z = Div(x, r) y = Mul(z, w) }}"""


def emitted(shape):
    model = model_of(TEXT.format(shape=shape))
    facts = Facts(model)
    (site,) = find_norms(model.graph, facts)
    emit = Emitter(facts, site.anchor, "test")
    return site, emit


@pytest.mark.parametrize(
    ("shape", "ops"),
    [
        ("4,8", []),
        ("1,1,4,8", ["Reshape"]),
        ("8", ["Expand"]),
        ("1,1,1,8", ["Reshape", "Expand"]),
        ("1", ["Expand"]),
    ],
)
def test_shapes(shape, ops):
    site, emit = emitted(shape)
    result = vector(site, site.weight, emit)
    assert [node.op_type for node in emit.nodes] == ops
    assert [d.const for d in emit.facts.shape(result)] == [4, 8]


def test_a_number_becomes_a_constant():
    site, emit = emitted("4,8")
    result = vector(site, Affine(None, 0.0, 0.5), emit)
    np.testing.assert_array_equal(result.const_value.numpy(), np.full((4, 8), 0.5, np.float32))
