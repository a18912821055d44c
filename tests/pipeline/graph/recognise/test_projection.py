"""Products that share a tensor are found with their matrices, and nothing else is."""

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.graph.facts import Facts
from pipeline.graph.recognise.projection import find_projections
from tests.pipeline.text_graphs import model_of

TEXT = "(float[B,S,8] x, float[8,4] m) => (float[B,S,4] y) { a = MatMul(x, q) b = MatMul(x, k) "


def sites(text, **weights):
    model = model_of(text)
    for name, shape in weights.items():
        for node in model.graph:
            for i, value in enumerate(node.inputs):
                if value is not None and value.name == name and value.producer() is None:
                    array = np.ones(shape, np.float32)
                    made = ir.Value(name=name, const_value=ir.tensor(array), shape=ir.Shape(shape))
                    node.replace_input_with(i, made)
    return list(find_projections(model.graph, Facts(model)))


def test_products_of_one_tensor_are_one_site():
    (site,) = sites(TEXT + "c = Add(a, b) y = MatMul(x, v) }", q=(8, 4), k=(8, 4), v=(8, 4))
    assert [v.name for v in site.outputs] == ["a", "b", "y"]
    assert site.x.name == "x"
    assert site.widths == (4, 4, 4)
    assert site.elements == 96
    assert site.form == "widths 4, 4, 4"


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        (TEXT + "y = Add(a, b) }", {"q": (8, 4)}),
        (TEXT.replace("(x, k)", "(x, m)") + "y = Add(a, b) }", {"q": (8, 4)}),
        (TEXT.replace("b = MatMul(x, k)", "n = Neg(x) b = MatMul(n, k)") + "y = Add(a, b) }",
         {"q": (8, 4), "k": (8, 4)}),
        (TEXT + "y = Add(a, b) }", {"q": (8, 4), "k": (1, 8, 4)}),
    ],
    ids=["one constant", "an input as matrix", "another tensor", "a stack of matrices"],
)  # fmt: skip
def test_others_are_none(text, weights):
    assert sites(text, **weights) == []
