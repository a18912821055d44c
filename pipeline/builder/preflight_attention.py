"""Attention forms that the parser rejects, that do not build, or that crash the builder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from pipeline.builder.seen import Finding, Seen, constant

_SPLIT = "leave this attention written out; `pipeline optimize --target tensorrt` does"
_OWN_SCALE = (
    "let each attention compute its own queries and keys, or use scale=1 with its own Mul on "
    "whichever of them is not shared"
)
_LAYOUT_OR_PRODUCT = frozenset(
    {"MatMul", "Gemm", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Split", "Slice"}
)


def attentions(seen: Seen) -> list[ir.Node]:
    """Return the standard Attention nodes."""
    return [n for n in seen.nodes if n.op_type == "Attention" and n.domain in ("", "ai.onnx")]


def check_attention(seen: Seen) -> Iterator[Finding]:
    """Yield the forms no flavour takes, one finding per broken condition."""
    for node in attentions(seen):
        for what, fix in _broken(seen, node):
            yield seen.finding("error", node, what, fix)


def _broken(seen: Seen, node: ir.Node) -> Iterator[tuple[str, str]]:
    inputs = [*node.inputs, *([None] * 6)]
    query, key, value, mask, past_key = inputs[:5]
    if node.attributes.get_float("softcap", 0.0):
        yield "attention with a soft-cap", _SPLIT
    if "softmax_precision" in node.attributes:
        yield "attention with softmax_precision", _SPLIT
    if past_key is not None or any(o.uses() or o.is_graph_output() for o in node.outputs[1:]):
        yield (
            "attention with past inputs or present / qk_matmul_output outputs",
            "concatenate past and present outside the operator",
        )
    if node.attributes.get_int("is_causal", 0) and mask is not None:
        yield "attention that is causal and masked at once", "add the causal part to the mask"
    sizes = _head_sizes(seen, node, key, value)
    if sizes and sizes[0] != sizes[1]:
        yield f"attention with key head size {sizes[0]} and value head size {sizes[1]}", _SPLIT
    kinds = seen.dtype(query), seen.dtype(mask)
    if kinds[0] and kinds[1] and kinds[1] not in (ir.DataType.BOOL, kinds[0]):
        yield (
            f"attention on {kinds[0].name} with a {kinds[1].name} mask",
            "cast the mask to the queries' type",
        )


def _head_sizes(
    seen: Seen, node: ir.Node, key: ir.Value | None, value: ir.Value | None
) -> tuple[object, object] | None:
    k, v = seen.shape(key), seen.shape(value)
    if not k or not v or len(k) != len(v):
        return None
    if not isinstance(k[-1], int) or not isinstance(v[-1], int):
        return None
    heads = node.attributes.get_int("kv_num_heads", 1) if len(k) == 3 else 1
    return k[-1] // heads, v[-1] // heads


def check_rotary(seen: Seen) -> Iterator[Finding]:
    """Yield rotary embeddings whose cache has batch 1 while the input's batch may be larger."""
    for node in seen.nodes:
        if node.op_type != "RotaryEmbedding" or node.domain not in ("", "ai.onnx"):
            continue
        given, cache = seen.shape(node.inputs[0]), seen.shape(node.inputs[1])
        if given and cache and len(cache) == 3 and cache[0] == 1 and given[0] != 1:
            yield seen.finding(
                "error",
                node,
                f"RotaryEmbedding with a cache of batch 1 on an input of batch {given[0]}",
                "`pipeline optimize --target tensorrt` repairs it",
            )


def check_shared_operands(seen: Seen) -> Iterator[Finding]:
    """Yield attentions that share queries or keys behind one scaling: the builder crashes there.

    Seen (TensorRT-RTX 1.7): the scaling becomes one Mul with two attentions behind it, whether
    the operator brings it (scale absent or not 1) or the graph does. Two Muls in a row, or an
    element-wise operator before the Mul, merge into something else and build.
    """
    users: dict[_Operand, list[ir.Node]] = defaultdict(list)
    for node in attentions(seen):
        for operand in [_operand(node, v) for v in node.inputs[:2] if v is not None]:
            if operand.products == 1:
                users[operand].append(node)
    reported: set[ir.Node] = set()
    for operand, nodes in users.items():
        if len(nodes) < 2 or nodes[0] in reported:
            continue
        reported.add(nodes[0])
        same = nodes[0] is nodes[1]
        others = ", ".join(n.name or "?" for n in nodes[1:])
        what = "queries are keys" if same else f"queries or keys shared with {others}"
        level: Literal["error", "warning"] = "error" if operand.plain else "warning"
        crash = "the builder crashes" if operand.plain else "the builder may crash"
        yield seen.finding(level, nodes[0], f"attention: {what}, scaled alike: {crash}", _OWN_SCALE)


@dataclass(frozen=True)
class _Operand:
    """One query or key operand, as the builder sees it after merging equal computations."""

    base: int
    factors: tuple[object, ...]
    products: int
    plain: bool


def _operand(node: ir.Node, value: ir.Value) -> _Operand:
    base, factor = _unscaled(value)
    scale = node.attributes.get("scale")
    own = "default" if scale is None else scale.as_float()
    factors = tuple(f for f in (factor, own) if f not in (None, 1.0))
    producer = base.producer()
    plain = producer is None or producer.op_type in _LAYOUT_OR_PRODUCT
    return _Operand(id(base), factors, len(factors), plain)


def _unscaled(value: ir.Value) -> tuple[ir.Value, object]:
    """Return the value before a multiplication with one number, and that number."""
    value = _before_identity(value)
    node = value.producer()
    if node is None or node.op_type not in ("Mul", "Div"):
        return value, None
    parts = [(v, constant(v)) for v in node.inputs if v is not None]
    fixed = [c for _v, c in parts if c is not None and c.size == 1]
    rest = [v for v, c in parts if c is None or c.size != 1]
    if len(fixed) != 1 or len(rest) != 1 or (node.op_type == "Div" and rest[0] is not parts[0][0]):
        return value, None
    return _before_identity(rest[0]), (node.op_type, float(fixed[0].reshape(())))


def _before_identity(value: ir.Value) -> ir.Value:
    node = value.producer()
    while node is not None and node.op_type == "Identity" and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    return value
