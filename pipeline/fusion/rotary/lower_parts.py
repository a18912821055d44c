"""What the rotary lowerings share."""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.sizes.dims import ONE


def per_batch_row(cache: ir.Value, x: ir.Value, emit: Emitter) -> ir.Value:
    """Return a tensor of batch 1 repeated for each batch row of x, any other as it is.

    The other axes keep their sizes: an Expand to [batch, 1, ...] broadcasts both ways.
    """
    shape, batch = emit.facts.shape(cache), (emit.facts.shape(x) or (ONE,))[0]
    if shape is None or shape[0] == batch:
        return cache
    ones = [1] * (len(shape) - 1)
    if batch.const is not None:
        return emit.one("Expand", [cache, emit.ints([batch.const, *ones])])
    # read off an input of the graph where one has it, so that all layers share one Expand
    known = [v for v in emit.sources if (emit.facts.shape(v) or (ONE,))[0] == batch]
    rows = emit.one("Shape", [known[0] if known else x], {"start": 0, "end": 1})
    sizes = emit.one("Concat", [rows, emit.ints(ones)], {"axis": 0})
    return emit.one("Expand", [cache, sizes])
