"""The precision of each output, read off its way through the graph.

A type that stands somewhere in a file says nothing of an output: one constant in float16 does not
make a float32 graph a float16 one. Counted are the products (MatMul, Gemm, Conv, attention and
their quantised forms) on the way from the inputs to the output.

- One quantised product makes the output quantised, in the narrowest format on its way: it is then
  another function, held to a stated loss.
- Else it is of a 16-bit type if at least half of its products read that type, or constants
  widened from it. Without products, if the output itself has the type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

FORMATS = ("int4", "fp8", "int8-static", "int8", "int8-weights")
"""Quantised formats, the one that loses most first. "int8" computes the scales of activations as
they come, "int8-static" has fixed ones, "int8-weights" quantises weights alone."""
STORED = {
    "INT2": "int4", "UINT2": "int4", "INT4": "int4", "UINT4": "int4", "FLOAT4E2M1": "int4",
    "FLOAT8E4M3FN": "fp8", "FLOAT8E5M2": "fp8", "FLOAT8E4M3FNUZ": "fp8", "FLOAT8E5M2FNUZ": "fp8",
    "INT8": "int8", "UINT8": "int8", "INT16": "int8", "UINT16": "int8",
}  # fmt: skip
HALVES = {"FLOAT16": "fp16", "BFLOAT16": "bf16"}
PRODUCTS = frozenset(
    {
        "MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "Attention", "FusedMatMul",
        "FusedGemm", "MultiHeadAttention", "GroupQueryAttention", "LSTM", "GRU", "RNN",
    }
)  # fmt: skip
WHOLE = frozenset(
    {
        "MatMulInteger", "ConvInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul",
        "DynamicQuantizeLSTM", "QAttention", "QGemm", "QMoE", "QOrderedMatMul",
        "DynamicQuantizeLinear",
    }
)  # fmt: skip
"""Operators whose arithmetic is in eight bits whatever they are fed."""
BLOCKS = frozenset({"MatMulNBits", "GatherBlockQuantized", "MatMulBnb4", "MatMulFpQ4"})
CARRYING = frozenset({"Cast", "Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze", "Slice"})


def output_precisions(model: ir.Model) -> dict[str, str]:
    """Return the precision of each output by name: fp32, fp16, bf16, or one of FORMATS."""
    return {
        str(output.name): _precision(list(_behind(output)), output)
        for output in model.graph.outputs
    }


def output_units(model: ir.Model) -> dict[str, float]:
    """Return what each output's kernel is exact to a few ulps of, however small the values are.

    A runtime's sigmoid is made of a polynomial or of exponentials between 0 and 1: it errs by ulps
    of 1, also where its value is a millionth. 0 stands for ulps of the values themselves.
    """
    return {str(output.name): 1.0 if _sigmoid(output) else 0.0 for output in model.graph.outputs}


def _sigmoid(value: ir.Value) -> bool:
    node = value.producer()
    while node is not None and node.op_type in CARRYING and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node is not None and node.op_type == "Sigmoid" and not node.domain


def narrowest(precisions: Iterable[str]) -> str:
    """Return one precision for a whole graph: the one that loses most."""
    order = (*FORMATS, "bf16", "fp16", "fp32")
    return min(precisions, key=order.index, default="fp32")


def _precision(nodes: list[ir.Node], output: ir.Value) -> str:
    formats = {found for node in nodes if (found := quantised(node))}
    if formats:
        return narrowest(formats)
    halves = [_half(node) for node in nodes if node.op_type in PRODUCTS]
    for half in HALVES.values():
        if halves and 2 * halves.count(half) >= len(halves):
            return half
    if halves or output.dtype is None:
        return "fp32"
    return HALVES.get(output.dtype.name, "fp32")


def quantised(node: ir.Node) -> str | None:
    """Return the format that a node quantises or dequantises from, None for any other node."""
    kind = node.op_type
    if kind in BLOCKS:
        bits = node.attributes.get("bits")
        wide = bits is not None and bits.as_int() >= 8
        return "int8-weights" if wide else "int4"
    if kind in WHOLE:
        return "int8"
    if kind == "QuantizeLinear" or kind.startswith("QLinear"):
        types = {t for v in (*node.inputs, *node.outputs) if (t := _stored(v)) is not None}
        return "fp8" if "fp8" in types else "int8-static"
    if kind == "DequantizeLinear":
        return _dequantised(node)
    return None


def _dequantised(node: ir.Node) -> str:
    source = node.inputs[0]
    stored = _stored(source) or "int8"
    constant = source is not None and source.is_initializer()
    return "int8-weights" if constant and stored == "int8" else stored


def _stored(value: ir.Value | None) -> str | None:
    return None if value is None or value.dtype is None else STORED.get(value.dtype.name)


def _half(product: ir.Node) -> str | None:
    for value in product.inputs:
        if (half := _source(value)) is not None:
            return half
    return None


def _source(value: ir.Value | None) -> str | None:
    """Return the 16-bit type that an operand has, or that its constant was stored in."""
    first = value
    while value is not None:
        if (
            value.dtype is not None
            and value.dtype.name in HALVES
            and (value is first or value.is_initializer())
        ):
            return HALVES[value.dtype.name]
        node = value.producer()
        if node is None or node.op_type not in CARRYING:
            return None
        value = node.inputs[0]
    return None


def _behind(output: ir.Value) -> Iterator[ir.Node]:
    """Yield every node that an output depends on, those of branches and loops included."""
    seen: set[ir.Node] = set()
    waiting = [output]
    while waiting:
        node = waiting.pop().producer()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [value for value in node.inputs if value is not None]
        for graph in _bodies(node):
            for inner in graph.all_nodes():
                if inner not in seen:
                    seen.add(inner)
                    yield inner
                waiting += [value for value in inner.inputs if value is not None]


def _bodies(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type.name == "GRAPH":
            yield attribute.as_graph()
        elif attribute.type.name == "GRAPHS":
            yield from attribute.as_graphs()
