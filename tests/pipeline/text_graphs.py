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
from pipeline.graph.rewriting.equal import made_by_lowering, merge_equal
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
    """Check that the rewritten graph is the expected one, whatever its values are called.

    What lowerings made more than once of the same inputs is merged first, as it is at the end of
    every run; nothing else is.
    """
    made = rewritten(before, find, *lowerings, opset=opset)
    merge_equal(made.graph, made_by_lowering)
    assert listing(made) == listing(model_of(after, opset))


def listing(model: ir.Model) -> list[str]:
    """Return a graph as lines in which neither names nor the order of nodes show.

    Nodes are numbered as they are met on the way down from the outputs, in order. So a node that
    is read twice is another graph than two equal nodes; constants are shown by what they hold.
    """
    numbers: dict[ir.Node, int] = {}
    lines: list[str] = []
    results = _results(model.graph, numbers, lines)
    return [*lines, *(f"{v.name} = {r}" for v, r in zip(model.graph.outputs, results, strict=True))]


def _results(graph: ir.Graph, numbers: dict[ir.Node, int], lines: list[str]) -> list[str]:
    return [_reference(value, numbers, lines) for value in graph.outputs]


def _reference(value: ir.Value | None, numbers: dict[ir.Node, int], lines: list[str]) -> str:
    """Return how a value is referred to, after the line of the node that makes it."""
    if value is None:
        return "-"
    node = value.producer()
    tensor = value.const_value if node is None else None
    if node is not None and node.op_type == "Constant":
        (attribute,) = node.attributes.values()
        tensor = attribute.value if attribute.name == "value" else ir.tensor(attribute.value)
    if tensor is not None:
        return _shown_tensor(tensor)
    if node is None:
        return str(value.name)
    if node not in numbers:
        inputs = ", ".join([_reference(v, numbers, lines) for v in node.inputs])
        attrs = ", ".join(
            f"{name}={_shown(attribute, numbers, lines)}"
            for name, attribute in sorted(node.attributes.items())
        )
        domain = f"{node.domain}." if node.domain else ""
        numbers[node] = len(numbers) + 1
        lines.append(f"%{numbers[node]} = {domain}{node.op_type}<{attrs}>({inputs})")
    place = f"#{value.index()}" if len(node.outputs) > 1 else ""
    return f"%{numbers[node]}{place}"


def _shown_tensor(tensor: ir.TensorProtocol) -> str:
    array = tensor.numpy()
    numbers = [float(f"{x:.5g}") for x in array.astype(np.float64).reshape(-1)]
    return f"{array.dtype}{list(array.shape)}{numbers}"


def _shown(attribute: ir.Attr, numbers: dict[ir.Node, int], lines: list[str]) -> str:
    if attribute.type == ir.AttributeType.GRAPH:
        return "{" + ", ".join(_results(attribute.as_graph(), numbers, lines)) + "}"
    if attribute.type == ir.AttributeType.TENSOR:
        return _shown_tensor(attribute.as_tensor())
    value = attribute.value
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
