"""Norms, attention and rotary operators, standard and com.microsoft."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.graph.inference.call import Call, Dims, Infer, Info, axis_of
from pipeline.graph.inference.elementwise import same_as_input
from pipeline.graph.sizes.dims import ONE, Dim

INT32 = ir.DataType.INT32


def _layer_norm(call: Call) -> Sequence[Info]:
    x = call.info(0)
    axis = None if x.shape is None else axis_of(call.int_attr("axis", -1), len(x.shape))
    if x.shape is None or axis is None:
        return [x._replace(ints=None), Info(), Info()]
    statistics = Info((*x.shape[:axis], *(ONE for _ in x.shape[axis:])), ir.DataType.FLOAT)
    return [Info(x.shape, x.dtype), statistics, statistics]


def _batch_norm(call: Call) -> Sequence[Info]:
    x = call.info(0)
    return [Info(x.shape, x.dtype), *(Info(call.shape(i), call.dtype(i)) for i in (3, 4))]


def _skip_norm(call: Call) -> Sequence[Info]:
    x = call.info(0)
    shape = call.unifier.broadcast(x.shape, call.shape(1))
    full = Info(shape, x.dtype)
    statistics = Info(None if not shape else (*shape[:-1], ONE), ir.DataType.FLOAT)
    return [full, statistics, statistics, full]


def _embed_norm(call: Call) -> Sequence[Info]:
    ids, table = call.shape(0), call.shape(2)
    if ids is None or table is None:
        return [Info(call.fresh(3), call.dtype(2)), Info(None, INT32), Info(None, call.dtype(2))]
    full = Info((*ids, table[-1]), call.dtype(2))
    return [full, Info(ids[:1], INT32), full]


def _heads(call: Call, index: int, attribute: str) -> tuple[Dim, Dim, Dim, Dim] | None:
    """Return (batch, heads, length, head size) of a query, key or value of rank 3 or 4."""
    x = call.shape(index)
    if x is not None and len(x) == 4:
        return x[0], x[1], x[2], x[3]
    heads = call.int_attr(attribute)
    if x is None or len(x) != 3 or heads <= 0:
        return None
    return x[0], Dim.of(heads), x[1], x[2] // heads


def _attention(call: Call) -> Sequence[Info]:
    """Infer ai.onnx Attention."""
    dtype, rank = call.dtype(0), call.rank(0)
    query = _heads(call, 0, "q_num_heads")
    key, value = _heads(call, 1, "kv_num_heads"), _heads(call, 2, "kv_num_heads")
    if query is None or key is None or value is None:
        return [Info(None if rank is None else call.fresh(rank), dtype)] + [
            Info(call.fresh(4), dtype)
        ] * 3
    batch = call.unifier.unify(query[0], key[0])
    total = key[2]
    past = call.shape(4) if call.has(4) else None
    if call.has(4):
        total = call.unifier.fresh() if past is None or len(past) != 4 else past[2] + key[2]
    total = call.unifier.unify(value[2] + (total - key[2]), total)
    out: Dims = (batch, query[1], query[2], value[3])
    if rank == 3:
        out = (batch, query[2], query[1] * value[3])
    infos = [
        Info(out, dtype),
        Info((batch, key[1], total, key[3]), call.dtype(1)),
        Info((batch, value[1], total, value[3]), call.dtype(2)),
        Info((batch, query[1], query[2], total), dtype),
    ]
    return [Info(call.unifier.resolve(i.shape), i.dtype) for i in infos]


def _multi_head(call: Call) -> Sequence[Info]:
    """Infer com.microsoft MultiHeadAttention."""
    q, k, v = call.shape(0), call.shape(1), call.shape(2)
    heads, dtype = call.int_attr("num_heads", 1), call.dtype(0)
    unknown = Info(call.fresh(4), dtype)
    if q is None or len(q) not in (3, 5):
        return [Info(call.fresh(3), dtype), unknown, unknown, unknown]
    if len(q) == 5:  # packed [batch, length, heads, 3, head size]
        size, width, length, kv = q[4], q[2] * q[4], q[1], q[1]
    elif v is not None and len(v) == 4:
        size, width, length, kv = v[3], v[3] * heads, q[1], v[2]
    elif v is not None:
        size, width, length, kv = v[2] // heads, v[2], q[1], v[1]
    else:  # packed key and value [batch, length, heads, 2, head size], or self-attention
        packed = k is not None and len(k) == 5
        size, width, length = q[2] // heads, q[2], q[1]
        kv = k[1] if k is not None and packed else q[1]
    past = call.shape(6)
    total = kv if past is None or len(past) != 4 else past[2] + kv
    present = Info((q[0], Dim.of(heads), total, size), dtype)
    scores = Info((q[0], Dim.of(heads), length, total), dtype)
    if call.has(6) and (call.has(8) or past is None):
        present, scores = unknown, unknown  # a shared buffer keeps its own length
    return [Info((q[0], length, width), dtype), present, present, scores]


def _packed_attention(call: Call) -> Sequence[Info]:
    """Infer com.microsoft Attention, whose weights are inputs."""
    x, weights, dtype = call.shape(0), call.shape(1), call.dtype(0)
    if x is None or weights is None or len(x) != 3:
        return [Info(call.fresh(3), dtype), Info(call.fresh(5), dtype)]
    sizes = call.ints_attr("qkv_hidden_sizes")
    width = Dim.of(sizes[2]) if sizes else weights[-1] // 3
    heads, past = call.int_attr("num_heads", 1), call.shape(4)
    shared = call.int_attr("past_present_share_buffer") or (call.has(4) and past is None)
    total = x[1] + (past[3] if past is not None and len(past) == 5 else 0)
    length = call.unifier.fresh() if shared else total
    present = (Dim.of(2), x[0], Dim.of(heads), length, width // heads)
    return [Info((x[0], x[1], width), dtype), Info(present, dtype)]


def _grouped_query(call: Call) -> Sequence[Info]:
    """Infer com.microsoft GroupQueryAttention."""
    q, k, dtype = call.shape(0), call.shape(1), call.dtype(0)
    heads, kv_heads = call.int_attr("num_heads", 1), call.int_attr("kv_num_heads", 1)
    if q is None or len(q) != 3:
        return [Info(call.fresh(3), dtype)] + [Info(call.fresh(4), dtype)] * 2
    size = q[2] // heads if call.has(1) else q[2] // (heads + 2 * kv_heads)
    past, total = call.shape(3), call.known_ints(6)
    fresh = k[1] if k is not None and len(k) == 3 else q[1]
    if not call.has(3):
        length = fresh
    elif past is None or len(past) != 4 or total is None:
        length = call.unifier.fresh()
    else:  # a capacity buffer keeps its length, a growing one gets the total
        length = total[0] if total[0] == past[2] + fresh else past[2].maximum(total[0])
    present = Info((q[0], Dim.of(kv_heads), length, size), call.dtype(3) or dtype)
    scores = Info((q[0], Dim.of(heads), q[1], length), dtype)
    return [Info((q[0], q[1], size * heads), dtype), present, present, scores]


def _bias_split_gelu(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    return [Info(None if not x else (*x[:-1], x[-1] // 2), call.dtype(0))]


NORMS = (
    "RMSNormalization", "GroupNormalization", "InstanceNormalization", "LRN", "RotaryEmbedding",
    "SimplifiedLayerNormalization",
)  # fmt: skip

TABLE: dict[str, Infer] = {
    **dict.fromkeys(NORMS, same_as_input),
    "LayerNormalization": _layer_norm,
    "SimplifiedLayerNormalization": _layer_norm,
    "BatchNormalization": _batch_norm,
    "Attention": _attention,
}
CONTRIB: dict[str, Infer] = {
    **dict.fromkeys(
        ("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "RotaryEmbedding", "GroupNorm"),
        same_as_input,
    ),
    "SkipLayerNormalization": _skip_norm,
    "SkipSimplifiedLayerNormalization": _skip_norm,
    "EmbedLayerNormalization": _embed_norm,
    "MultiHeadAttention": _multi_head,
    "Attention": _packed_attention,
    "GroupQueryAttention": _grouped_query,
    "BiasSplitGelu": _bias_split_gelu,
}
