"""Graphs as ONNX text: before, after, compared as whole graphs and as numbers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime

from pipeline.fusion.construct import Pass
from pipeline.fusion.lowering import Lowering
from pipeline.fusion.refusal import Refusal
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter

Finder = Callable[[ir.Graph, Facts], Iterator[Site | Refusal]]


def model_of(text: str, opset: int = 23) -> ir.Model:
    """Return the model of a graph's text, e.g. `(float[B,8] x) => (float[B,8] y) {...}`."""
    head = f'<ir_version: 10, opset_import: ["" : {opset}, "com.microsoft" : 1]> g '
    return ir.from_proto(onnx.parser.parse_model(head + text))


def found_in(text: str, find: Finder) -> list[Site | Refusal]:
    """Return what a recogniser yields on a graph."""
    model = model_of(text)
    return list(find(model.graph, Facts(model)))


def only_site(text: str, find: Finder) -> Any:
    """Return the one site of a graph; fails on a refusal, on none and on two."""
    (found,) = found_in(text, find)
    assert isinstance(found, Site), found.reason
    return found


def only_refusal(text: str, find: Finder) -> Refusal:
    """Return the one refusal of a graph."""
    (found,) = found_in(text, find)
    assert isinstance(found, Refusal), found.form
    return found


def rewritten(text: str, find: Finder, *lowerings: Lowering[Any], opset: int = 23) -> ir.Model:
    """Return the model after the recogniser and the lowerings ran, without proofs."""
    model = model_of(text, opset)
    rewriter = Rewriter(model, Facts(model), None)
    outcomes = rewriter.run([Pass("test", find, lowerings)])
    assert any(outcome.state == "fused" for outcome in outcomes), [o.refusal for o in outcomes]
    model.graph.sort()
    return model


def assert_becomes(
    before: str, after: str, find: Finder, *lowerings: Lowering[Any], opset: int = 23
) -> None:
    """Check that the rewritten graph is the expected one, whatever its values are called."""
    made = rewritten(before, find, *lowerings, opset=opset)
    assert formulas(made) == formulas(model_of(after, opset))


def formulas(model: ir.Model) -> dict[str, str]:
    """Return each output written out down to inputs and constants."""
    return {str(value.name): _formula(value) for value in model.graph.outputs}


def _formula(value: ir.Value | None) -> str:
    if value is None:
        return "-"
    node = value.producer()
    tensor = value.const_value if node is None else None
    if node is not None and node.op_type == "Constant":
        attribute = next(iter(node.attributes.values()))
        tensor = ir.tensor(np.asarray(attribute.value)) if attribute.name != "value" else (
            attribute.as_tensor()
        )  # fmt: skip
    if tensor is not None:
        array = tensor.numpy().astype(np.float64)
        return f"{list(array.shape)}{[float(f'{x:.5g}') for x in array.reshape(-1)]}"
    if node is None:
        return str(value.name)
    attrs = ", ".join(f"{k}={_shown(a)}" for k, a in sorted(node.attributes.items()))
    inputs = ", ".join(_formula(v) for v in node.inputs)
    place = f"#{value.index()}" if len(node.outputs) > 1 else ""
    domain = f"{node.domain}." if node.domain else ""
    return f"{domain}{node.op_type}{place}<{attrs}>({inputs})"


def _shown(attribute: ir.Attr) -> str:
    value = attribute.value
    if attribute.type == ir.AttributeType.TENSOR:
        return str(value.numpy().tolist())
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def numbers_of(model: ir.Model, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the outputs ONNX Runtime computes, its own optimizations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(
        ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feeds))


def feeds_of(model: ir.Model, seed: int = 0, scale: float = 1.0, **sizes: int) -> dict[str, Any]:
    """Return normal values for a model's float inputs, small numbers for integer ones."""
    random = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.inputs:
        assert value.shape is not None
        assert value.dtype is not None
        shape = [d if isinstance(d, int) else sizes.get(str(d.value), 3) for d in value.shape]
        kind = value.dtype.numpy()
        if value.dtype.is_floating_point():
            feeds[str(value.name)] = (random.normal(size=shape) * scale).astype(kind)
        else:
            feeds[str(value.name)] = random.integers(0, 4, size=shape).astype(kind)
    return feeds


def assert_same_numbers(
    before: str, find: Finder, *lowerings: Lowering[Any], rtol: float, scale: float = 1.0
) -> None:
    """Check that a rewrite changes no output by more than `rtol` of its largest value."""
    model = model_of(before)
    feeds = feeds_of(model, scale=scale)
    expected = numbers_of(model, feeds)
    actual = numbers_of(rewritten(before, find, *lowerings), feeds)
    for want, got in zip(expected, actual, strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=rtol * float(np.abs(want).max()))
