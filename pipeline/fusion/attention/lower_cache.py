"""Caches that stay outside the operator: past and new tokens joined before it.

For a runtime whose operator takes no past, and for attentions whose operator sees one key more
than the cache holds (a sink).
"""

from __future__ import annotations

import onnx_ir as ir

from pipeline.fusion.attention.site import AttentionSite
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import relayout


def joined_cache(
    site: AttentionSite, emit: Emitter
) -> tuple[ir.Value, ir.Value, tuple[ir.Value, ...]]:
    """Return all keys and values as [batch, kv heads, keys, size], and the cache's new state.

    The new state is what the graph already concatenates, where it does; it is empty for a site
    without a cache.
    """
    cache, kv = site.cache, site.kv_heads
    if cache is not None and cache.present_key.producer() is not site.anchor:
        return cache.present_key, cache.present_value, (cache.present_key, cache.present_value)
    key = relayout(emit, site.k, (site.batch, kv, site.new_keys, site.size))
    value = relayout(emit, site.v, (site.batch, kv, site.new_keys, site.value_size))
    if cache is None:
        return key, value, ()
    key = emit.one("Concat", [cache.past_key, key], {"axis": 2})
    value = emit.one("Concat", [cache.past_value, value], {"axis": 2})
    return key, value, (key, value)
