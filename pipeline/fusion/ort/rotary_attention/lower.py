"""Rotations in front of GroupQueryAttention  ->  GroupQueryAttention with the rotation inside.

    GroupQueryAttention(RotaryEmbedding(q, cos, sin), RotaryEmbedding(k, cos, sin), v, ...)
      ->  GroupQueryAttention(q, k, v, ..., cos table, sin table, positions; do_rotary = 1)

Source: ONNX Runtime ContribOperators, GroupQueryAttention, and its CPU kernel's checks.
Exact: rounding only.
Applies when: the width that turns is a multiple of 16. The operator looks angles up in a table by
position; here the table is what the graph has computed, one row per token, and positions count
these rows. The kernel wants at least as many rows as positions in the cache, though nothing reads
them: zeros stand behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.attention.lower_parts import GROUP_QUERY
from pipeline.fusion.lowering import Exactness
from pipeline.fusion.ort.rotary_attention.find import RotaryAttentionSite
from pipeline.fusion.refusal import Kind, Refusal, Step
from pipeline.graph.rewriting.emit import Emitter

KERNEL = Step(1, 2)  # whether it takes this form
LONGEST, TABLES = 6, slice(7, 10)  # inputs: positions in the cache; cos, sin, positions of tokens


@dataclass(frozen=True)
class FuseAttentionRotary:
    """Lowers rotations before attention in place for ONNX Runtime's CPU provider."""

    name: str = "fuse_attention_rotary"
    targets: frozenset[str] = frozenset({"ort-cpu"})
    opset: int = 23
    source: str = GROUP_QUERY
    exact: Exactness = "rounding"

    def lower(self, site: RotaryAttentionSite, emit: Emitter) -> tuple[ir.Value, ...] | Refusal:
        """Return the attention's outputs."""
        if site.width % 16:
            reason = f"a width of {site.width} is no multiple of 16"
            return Refusal(site.anchor, site.form, KERNEL, reason,
                           kind=Kind.LEFT_PLAIN)  # fmt: skip
        node = site.anchor
        inputs = list(node.inputs)
        inputs[:2] = site.query, site.key
        longest = emit.one("Cast", [inputs[LONGEST]], {"to": ir.DataType.INT64.value})
        cos, sin = (self._table(x, longest, site.width // 2, emit) for x in (site.cos, site.sin))
        inputs[TABLES] = cos, sin, _counted(site.cos, emit)
        attrs = {name: attribute.value for name, attribute in node.attributes.items()}
        attrs |= {"do_rotary": 1, "rotary_interleaved": int(site.interleaved)}
        return emit.op(node.op_type, inputs, attrs, domain=node.domain, outputs=len(node.outputs))

    def _table(self, angles: ir.Value, longest: ir.Value, pairs: int, emit: Emitter) -> ir.Value:
        """Return [tokens + longest, pairs]: one row per token, then zeros."""
        kind = emit.facts.dtype(angles)
        assert kind is not None  # the operator before was typed
        zero = ir.tensor([0.0], dtype=kind)
        sizes = emit.one("Concat", [longest, emit.ints([pairs])], {"axis": 0})
        rest = emit.one("ConstantOfShape", [sizes], {"value": zero})
        rows = emit.one("Reshape", [angles, emit.ints([-1, pairs])])
        return emit.one("Concat", [rows, rest], {"axis": 0})


def _counted(angles: ir.Value, emit: Emitter) -> ir.Value:
    """Return 0, 1, ... as [batch, rows] for angles [batch, rows, pairs]."""
    sizes = emit.one("Shape", [angles], {"end": 2})
    tokens = emit.one("ReduceProd", [sizes], {"keepdims": 0})
    return emit.one("Reshape", [emit.one("Range", [0, tokens, 1]), sizes])
