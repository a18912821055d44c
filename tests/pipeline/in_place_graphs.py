"""Attention over a cache of 12 positions as ONNX text: 4 query heads over 2, of size 16."""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from pipeline.judge import Judge
from pipeline.stages.optimize.candidate import Candidate

OPSET = 24
CAPACITY = 12
INPUTS = """float[B,S,64] q, float[B,S,32] k, float[B,S,32] v, int64[B,12] seen, int64[B] at,
    float[B,2,12,16] pk, float[B,2,12,16] pv"""
OUTPUTS = "float[B,S,64] y, float[B,2,12,16] nk, float[B,2,12,16] nv"
POSITIONS = "Constant<value_ints=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]>()"
# last [B,1,S,1]: where each new token is written; place [12]: every position of the cache
PLACES = f"""zero = Constant<value = int64 {{0}}>() one = Constant<value = int64 {{1}}>()
    rows1 = Shape<start=1, end=2>(q) rows = Squeeze(rows1) steps = Range(zero, rows, one)
    u1 = Constant<value_ints=[1]>() at2 = Unsqueeze(at, u1) last2 = Add(at2, steps)
    u13 = Constant<value_ints=[1, 3]>() last = Unsqueeze(last2, u13) place = {POSITIONS}"""
VISIBLE = """u12 = Constant<value_ints=[1, 2]>() sb = Cast<to=9>(seen) s4 = Unsqueeze(sb, u12)
    before = LessOrEqual(place, last) mask = And(before, s4)"""
HEADS = """hs = Constant<value_ints=[0, 0, 4, 16]>() ks = Constant<value_ints=[0, 0, 2, 16]>()
    q4 = Reshape({q}, hs) qh = Transpose<perm=[0, 2, 1, 3]>(q4)
    k4 = Reshape({k}, ks) kh = Transpose<perm=[0, 2, 1, 3]>(k4)
    v4 = Reshape({v}, ks) vh = Transpose<perm=[0, 2, 1, 3]>(v4)"""
CORE = """nk = TensorScatter<axis=-2>(pk, kh, at) nv = TensorScatter<axis=-2>(pv, vh, at)
    y4 = Attention<scale=0.25>(qh, nk, nv, mask)"""
BACK = """back = Constant<value_ints=[0, 0, 64]>() yt = Transpose<perm=[0, 2, 1, 3]>(y4)
    y = Reshape(yt, back)"""
HEAVY = "com.microsoft.GroupQueryAttention"
# what GroupQueryAttention is told beside its operands
LENGTHS = """own = Shape<start=1, end=2>(q) ends = Add(at, own)
    longest = ReduceMax<keepdims=1>(ends) batch = Shape(at)
    less = Constant<value_ints=[1]>() until = Sub(ends, less) until32 = Cast<to=6>(until)
    longest32 = Cast<to=6>(longest) all = Expand(own, batch) new32 = Cast<to=6>(all)
    start = Constant<value_ints=[0]>() axis = Constant<value_ints=[3]>()
    cut = Slice(mask, start, longest, axis)
    shown = Constant<value = float {0.0}>() hidden = Constant<value = float {-inf}>()
    bias = Where(cut, shown, hidden)"""
TOLD = "pk, pv, until32, longest32, {table}, bias, , , , , , new32"
UNTURNED = ", , "


def in_place(
    *, inputs: str = "", before: str = "", mask: str = VISIBLE, core: str = CORE, back: str = BACK,
    q: str = "q", k: str = "k", v: str = "v", outputs: str = "",
) -> str:  # fmt: skip
    """Return the graph with the operators of ai.onnx; `before` may compute q, k and v."""
    heads = HEADS.format(q=q, k=k, v=v)
    body = f"{before} {PLACES} {mask} {heads} {core} {back}"
    return f"({INPUTS}{inputs}) => ({OUTPUTS}{outputs}) {{ {body} }}"


def fused(
    *, inputs: str = "", before: str = "", mask: str = VISIBLE, q: str = "q", k: str = "k",
    v: str = "v", table: str = UNTURNED, body: str = "", attrs: str = "", outputs: str = "",
) -> str:  # fmt: skip
    """Return the graph with GroupQueryAttention."""
    told = TOLD.format(table=table)
    heavy = f"{HEAVY}<num_heads=4, kv_num_heads=2, scale=0.25{attrs}>({q}, {k}, {v}, {told})"
    body = f"{before} {PLACES} {mask} {LENGTHS} {body} y, nk, nv = {heavy}"
    return f"({INPUTS}{inputs}) => ({OUTPUTS}{outputs}) {{ {body} }}"


def feeds_of(model: ir.Model, batch: int, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return values for a model's inputs: rows stand at different places, some see nothing."""
    random = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.inputs:
        known = {"B": batch, "S": rows}
        shape = [d if isinstance(d, int) else known[str(d.value)] for d in value.shape]
        feeds[value.name] = random.normal(size=shape).astype(value.dtype.numpy())
    feeds["seen"] = (random.random((batch, CAPACITY)) < 0.7).astype(np.int64)
    feeds["seen"][0, :2] = 0  # left padding
    feeds["at"] = random.integers(0, CAPACITY - rows + 1, batch)
    return feeds


def differences(before: ir.Model, after: ir.Model) -> Iterator[tuple[str, float]]:
    """Yield (output, largest difference to float64 over the largest value) for some sizes."""
    candidate, judge = Candidate(after), Judge(before, "float64")
    assert not candidate.failure
    for batch, rows in ((1, 1), (3, 1), (2, 5), (1, CAPACITY)):
        feeds = feeds_of(before, batch, rows, seed=rows)
        wanted, found = judge.run(feeds), candidate.run(feeds)
        for name, value in wanted.items():
            want = value.numpy()
            yield name, float(np.abs(found[name] - want).max() / np.abs(want).max())
