"""Attention sinks by one more key: a zero key whose score is the sink, with a zero value.

softmax([s, sink])[:-1] V  ==  softmax([q k^T, q 0^T] + [mask, sink]) [V, 0]. Exact.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.fusion.attention.lower_parts import mask_shape
from pipeline.fusion.attention.site import AttentionSite
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import relayout
from pipeline.graph.sizes.dims import ONE
from pipeline.graph.views.view import axis_size


def with_sink(
    site: AttentionSite,
    emit: Emitter,
    key: ir.Value,
    value: ir.Value,
    mask: ir.Value | None,
    kind: ir.DataType,
    *,
    rank3: bool,
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return keys, values and mask with the sink as one more key at the end."""
    assert site.sink is not None
    axis = 1 if rank3 else 2
    batch, heads, rows = (axis_size(a) for a in (site.batch, site.heads, site.rows))
    longer = [_with_zero(emit, x, axis) for x in (key, value)]
    held = {f for a in site.sink.source for f in a}
    groups = tuple(
        g if any(f in held for f in g) else () for g in (site.batch, site.heads, site.rows, ())
    )
    sink = relayout(emit, site.sink, groups)
    column = emit.one("Expand", [sink, mask_shape(site, emit, [batch, heads, rows, ONE])])
    if mask is None:
        zeros = emit.const(np.zeros((), dtype=kind.numpy()))
        keys = axis_size(site.keys)
        mask = emit.one("Expand", [zeros, mask_shape(site, emit, [batch, heads, rows, keys])])
    elif emit.facts.dtype(mask) == ir.DataType.BOOL:
        low = emit.const(np.asarray(-np.inf, dtype=kind.numpy()))
        mask = emit.one("Where", [mask, emit.const(np.zeros((), dtype=kind.numpy())), low])
    full = mask_shape(site, emit, [batch, heads, ONE, ONE])
    wide = emit.one("Expand", [mask, full])
    return longer[0], longer[1], emit.one("Concat", [wide, column], {"axis": -1})


def _with_zero(emit: Emitter, tensor: ir.Value, axis: int) -> ir.Value:
    """Append one zero along the key axis, the last but one."""
    rank = axis + 2
    pads = [0] * (2 * rank)
    pads[rank + axis] = 1
    return emit.one("Pad", [tensor, emit.ints(pads)], {"mode": "constant"})
