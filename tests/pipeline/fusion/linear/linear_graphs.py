"""Graphs with stored weights, for the tests of linear sites."""

import numpy as np
import onnx_ir as ir

from tests.pipeline.text_graphs import model_of


def with_weights(
    text: str, scale: float = 0.1, seed: int = 0, **shapes: tuple[int, ...]
) -> ir.Model:
    """Return a graph's text as a model whose named inputs are stored float32 weights."""
    model = model_of(text)
    random = np.random.default_rng(seed)
    for name, shape in shapes.items():
        (value,) = [v for v in model.graph.inputs if v.name == name]
        model.graph.inputs.remove(value)
        value.const_value = ir.tensor(
            (random.standard_normal(shape) * scale).astype(np.float32), name=name
        )
        value.shape = ir.Shape(shape)
        model.graph.register_initializer(value)
    return model


def mlp() -> ir.Model:
    """Return x -> norm -> up + bias -> Gelu -> down (torch's layout) -> head."""
    return with_weights(
        "(float[B,S,64] x, float[64] g, float[64,128] up, float[128] b, float[64,128] down,"
        " float[64,96] head) => (float[B,S,96] y) {"
        " n = RMSNormalization(x, g) u = MatMul(n, up) c = Add(u, b) a = Gelu(c)"
        " t = Transpose<perm=[1,0]>(down) d = MatMul(a, t) e = Add(d, x) h = RMSNormalization(e, g)"
        " y = MatMul(h, head) }",
        g=(64,), up=(64, 128), b=(128,), down=(64, 128), head=(64, 96),
    )  # fmt: skip
