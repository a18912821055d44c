"""Caches that stay outside the operator: past and new tokens joined before it.

For a runtime whose operator takes no past, and for attentions whose operator sees one key more
than the cache holds (a sink).
"""

from __future__ import annotations

import onnx_ir as ir

from pipeline.graph.emit import Emitter
from pipeline.graph.recognise.attention.site import AttentionSite
from pipeline.graph.relayout import relayout


def joined_cache(
    site: AttentionSite, emit: Emitter
) -> tuple[ir.Value, ir.Value, tuple[ir.Value, ...]]:
    """Return all keys and values as [batch, kv heads, keys, size], and the cache's new state.

    The new state is what the graph already concatenates, where it does; it is empty for a site
    without a cache.
    """
    cache, kv = site.cache, site.kv_heads
    layouts = [(site.batch, kv, site.new_keys, size) for size in (site.size, site.value_size)]
    new = [relayout(emit, x, axes) for x, axes in zip((site.k, site.v), layouts, strict=True)]
    if cache is None:
        return new[0], new[1], ()
    present = [cache.present_key, cache.present_value]
    if cache.present_key.producer() is site.anchor:
        pasts = (cache.past_key, cache.past_value)
        present = [emit.one("Concat", [p, n], {"axis": 2}) for p, n in zip(pasts, new, strict=True)]
    return present[0], present[1], tuple(present)
