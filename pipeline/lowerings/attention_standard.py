"""softmax(scale * Q K^T + mask) V  ->  Attention(Q, K, V, mask), the standard operator.

Source: ONNX Attention, opset 23.
Exact: rounding only. Fully masked rows: averages stay averages, zeros stay zeros.
Applies when: any attention the recogniser fills; on ONNX Runtime's CPU a soft-cap is left written
out, since its kernel is 5 to 6 times slower than the plain nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.graph.emit import Emitter
from pipeline.graph.recognise.attention.site import AttentionSite
from pipeline.graph.sites import Refusal
from pipeline.graph.views import axis_size
from pipeline.lowerings.attention_parts import (
    MaskBuilder,
    mask_and_guard,
    packed,
    per_head,
    put_back,
    row_scaled,
    without_empty_rows,
)
from pipeline.lowerings.attention_sink import with_sink
from pipeline.lowerings.base import Exactness

PLAIN_CAP = "a soft-capped Attention is 5 to 6 times slower than plain nodes on this target"


@dataclass(frozen=True)
class FuseAttentionStandard:
    """Lowers attention to ai.onnx Attention for ONNX Runtime on CPU and for any other runtime.

    Attributes:
        fuse_all: Also emit forms that measure slower fused.
    """

    fuse_all: bool = False
    name: str = "fuse_attention_standard"
    construct: str = "attention"
    targets: frozenset[str] = frozenset({"onnx", "ort-cpu", "ort-cuda"})
    opset: int = 23
    source: str = "https://onnx.ai/onnx/operators/onnx__Attention.html"
    exact: Exactness = "rounding"
    target: str = "ort-cpu"

    def lower(self, site: AttentionSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal:
        """Return the result, and the present keys and values where the site has a cache."""
        if site.cap and self.target == "ort-cpu" and not self.fuse_all:
            return Refusal("attention", site.anchor, "soft-capped attention", 5, 5, PLAIN_CAP,
                           remedy="--fuse-all fuses it all the same", plain=True)  # fmt: skip
        heads, kv = axis_size(site.heads).const, axis_size(site.kv_heads).const
        rank3 = heads is not None and kv is not None and site.row_scale is None
        native_zeros = self.target == "ort-cpu"
        rank3 = rank3 and (native_zeros or not site.zero_rows or not site.mask)
        q, k, v = packed(site, emit) if rank3 else per_head(site, emit)
        q = q if rank3 else row_scaled(site, emit, q)
        kind = emit.facts.dtype(q) or ir.DataType.FLOAT
        raw: ir.Value | None = None
        if native_zeros:
            finite = not site.zero_rows
            mask = MaskBuilder(site, emit, kind, boolean=True, finite=finite).build()
        else:
            mask, raw = mask_and_guard(site, emit, kind)
        if site.sink is not None:
            k, v, mask = with_sink(site, emit, k, v, mask, kind, rank3=rank3)
        attrs: dict[str, object] = {"scale": site.scale}
        if rank3:
            attrs |= {"q_num_heads": heads, "kv_num_heads": kv}
        if site.causal:
            attrs["is_causal"] = 1
        if site.cap:
            attrs["softcap"] = site.cap
        cache = site.cache
        inputs = [q, k, v, mask]
        inputs += [cache.past_key, cache.past_value] if cache is not None else []
        outputs = emit.op("Attention", inputs, attrs, outputs=3 if cache is not None else 1)
        axes = (site.batch, site.rows, site.heads + site.value_size)
        if not rank3:
            axes4 = (site.batch, site.heads, site.rows, site.value_size)
            result = without_empty_rows(emit, outputs[0], raw, kind)
            return (put_back(site, emit, result, axes4), *outputs[1:])
        return (put_back(site, emit, outputs[0], axes), *outputs[1:])
