"""Attention forms that the parser rejects, that do not build, or that crash the builder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import onnx_ir as ir

from pipeline.build_engine.seen import Finding, Seen, constant

_SPLIT = "leave this attention written out; `pipeline optimize --target tensorrt` does"
_OWN_SCALE = (
    "give each attention its own Mul on the queries and scale=1; "
    "`pipeline optimize --target tensorrt` does"
)
_Key = tuple[object, ...]


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
    if mask is not None and query is not None and mask.dtype and query.dtype:
        if mask.dtype not in (ir.DataType.BOOL, query.dtype):
            yield (
                f"attention on {query.dtype.name} with a {mask.dtype.name} mask",
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


def check_shared_operands(seen: Seen) -> Iterator[Finding]:
    """Yield attentions that share queries or keys while one of them scales: a builder crash."""
    users: dict[_Key, list[ir.Node]] = defaultdict(list)
    for node in attentions(seen):
        keys = [_identity(v) for v in node.inputs[:2] if v is not None]
        for key in set(keys):
            users[key].append(node)
        if len(keys) == 2 and keys[0] == keys[1] and _scales(node):
            yield seen.finding(
                "error", node, "queries and keys are one tensor: the builder crashes", _OWN_SCALE
            )
    reported: set[ir.Node] = set()
    for nodes in users.values():
        scaling = [n for n in nodes if _scales(n)]
        if len(nodes) > 1 and scaling and scaling[0] not in reported:
            reported.add(scaling[0])
            others = ", ".join(n.name or "?" for n in nodes if n is not scaling[0])
            yield seen.finding(
                "error",
                scaling[0],
                f"it shares queries or keys with {others}: the builder crashes",
                _OWN_SCALE,
            )


def _scales(node: ir.Node) -> bool:
    """Return whether the operator multiplies the scores itself; absent means 1/sqrt(size)."""
    scale = node.attributes.get("scale")
    return scale is None or scale.as_float() != 1.0


def _identity(value: ir.Value) -> _Key:
    """Return equal keys for values the builder will find equal: through Identity and equal Mul."""
    node = value.producer()
    while node is not None and node.op_type == "Identity" and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    if node is not None and node.op_type == "Mul":
        parts = [(v, constant(v)) for v in node.inputs if v is not None]
        fixed = [c for _v, c in parts if c is not None and c.size == 1]
        rest = [v for v, c in parts if c is None or c.size != 1]
        if len(fixed) == 1 and len(rest) == 1:
            return ("Mul", float(fixed[0].reshape(())), *_identity(rest[0]))
    return (id(value),)
