"""Attention as ONNX text, in the spellings exporters use."""

# q, k, v: [B, S, 32] / [B, T, 32] with 4 heads of 8; `{scores}` turns `qk` into `s`.
HEADS = """hs = Constant<value_ints=[0, 0, 4, 8]>() back = Constant<value_ints=[0, 0, 32]>()
    half = Constant<value = float {0.3535534}>() zero = Constant<value = float {0.0}>()
    inf = Constant<value = float {-inf}>() low = Constant<value = float {-3.4028235e38}>()
    q4 = Reshape(q, hs) qh = Transpose<perm=[0, 2, 1, 3]>(q4)
    k4 = Reshape(k, hs) kh = Transpose<perm=[0, 2, 3, 1]>(k4)
    v4 = Reshape(v, hs) vh = Transpose<perm=[0, 2, 1, 3]>(v4)"""
TAIL = """o = MatMul(p, vh) ot = Transpose<perm=[0, 2, 1, 3]>(o) y = Reshape(ot, back)"""
PLAIN = "qk = MatMul(qh, kh) s = Mul(qk, half) p = Softmax<axis=-1>(s)"


def attention(core: str = PLAIN, extra: str = "", tail: str = TAIL, outputs: str = "") -> str:
    """Return the text of a graph with one attention."""
    return (
        f"(float[B,S,32] q, float[B,T,32] k, float[B,T,32] v{extra})"
        f" => (float[B,S,32] y{outputs}) {{ {HEADS} {core} {tail} }}"
    )


def masked(core: str, mask: str) -> str:
    """Return an attention with one more input, the mask."""
    return attention(core, f", {mask} m")


GROUPED = """(float[B,4,S,8] q, float[B,2,T,8] k, float[B,2,T,8] v) => (float[B,4,S,8] y) {
    half = Constant<value = float {0.3535534}>() two = Constant<value_ints=[2]>()
    wide = Constant<value_ints=[1, 1, 2, 1, 1]>()
    flat = Constant<value_ints=[0, 4, -1, 8]>()
    k5 = Unsqueeze(k, two) ke = Expand(k5, wide) kf = Reshape(ke, flat)
    v5 = Unsqueeze(v, two) ve = Expand(v5, wide) vf = Reshape(ve, flat)
    kt = Transpose<perm=[0, 1, 3, 2]>(kf) qk = MatMul(q, kt) s = Mul(qk, half)
    p = Softmax<axis=-1>(s) y = MatMul(p, vf) }"""

CACHED = """(float[B,4,S,8] q, float[B,4,S,8] k, float[B,4,S,8] v, float[B,4,P,8] pk,
    float[B,4,P,8] pv)
    => (float[B,4,S,8] y, float[B,4,T,8] nk, float[B,4,T,8] nv) {
    half = Constant<value = float {0.3535534}>()
    nk = Concat<axis=2>(pk, k) nv = Concat<axis=2>(pv, v)
    kt = Transpose<perm=[0, 1, 3, 2]>(nk) qk = MatMul(q, kt) s = Mul(qk, half)
    p = Softmax<axis=-1>(s) y = MatMul(p, nv) }"""

# batch and heads folded into one axis, as bmm-style code has it
FOLDED = """(float[B,S,32] q, float[B,S,32] k, float[B,S,32] v) => (float[B,S,32] y) {
    hs = Constant<value_ints=[0, 0, 4, 8]>() bmm = Constant<value_ints=[-1, 6, 8]>()
    half = Constant<value = float {0.3535534}>()
    four = Constant<value_ints=[-1, 4, 6, 8]>() back = Constant<value_ints=[0, 0, 32]>()
    q4 = Reshape(q, hs) qt = Transpose<perm=[0, 2, 1, 3]>(q4) qf = Reshape(qt, bmm)
    k4 = Reshape(k, hs) kt = Transpose<perm=[0, 2, 1, 3]>(k4) kf = Reshape(kt, bmm)
    v4 = Reshape(v, hs) vt = Transpose<perm=[0, 2, 1, 3]>(v4) vf = Reshape(vt, bmm)
    kk = Transpose<perm=[0, 2, 1]>(kf) qk = MatMul(qf, kk) s = Mul(qk, half)
    p = Softmax<axis=-1>(s) o = MatMul(p, vf) o4 = Reshape(o, four)
    ot = Transpose<perm=[0, 2, 1, 3]>(o4) y = Reshape(ot, back) }""".replace("B,S,32", "B,6,32")

EINSUM = """(float[B,S,4,8] q, float[B,T,4,8] k, float[B,T,4,8] v) => (float[B,S,4,8] y) {
    half = Constant<value = float {0.3535534}>()
    qk = Einsum<equation="bihd,bjhd->bhij">(q, k) s = Mul(half, qk) p = Softmax<axis=-1>(s)
    y = Einsum<equation="bhij,bjhd->bihd">(p, v) }"""

HEADS_LAST = """(float[B,S,4,8] q, float[B,T,4,8] k, float[B,T,4,8] v) => (float[B,S,4,8] y) {
    half = Constant<value = float {0.3535534}>()
    qk = Einsum<equation="bihd,bjhd->bijh">(q, k) s = Mul(half, qk)
    st = Transpose<perm=[0, 1, 3, 2]>(s) pt = Softmax<axis=-1>(st)
    p = Transpose<perm=[0, 1, 3, 2]>(pt)
    y = Einsum<equation="bijh,bjhd->bihd">(p, v) }"""

TWO_VALUES = attention(
    extra=", float[B,T,32] u",
    tail=TAIL
    + """ u4 = Reshape(u, hs) uh = Transpose<perm=[0, 2, 1, 3]>(u4) o2 = MatMul(p, uh)
    ot2 = Transpose<perm=[0, 2, 1, 3]>(o2) y2 = Reshape(ot2, back)""",
    outputs=", float[B,S,32] y2",
)

WEIGHTS = attention(outputs=", float[B,4,S,T] p")

# scores of keys by queries, softmax over the rows
SWAPPED = """(float[B,4,S,8] q, float[B,4,T,8] k, float[B,4,T,8] v) => (float[B,4,S,8] y) {
    half = Constant<value = float {0.3535534}>()
    qt = Transpose<perm=[0, 1, 3, 2]>(q) kq = MatMul(k, qt) s = Mul(kq, half)
    p = Softmax<axis=2>(s) pt = Transpose<perm=[0, 1, 3, 2]>(p) y = MatMul(pt, v) }"""

SINK = """(float[B,4,S,8] q, float[B,4,S,8] k, float[B,4,S,8] v, float[4] w) => (float[B,4,S,8] y) {
    half = Constant<value = float {0.3535534}>() shape4 = Constant<value_ints=[1, 4, 1, 1]>()
    one = Constant<value_ints=[1]>() zero = Constant<value_ints=[0]>()
    last = Constant<value_ints=[-1]>() end = Constant<value_ints=[-1]>()
    head = Shape<start=0, end=1>(q) rows = Shape<start=2, end=3>(q)
    four = Constant<value_ints=[4]>() to = Concat<axis=0>(head, four, rows, one)
    w4 = Reshape(w, shape4) wide = Expand(w4, to)
    kt = Transpose<perm=[0, 1, 3, 2]>(k) qk = MatMul(q, kt) s = Mul(qk, half)
    c = Concat<axis=-1>(s, wide) pc = Softmax<axis=-1>(c)
    p = Slice(pc, zero, end, last, one) y = MatMul(p, v) }"""

# a sink beside a cache: the present keys hold no sink
CACHED_SINK = (
    SINK.replace("float[4] w) =>", "float[4] w, float[B,4,P,8] pk, float[B,4,P,8] pv) =>")
    .replace("float[B,4,S,8] y)", "float[B,4,S,8] y, float[B,4,T,8] nk, float[B,4,T,8] nv)")
    .replace("kt = ", "nk = Concat<axis=2>(pk, k) nv = Concat<axis=2>(pv, v) kt = ")
    .replace("(k) qk", "(nk) qk")
    .replace("MatMul(p, v)", "MatMul(p, nv)")
)

CACHED_WEIGHTS = CACHED.replace("T,8] nv)", "T,8] nv, float[B,4,S,T] p)")
