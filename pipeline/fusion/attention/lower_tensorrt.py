"""softmax(scale * Q K^T + mask) V  ->  Attention(Mul(Q, scale), K, V, float mask), scale = 1.

Source: ONNX Attention, opset 23, as TensorRT's parser takes it.
Exact: rounding only.
Applies when: there is no soft-cap, which the parser lacks. It wants values as wide as keys: the
narrower are padded with zeros, which add nothing to a score or are cut off the result. Each
attention scales its queries by a node of its own, since two attentions that share keys under an
implicit scale crash the builder. Past and new tokens stay concatenated outside: the parser takes
one output only. Boolean masks become float masks, which cost no extra kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.fusion.attention.lower_cache import joined_cache
from pipeline.fusion.attention.lower_parts import (
    mask_and_guard,
    put_back,
    row_scaled,
    without_empty_rows,
)
from pipeline.fusion.attention.lower_sink import with_sink
from pipeline.fusion.attention.site import AttentionSite
from pipeline.fusion.lowering import Exactness
from pipeline.fusion.refusal import RIGHT, Kind, Refusal
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import relayout
from pipeline.graph.views.view import axis_size


@dataclass(frozen=True)
class FuseAttentionTensorrt:
    """Lowers attention to the form of ai.onnx Attention that TensorRT builds."""

    name: str = "fuse_attention_tensorrt"
    targets: frozenset[str] = frozenset({"tensorrt", "tensorrt-rtx"})
    opset: int = 23
    source: str = "https://onnx.ai/onnx/operators/onnx__Attention.html"
    exact: Exactness = "rounding"

    def lower(self, site: AttentionSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal:
        """Return the result, and the present keys and values where the site has a cache."""
        if refusal := _lacking(site, inside=site.anchor.graph is not emit.shared.home):
            return refusal
        q = relayout(emit, site.q, (site.batch, site.heads, site.rows, site.size))
        q = row_scaled(site, emit, q)
        k, v, present = joined_cache(site, emit)
        q, k, v = _equally_wide(site, emit, q, k, v)
        kind = emit.facts.dtype(q) or ir.DataType.FLOAT
        q = _scaled(site, emit, q, kind)
        mask, raw = mask_and_guard(site, emit, kind)
        if site.sink is not None:
            k, v, mask = with_sink(site, emit, k, v, mask, kind, rank3=False)
        attrs: dict[str, object] = {"scale": 1.0}
        if site.causal:
            attrs["is_causal"] = 1
        result = emit.one("Attention", [q, k, v, mask], attrs)
        result = _as_wide_as_values(site, emit, result)
        result = without_empty_rows(emit, result, raw, kind)
        axes = (site.batch, site.heads, site.rows, site.value_size)
        return (put_back(site, emit, result, axes), *present)


def _scaled(site: AttentionSite, emit: Emitter, q: ir.Value, kind: ir.DataType) -> ir.Value:
    """Return the queries times the scale, by nodes of their own.

    The builder crashes where one Mul, or two equal ones, stands before two attentions over the
    same keys; two in a row it merges into something else. Powers of two are exact.
    """
    scale = site.scale
    if not emit.shared.is_first_scaling(site.q.base):
        first = 2.0 if scale != 2.0 else 4.0  # a Mul by 1 would be dropped
        q = emit.apart(emit.one("Mul", [q, emit.const(np.asarray(first, dtype=kind.numpy()))]))
        scale /= first
    return emit.apart(emit.one("Mul", [q, emit.const(np.asarray(scale, dtype=kind.numpy()))]))


def _lacking(site: AttentionSite, *, inside: bool) -> Refusal | None:
    """Return what the parser lacks for this site, None when it takes it.

    Args:
        site: The attention.
        inside: Whether it stands in a branch or loop body, where the builder loses its operands.
    """
    size, value_size = axis_size(site.size), axis_size(site.value_size)
    reason, remedy = "", ""
    if inside:
        reason = "TensorRT's builder fails on an Attention inside a branch or a loop"
        remedy = "leave it: the written-out form builds as separate kernels"
    elif site.cap:
        reason = f"TensorRT's parser takes no soft-cap (here {site.cap:g})"
        remedy = "leave it: the written-out form builds as separate kernels"
    elif size != value_size and (size.const is None or value_size.const is None):
        reason = f"TensorRT's parser wants values as wide as keys, here {value_size} and {size}"
        remedy = "give keys and values head sizes that do not vary"
    elif site.weights is not None:
        reason = "TensorRT's parser takes an Attention with one output: no weights"
        remedy = "return no attention weights from the model"
    elif site.causal and (site.mask or site.cache is not None):
        reason = "TensorRT's parser takes causal masking or a mask, not both"
    if not reason:
        return None
    return Refusal(site.anchor, "Attention for TensorRT", RIGHT, reason,
                   remedy=remedy, kind=Kind.UNSUPPORTED)  # fmt: skip


def _equally_wide(
    site: AttentionSite, emit: Emitter, q: ir.Value, k: ir.Value, v: ir.Value
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return queries, keys and values with zeros where one kind is narrower than the other."""
    missing = (axis_size(site.size) - axis_size(site.value_size)).const or 0
    if missing > 0:
        return q, k, _padded(emit, v, missing)
    if missing < 0:
        return _padded(emit, q, -missing), _padded(emit, k, -missing), v
    return q, k, v


def _padded(emit: Emitter, tensor: ir.Value, count: int) -> ir.Value:
    return emit.one("Pad", [tensor, emit.ints([0] * 7 + [count])], {"mode": "constant"})


def _as_wide_as_values(site: AttentionSite, emit: Emitter, result: ir.Value) -> ir.Value:
    """Return the result without what the padding of the values added."""
    width = axis_size(site.value_size).const
    if width is None or (axis_size(site.size).const or 0) <= width:
        return result
    return emit.one("Slice", [result, *(emit.ints([x]) for x in (0, width, 3))])
