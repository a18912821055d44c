"""The attention site: what every attention is, whatever operators spell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import onnx_ir as ir

from pipeline.fusion.site import Site
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.view import Axes, Axis, View, axis_size


@dataclass(frozen=True, eq=False)
class MaskStep:
    """One operation on the way from the scaled scores to the softmax.

    Kinds: `add` adds `view` times `factor`; `keep` replaces scores by `fill` where the boolean
    `view` is False (or True when `inverted`); `scale` multiplies the bias gathered so far.
    `loose`: an axis was only assumed to span the scores' and must be broadcast explicitly.
    """

    kind: Literal["add", "keep", "scale"]
    node: ir.Node
    view: View | None = None
    factor: float = 1.0
    fill: float = 0.0
    inverted: bool = False
    loose: bool = False


@dataclass(frozen=True, eq=False)
class Cache:
    """Past keys and values that the site concatenates in front of its own."""

    past_key: ir.Value
    past_value: ir.Value
    present_key: ir.Value
    present_value: ir.Value
    length: Dim


@dataclass(frozen=True, eq=False)
class AttentionSite(Site):
    """softmax(scale * Q K^T, soft-capped, biased and masked) V, in shared factors.

    Attributes:
        q, k, v: Views of the operands; `k` and `v` hold only the new tokens when `cache` is set.
        out: View whose base axes are the result's and whose axes are the replaced value's.
        batch, heads, groups: Batch factors; all query-head factors, key/value heads first; the
            trailing ones of them along which keys and values repeat.
        rows, keys, size, value_size: Factors of the query length, of the key length (past
            included), of the key's and of the value's head size.
        new_keys: Factors of the new tokens' key length (`keys` without a cache).
        scale: Constant factor of the products.
        row_scale: A value multiplied into the queries, or None.
        cap: Soft-cap, 0 when absent.
        mask: Steps in the order they apply.
        causal: The scores above the diagonal are masked (top left without a cache).
        zero_rows: Fully masked rows give zeros (a NaN guard or a mask after the softmax).
        sink: Extra logits per head that only take probability, or None.
        weights: The probabilities where others read them, too: an output beside the result,
            before those of the cache. None where nobody does.
    """

    q: View
    k: View
    v: View
    out: View
    batch: Axis
    heads: Axis
    groups: Axis
    rows: Axis
    keys: Axis
    size: Axis
    value_size: Axis
    scale: float
    new_keys: Axis = ()
    row_scale: View | None = None
    cap: float = 0.0
    mask: tuple[MaskStep, ...] = ()
    causal: bool = False
    zero_rows: bool = False
    sink: View | None = None
    cache: Cache | None = None
    weights: View | None = None
    native: bool = field(default=False, kw_only=True)

    @property
    def operands(self) -> frozenset[ir.Value]:
        """Where queries, keys and values come from, and the cache."""
        bases = {self.q.base, self.k.base, self.v.base}
        if self.cache is not None:
            bases |= {self.cache.past_key, self.cache.past_value}
        return frozenset(bases - self.evidence)

    @property
    def may_be_zero(self) -> frozenset[str]:
        """The past length."""
        return self.cache.length.symbols if self.cache is not None else frozenset()

    @property
    def kv_heads(self) -> Axis:
        """The head factors along which keys and values do not repeat."""
        return tuple(f for f in self.heads if f not in self.groups)

    @property
    def result_axes(self) -> Axes:
        """The result as [batch, rows, heads * value size]."""
        return (self.batch, self.rows, self.heads + self.value_size)

    @property
    def form(self) -> str:
        """Heads, size and mask in a few words."""
        heads, kv = axis_size(self.heads), axis_size(self.kv_heads)
        words = [f"{heads} heads" if heads == kv else f"{heads}/{kv} heads"]
        words.append(f"size {axis_size(self.size)}")
        if self.cache is not None:
            words.append("cache")
        kinds = [s.kind for s in self.mask]
        if self.causal:
            words.append("causal")
        if "keep" in kinds:
            words.append("boolean mask")
        if "add" in kinds:
            words.append(f"{kinds.count('add')} bias" if kinds.count("add") > 1 else "bias")
        if self.cap:
            words.append(f"soft-cap {self.cap:g}")
        if self.sink is not None:
            words.append("sink")
        if self.weights is not None:
            words.append("weights returned")
        return ", ".join(words)
