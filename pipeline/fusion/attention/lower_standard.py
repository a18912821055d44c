"""softmax(scale * Q K^T + mask) V  ->  Attention(Q, K, V, mask), the standard operator.

Source: ONNX Attention, opset 23.
Exact: rounding only. Fully masked rows: averages stay averages, zeros stay zeros.
Applies when: any attention the recogniser fills; on ONNX Runtime's CPU a soft-cap is left written
out, since its kernel is 5 to 6 times slower than the plain nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.attention.lower_cache import joined_cache
from pipeline.fusion.attention.lower_parts import (
    MaskBuilder,
    mask_and_guard,
    packed,
    per_head,
    put_back,
    row_scaled,
    without_empty_rows,
)
from pipeline.fusion.attention.lower_sink import with_sink
from pipeline.fusion.attention.site import AttentionSite
from pipeline.fusion.lowering import Exactness
from pipeline.fusion.refusal import RIGHT, Kind, Refusal
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import lies_as, relayout
from pipeline.graph.views.view import View, axis_size

PROBABILITIES = 3  # a qk_matmul_output_mode: what the softmax returns
NO_WEIGHTS = "attention weights are used, and no CUDA kernel is known to return them"
PLAIN_CAP = "a soft-capped Attention is 5 to 6 times slower than plain nodes on this target"


@dataclass(frozen=True)
class FuseAttentionStandard:
    """Lowers attention to ai.onnx Attention for ONNX Runtime on CPU and for any other runtime.

    Attributes:
        fuse_all: Also emit forms that measure slower fused.
    """

    fuse_all: bool = False
    name: str = "fuse_attention_standard"
    targets: frozenset[str] = frozenset({"onnx", "ort-cpu", "ort-cuda"})
    opset: int = 23
    source: str = "https://onnx.ai/onnx/operators/onnx__Attention.html"
    exact: Exactness = "rounding"
    target: str = "ort-cpu"

    def lower(self, site: AttentionSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal:
        """Return the result, and the present keys and values where the site has a cache."""
        if refusal := self._refused(site):
            return refusal
        # with a sink, the operator's own present keys would hold the sink as well
        cache = site.cache if site.sink is None else None
        rank3 = self._takes_rank3(site) and (cache is site.cache)
        q, k, v, present = _operands(site, emit, rank3=rank3, joined=cache is not site.cache)
        kind = emit.facts.dtype(q) or ir.DataType.FLOAT
        mask, raw = self._mask(site, emit, kind)
        if site.sink is not None:
            k, v, mask = with_sink(site, emit, k, v, mask, kind, rank3=rank3)
        attrs: dict[str, object] = {"scale": site.scale}
        if rank3:
            heads, kv = axis_size(site.heads).const, axis_size(site.kv_heads).const
            attrs |= {"q_num_heads": heads, "kv_num_heads": kv}
        if site.causal:
            attrs["is_causal"] = 1
        if site.cap:
            attrs["softcap"] = site.cap
        past = (cache.past_key, cache.past_value) if cache is not None else ()
        result, weights, own = _attention(site, emit, [q, k, v, mask, *past], attrs, raw)
        if rank3:
            return (put_back(site, emit, result, site.result_axes), *weights, *own)
        result = without_empty_rows(emit, result, raw, kind)
        axes = (site.batch, site.heads, site.rows, site.value_size)
        return (put_back(site, emit, result, axes), *weights, *present, *own)

    def _refused(self, site: AttentionSite) -> Refusal | None:
        """Return why the operator is not for this target, None where it is."""
        if site.cap and self.target == "ort-cpu" and not self.fuse_all:
            return Refusal(site.anchor, "soft-capped attention", RIGHT, PLAIN_CAP,
                remedy="--fuse-all fuses it all the same", kind=Kind.LEFT_PLAIN,
            )  # fmt: skip
        if site.weights is not None and self.target == "ort-cuda":
            return Refusal(site.anchor, "Attention", RIGHT, NO_WEIGHTS,
                remedy="return no attention weights from the model", kind=Kind.UNSUPPORTED,
            )  # fmt: skip
        return None

    def _takes_rank3(self, site: AttentionSite) -> bool:
        """Whether queries, keys and values can go in as they leave their projections."""
        known = axis_size(site.heads).const is not None and axis_size(site.kv_heads).const
        guarded = self.target != "ort-cpu" and site.zero_rows and bool(site.mask)
        return bool(known) and site.row_scale is None and not guarded and not _apart(site)

    def _mask(
        self, site: AttentionSite, emit: Emitter, kind: ir.DataType
    ) -> tuple[ir.Value | None, ir.Value | None]:
        """Return the mask, and the guard that empty rows need where the runtime gives no zeros."""
        if self.target != "ort-cpu":
            return mask_and_guard(site, emit, kind)
        finite = not site.zero_rows
        return MaskBuilder(site, emit, kind, boolean=True, finite=finite).build(), None


def _apart(site: AttentionSite) -> bool:
    """Whether keys and values lie head by head, as a cache keeps them.

    Rank 3 would transpose all of them in every step; rank 4 transposes only the queries.
    """
    heads = (site.batch, site.kv_heads, site.new_keys)
    key, value = (*heads, site.size), (*heads, site.value_size)
    return site.cache is None and lies_as(site.k, key) and lies_as(site.v, value)


def _attention(
    site: AttentionSite,
    emit: Emitter,
    inputs: Sequence[ir.Value | None],
    attrs: dict[str, object],
    raw: ir.Value | None,
) -> tuple[ir.Value, tuple[ir.Value, ...], tuple[ir.Value, ...]]:
    """Return the operator's result, the weights where the site returns them, the new cache."""
    cached = len(inputs) > 4
    if site.weights is None:
        result, *present = emit.op("Attention", inputs, attrs, outputs=3 if cached else 1)
        return result, (), tuple(present)
    attrs = attrs | {"qk_matmul_output_mode": PROBABILITIES}
    result, key, value, probs = emit.op("Attention", inputs, attrs, outputs=4)
    axes = (site.batch, site.heads, site.rows, site.keys)
    probs = without_empty_rows(emit, probs, raw, emit.facts.dtype(probs) or ir.DataType.FLOAT)
    weights = relayout(emit, View(probs, axes, axes), site.weights.axes)
    if not cached:  # not asked for, so not computed
        key.name = value.name = ""
    return result, (weights,), (key, value) if cached else ()


def _operands(
    site: AttentionSite, emit: Emitter, *, rank3: bool, joined: bool
) -> tuple[ir.Value, ir.Value, ir.Value, tuple[ir.Value, ...]]:
    """Return queries, keys, values, and the cache's new state where it is joined outside."""
    if rank3:
        return (*packed(site, emit), ())
    if not joined:
        q, k, v = per_head(site, emit)
        return row_scaled(site, emit, q), k, v, ()
    q = relayout(emit, site.q, (site.batch, site.heads, site.rows, site.size))
    k, v, present = joined_cache(site, emit)
    return row_scaled(site, emit, q), k, v, present
