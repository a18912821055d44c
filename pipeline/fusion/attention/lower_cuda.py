"""softmax(scale * Q K^T + mask) V  ->  com.microsoft MultiHeadAttention(Q, K, V, bias, cache).

Source: ONNX Runtime ContribOperators, MultiHeadAttention.
Exact: rounding only.
Applies when: every query head has keys of its own and the past, if any, is as wide in values as
in keys. Grouped heads take the standard operator, whose CUDA kernel keeps them grouped.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.attention.lower_parts import (
    mask_and_guard,
    packed,
    put_back,
    without_empty_rows,
)
from pipeline.fusion.attention.lower_sink import with_sink
from pipeline.fusion.attention.site import AttentionSite
from pipeline.fusion.lowering import Exactness
from pipeline.fusion.refusal import Refusal
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import relayout
from pipeline.graph.views.view import View, axis_size


@dataclass(frozen=True)
class FuseAttentionCuda:
    """Lowers attention with one key head per query head to MultiHeadAttention."""

    name: str = "fuse_attention_cuda"
    targets: frozenset[str] = frozenset({"ort-cuda"})
    opset: int = 17
    source: str = (
        "https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md"
        "#com.microsoft.MultiHeadAttention"
    )
    exact: Exactness = "rounding"

    def lower(self, site: AttentionSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal | None:
        """Return the result, and the present keys and values where the site has a cache."""
        heads = axis_size(site.heads).const
        wide = axis_size(site.size) == axis_size(site.value_size)
        if heads is None or site.groups or site.cap or site.causal or site.row_scale is not None:
            return None
        if site.weights is not None:
            return None
        if site.cache is not None and (not wide or site.sink is not None):
            return None
        q, k, v = packed(site, emit)
        kind = emit.facts.dtype(q) or ir.DataType.FLOAT
        mask, raw = mask_and_guard(site, emit, kind)
        if site.sink is not None:
            k, v, mask = with_sink(site, emit, k, v, mask, kind, rank3=True)
        cache = site.cache
        past = (cache.past_key, cache.past_value) if cache is not None else (None, None)
        outputs = emit.op(
            "MultiHeadAttention", [q, k, v, None, None, mask, *past],
            {"num_heads": heads, "scale": site.scale},
            domain="com.microsoft", outputs=3 if cache is not None else 1,
        )  # fmt: skip
        axes = site.result_axes
        if raw is not None:
            four = (site.batch, site.heads, site.rows, site.value_size)
            split = relayout(emit, View(outputs[0], axes, axes), four)
            result = without_empty_rows(emit, split, raw, kind)
            return (put_back(site, emit, result, four), *outputs[1:])
        return (put_back(site, emit, outputs[0], axes), *outputs[1:])
