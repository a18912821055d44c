"""The table of lowerings and their five cases; `test_every_lowering.py` runs it.

Each row holds the graph before and after, the nearest graph that must stay, every refusal with
its reason, and the graph with a second reader of something inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from pipeline.fusion.activation.find import find_activations
from pipeline.fusion.activation.lower_quick_gelu import FuseQuickGelu
from pipeline.fusion.activation.lower_standard import FuseGelu, FuseSwish
from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_cuda import FuseAttentionCuda
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.attention.lower_tensorrt import FuseAttentionTensorrt
from pipeline.fusion.lowering import Lowering
from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_outer_epsilon import FuseLayerNormOuterEpsilon
from pipeline.fusion.norm.lower_standard import FuseLayerNorm, FuseRmsNorm
from pipeline.fusion.ort.bias_gelu.find import find_bias_gelus
from pipeline.fusion.ort.bias_gelu.lower import FuseBiasGelu
from pipeline.fusion.ort.embedding_norm.find import find_embeddings
from pipeline.fusion.ort.embedding_norm.lower import FuseEmbeddingNorm
from pipeline.fusion.ort.in_place.find import find_attention_in_place
from pipeline.fusion.ort.in_place.lower import FuseAttentionInPlace
from pipeline.fusion.ort.packed_attention.find import find_packed_attention
from pipeline.fusion.ort.packed_attention.lower import FuseAttentionPacked
from pipeline.fusion.ort.residual_norm.find import find_residual_norms
from pipeline.fusion.ort.residual_norm.lower import FuseSkipLayerNorm, FuseSkipRmsNorm
from pipeline.fusion.ort.rotary_attention.find import find_rotary_attention
from pipeline.fusion.ort.rotary_attention.lower import FuseAttentionRotary
from pipeline.fusion.packing.find import find_packings
from pipeline.fusion.packing.lower import SplitBeforeTranspose
from pipeline.fusion.rotary.find import find_rotaries
from pipeline.fusion.rotary.lower_standard import FuseRotary
from pipeline.fusion.rotary_repair.find import find_rotary_repairs
from pipeline.fusion.rotary_repair.lower import RepairRotaryBatch
from pipeline.fusion.softmax.find import find_softmaxes
from pipeline.fusion.softmax.lower import FuseSoftmax
from tests.pipeline import attention_graphs, in_place_graphs
from tests.pipeline.fusion.activation import test_lower_quick_gelu as quick
from tests.pipeline.fusion.activation import test_lower_standard as gelu
from tests.pipeline.fusion.norm import test_lower_outer_epsilon as outer
from tests.pipeline.fusion.norm import test_lower_standard as norm
from tests.pipeline.fusion.ort.bias_gelu import test_lower as bias
from tests.pipeline.fusion.ort.embedding_norm import test_lower as embedding
from tests.pipeline.fusion.ort.packed_attention import test_lower as packed
from tests.pipeline.fusion.ort.residual_norm import test_lower as residual
from tests.pipeline.fusion.ort.rotary_attention import test_lower as turned
from tests.pipeline.fusion.packing import test_find as packing
from tests.pipeline.fusion.packing import test_lower as split
from tests.pipeline.fusion.rotary import test_lower_standard as rotary
from tests.pipeline.fusion.rotary_repair import test_lower as repair
from tests.pipeline.fusion.softmax import test_lower as softmax
from tests.pipeline.text_graphs import Finder, feeds_of

Refused = tuple[Lowering[Any], str, str]  # the lowering as chosen, a graph, the reason


@dataclass(frozen=True)
class Row:
    """One lowering.

    Attributes:
        lowering, find: What is shown, and what finds its sites.
        before, after: A graph and what becomes of it.
        unlike: The nearest graph that stays as it is.
        second: A graph in which something inside is read once more.
        stays: An operator of it that stays for that reader; empty where the whole site does.
        rtol: Allowed difference from float64 over the largest value, with its reason beside it.
        refused: Every reason the lowering itself refuses for.
        opset: Of the graphs.
        feeds: Makes inputs.
    """

    lowering: Lowering[Any]
    find: Finder
    before: str
    after: str
    unlike: str
    second: str
    stays: str
    rtol: float
    refused: tuple[Refused, ...] = ()
    opset: int = 23
    feeds: Callable[[ir.Model], Mapping[str, np.ndarray]] = feeds_of


def placed(model: ir.Model) -> dict[str, np.ndarray]:
    """Return inputs of attention in place."""
    return in_place_graphs.feeds_of(model, batch=2, rows=3)


CAPPED = attention_graphs.attention(
    "c = Constant<value = float {5.0}>() qk = MatMul(qh, kh) t = Mul(qk, half) d = Div(t, c)"
    " h = Tanh(d) s = Mul(h, c) p = Softmax<axis=-1>(s)"
)
HEADS = "(float[B,S,32] q, float[B,T,32] k, float[B,T,32] v) => (float[B,S,32] y)"
SCALE = "scale=0.35355338"
OVER_HEADS = attention_graphs.attention(attention_graphs.PLAIN.replace("axis=-1", "axis=1"))
SCORES_READ = attention_graphs.attention(outputs=", float[B,4,S,T] qk")
VARYING = attention_graphs.EINSUM.replace("T,4,8] v", "T,4,W] v").replace(
    "(float[B,S,4,8] y)", "(float[B,S,4,W] y)"
)
CAUSAL = """(float[B,4,S,8] q, float[B,4,S,8] k, float[B,4,S,8] v, bool[B,1,S,S] m)
    => (float[B,4,S,8] y) { y = Attention<is_causal=1>(q, k, v, m) }"""
IN_BRANCHES = """(bool which, float[2,2,S,8] q, float[2,2,S,8] k) => (float[2,2,S,8] y) {
    y = If(which) <
        then_branch = one () => (float[2,2,S,8] a) {
            kt = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, kt) p = Softmax<axis=-1>(s)
            a = MatMul(p, k) },
        else_branch = two () => (float[2,2,S,8] b) { b = Neg(q) }
    > }"""

ATTENTION = (
    Row(
        FuseAttentionStandard(), find_attention,
        before=attention_graphs.attention(),
        after=f"{HEADS} {{ y = Attention<{SCALE}, q_num_heads=4, kv_num_heads=4>(q, k, v) }}",
        unlike=OVER_HEADS,
        second=SCORES_READ, stays="MatMul",
        rtol=2e-6,  # float32: two products of length 8 and a softmax
        refused=(
            (FuseAttentionStandard(), CAPPED, "5 to 6 times slower than plain nodes"),
            (FuseAttentionStandard(target="ort-cuda"), attention_graphs.WEIGHTS,
             "attention weights are used"),
        ),
    ),
    Row(
        FuseAttentionCuda(), find_attention,
        before=attention_graphs.attention(),
        after=f"{HEADS} {{ y = com.microsoft.MultiHeadAttention<num_heads=4, {SCALE}>(q, k, v) }}",
        unlike=attention_graphs.GROUPED,
        second=SCORES_READ, stays="MatMul",
        rtol=2e-6,  # as above
    ),
    Row(
        FuseAttentionTensorrt(), find_attention,
        before=attention_graphs.attention(),
        after=f"""{HEADS} {{ hs = Constant<value_ints=[0, 0, 4, 8]>()
            back = Constant<value_ints=[0, 0, 32]>() c = Constant<value = float {{0.3535534}}>()
            q4 = Reshape(q, hs) qh = Transpose<perm=[0, 2, 1, 3]>(q4) qs = Mul(qh, c)
            k4 = Reshape(k, hs) kh = Transpose<perm=[0, 2, 1, 3]>(k4)
            v4 = Reshape(v, hs) vh = Transpose<perm=[0, 2, 1, 3]>(v4)
            o = Attention<scale=1.0>(qs, kh, vh)
            ot = Transpose<perm=[0, 2, 1, 3]>(o) y = Reshape(ot, back) }}""",
        unlike=OVER_HEADS,
        second=SCORES_READ, stays="MatMul",
        rtol=2e-6,  # as above
        refused=(
            (FuseAttentionTensorrt(), CAPPED, "takes no soft-cap (here 5)"),
            (FuseAttentionTensorrt(), attention_graphs.WEIGHTS, "one output: no weights"),
            (FuseAttentionTensorrt(), VARYING, "wants values as wide as keys, here W and 8"),
            (FuseAttentionTensorrt(), CAUSAL, "causal masking or a mask, not both"),
            (FuseAttentionTensorrt(), IN_BRANCHES, "inside a branch or a loop"),
        ),
    ),
)  # fmt: skip

SEES_LATER = in_place_graphs.in_place(
    mask=f"{in_place_graphs.VISIBLE.split('before')[0]} mask = Identity(s4)"
)
OWN_MASKS = in_place_graphs.in_place(
    mask=in_place_graphs.VISIBLE.replace(
        "mask = And(before, s4)",
        "four = Constant<value_ints=[1, 4, 1, 1]>() all = And(before, s4) mask = Expand(all, four)",
    )
)
SIZE_20 = in_place_graphs.in_place().replace("16", "20").replace("64]", "80]")
IN_PLACE = (
    Row(
        FuseAttentionInPlace(), find_attention_in_place,
        before=in_place_graphs.in_place(),
        after=in_place_graphs.fused(),
        unlike=SEES_LATER,
        second=in_place_graphs.in_place(outputs=", float[B,4,S,16] y4"), stays="Transpose",
        rtol=1e-5,  # float32 sums of 16 products, in another order
        refused=(
            (FuseAttentionInPlace(), in_place_graphs.in_place().replace("float[", "double["),
             "takes no DOUBLE"),
            (FuseAttentionInPlace(), SIZE_20.replace("32]", "40]"), "20 is no multiple of 8"),
            (FuseAttentionInPlace(half=True), OWN_MASKS, "heads have masks of their own"),
        ),
        opset=in_place_graphs.OPSET, feeds=placed,
    ),
    Row(
        FuseAttentionRotary(), find_rotary_attention,
        before=turned.turned(),
        after=in_place_graphs.fused(
            inputs=turned.ANGLES.format(8), table="cost, sint, ids", body=turned.TABLE,
            attrs=", do_rotary=1, rotary_interleaved=0",
        ),
        unlike=turned.turned(k="k"),
        second=turned.turned(
            before=turned.TURN.format(0, "") + " z = Neg(kr)", outputs=", float[B,S,32] z"
        ),
        stays="",
        rtol=1e-5,  # as above
        refused=(
            (FuseAttentionRotary(), turned.turned(pairs=4, more=", rotary_embedding_dim=8"),
             "a width of 8 is no multiple of 16"),
        ),
        opset=in_place_graphs.OPSET, feeds=placed,
    ),
    Row(
        FuseAttentionPacked(), find_packed_attention,
        before=packed.weighted(packed.PLAIN),
        after=packed.weighted(packed.text(packed.PACKED, "a1", "", "")),
        unlike=packed.weighted(packed.OTHER["one bias of three"]),
        second=packed.weighted(packed.OTHER["a product read elsewhere"]), stays="",
        rtol=1e-5,  # float32 sums of 24 products, in another order
        opset=in_place_graphs.OPSET, feeds=placed,
    ),
)  # fmt: skip

NORM_READ = """(float[B,S,8] x, float[8] w, float[8] b) => (float[B,S,8] y, float[B,S,1] t)
    {{ {body} t = Neg({inner}) }}"""
NORMS = (
    Row(
        FuseLayerNorm(), find_norms,
        *norm.CASES["LayerNorm"],
        unlike=norm.graph(norm.RMS + "y = Mul(w, z)"),
        second=NORM_READ.format(
            body=norm.CONST + norm.LAYER + "s = Mul(z, w) y = Add(s, b)", inner="m"
        ),
        stays="ReduceMean",
        rtol=5e-6,  # sums of a few numbers in another order, float32
    ),
    Row(
        FuseRmsNorm(), find_norms,
        *norm.CASES["RMSNorm"],
        unlike=norm.graph(norm.LAYER + "s = Mul(z, w) y = Add(s, b)"),
        second=NORM_READ.format(body=norm.CONST + norm.RMS + "y = Mul(z, w)", inner="v"),
        stays="ReduceMean",
        rtol=5e-6,  # as above
    ),
    Row(
        FuseLayerNormOuterEpsilon(), find_norms,
        before=outer.BEFORE,
        after=outer.AFTER,
        unlike=outer.BEFORE.replace("r = Sqrt(v) re = Add(r, eps)", "e = Add(v, eps) re = Sqrt(e)"),
        second=NORM_READ.format(
            body=outer.BODY + " z = Div(d, re) s = Mul(z, w) y = Add(s, b)", inner="re"
        ),
        stays="Sqrt",
        rtol=5e-6,  # as above
        refused=(
            (FuseLayerNormOuterEpsilon(target="tensorrt"), outer.BEFORE,
             "parser takes no LayerNormalization with the outputs that this needs"),
        ),
    ),
)  # fmt: skip

HALVES = "h = Mul(x, half) y = Mul(h, p)"
ACTIVATIONS = (
    Row(
        FuseGelu(), find_activations,
        *gelu.CASES["erf"],
        unlike=gelu.graph(gelu.ERF.replace("root2", "three") + HALVES),
        second=gelu.graph(gelu.ERF + HALVES + " t = Neg(e)").replace(
            "y) {", "y, float[B,S,8] t) {"
        ),
        stays="Erf",
        rtol=2e-6,  # the operator's polynomial against the plain nodes', float32
    ),
    Row(
        FuseSwish(), find_activations,
        before=gelu.SILU,
        after=gelu.graph("y = Swish<alpha=1.0>(x)", ""),
        unlike=gelu.graph("s = Sigmoid(x) y = Mul(s, u)"),
        second=gelu.SILU.replace("y = ", "t = Neg(s) y = ").replace(
            "y) {", "y, float[B,S,8] t) {"
        ),
        stays="Sigmoid",
        rtol=2e-6,  # exponentials in float32
        opset=24,
    ),
    Row(
        FuseQuickGelu(), find_activations,
        *quick.CASES["quick gelu"],
        unlike=quick.graph("z = Mul(x, k) s = Sigmoid(z) y = Mul(u, s)"),
        second=quick.graph("z = Mul(x, k) s = Sigmoid(z) y = Mul(x, s) t = Neg(s)").replace(
            "=> (float[B,S,8] y)", "=> (float[B,S,8] y, float[B,S,8] t)"
        ),
        stays="Sigmoid",
        rtol=2e-6,  # as above
    ),
    Row(
        FuseBiasGelu(), find_bias_gelus,
        *bias.CASES["erf"],
        unlike="(float[B,S,8] x, float[B,S,8] b) => (float[B,S,8] y) { s = Add(b, x) y = Gelu(s) }",
        second="""(float[B,S,8] x, float[8] b) => (float[B,S,8] y, float[B,S,8] t) {
            s = Add(b, x) y = Gelu(s) t = Neg(s) }""",
        stays="",
        rtol=2e-6,  # two polynomials of erf, float32
    ),
)  # fmt: skip

SUMS = "m = ReduceMax(x, axes) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, axes)"
REPAIRED = repair.FULL.format(ones="[1, 1]")
LAYOUTS = (
    Row(
        FuseSoftmax(), find_softmaxes,
        *softmax.CASES["last axis"],
        unlike=softmax.graph(SUMS + " y = Mul(e, s)"),
        second=softmax.graph(SUMS + " y = Div(e, s) t = Neg(e)").replace(
            "=> (float[B,S,8] y)", "=> (float[B,S,8] y, float[B,S,8] t)"
        ),
        stays="Exp",
        rtol=1e-6,  # probabilities in float32
    ),
    Row(
        SplitBeforeTranspose(), find_packings,
        before=packing.HEAD.format(outputs=packing.DROPPED, body=packing.GATHERS),
        after=split.AFTER,
        unlike=packing.OTHER["parts of every head"],
        second=packing.OTHER["the whole is read too"], stays="",
        rtol=0.0,  # the same numbers in other places
    ),
    Row(
        FuseRotary(), find_rotaries,
        *rotary.CASES["a row for each batch"],
        unlike=rotary.graph(
            rotary.HEADS_1 + rotary.TURN.replace("Neg(hi)", "Identity(hi)"), f="B,S,4"
        ),
        second=rotary.graph(rotary.HEADS_1 + rotary.TURN + " t = Neg(xs)", f="B,S,4").replace(
            "y) {", "y, float[B,2,S,8] t) {"
        ),
        stays="Mul",
        rtol=1e-6,  # one product and one sum in float32
    ),
    Row(
        RepairRotaryBatch(), find_rotary_repairs,
        before=repair.graph("B", "y = RotaryEmbedding(x, c, s)"),
        after=repair.graph(
            "B",
            f"{REPAIRED} cc = Expand(c, to) ss = Expand(s, to) y = RotaryEmbedding(x, cc, ss)",
        ),
        unlike=repair.graph("B", "y = RotaryEmbedding(x, c, s)", cache="B,S,4"),
        second=repair.graph("B", "y = RotaryEmbedding(x, c, s) t = Neg(c)").replace(
            "y) {", "y, float[1,S,4] t) {"
        ),
        stays="Neg",
        rtol=1e-6,  # as above
    ),
)  # fmt: skip

SUMMED = "s = Add(a, c) y = {0}Normalization<epsilon=0.01>(s, w{1})"
BIASED = "d = Add(a, bias) s = Add(d, c) y = {0}Normalization<epsilon=0.01>(s, w{1}) t = Neg(d)"
TYPE = "do not take DOUBLE"


def with_sum_read(name: str, beta: str) -> str:
    """Return a residual norm whose biased stream is read once more, so that it stays outside."""
    graph = residual.graph(BIASED.format(name, beta))
    return graph.replace("float[B,S,8] s)", "float[B,S,8] s, float[B,S,8] t)")


def narrower(name: str) -> str:
    """Return the norm of a sum with a vector, which is no second stream."""
    return residual.graph(f"s = Add(a, bias) y = {name}Normalization<epsilon=0.01>(s, w)")


RESIDUALS = (
    Row(
        FuseSkipRmsNorm(), find_residual_norms,
        *residual.CASES["rms"],
        unlike=narrower("RMS"),
        second=with_sum_read("RMS", ""), stays="Add",
        rtol=5e-6,  # sums in another order, float32
        refused=(
            (FuseSkipRmsNorm(),
             residual.graph(SUMMED.format("RMS", "")).replace("float[", "double["), TYPE),
        ),
    ),
    Row(
        FuseSkipLayerNorm(), find_residual_norms,
        *residual.CASES["layer without beta"],
        unlike=narrower("Layer"),
        second=with_sum_read("Layer", ", b"), stays="Add",
        rtol=5e-6,  # as above
        refused=(
            (FuseSkipLayerNorm(),
             residual.graph(SUMMED.format("Layer", "")).replace("float[", "double["), TYPE),
            (FuseSkipLayerNorm(target="ort-cpu"), residual.graph(SUMMED.format("Layer", "")),
             "2 to 5 times slower"),
        ),
    ),
    Row(
        FuseEmbeddingNorm(), find_embeddings,
        before=embedding.TWO,
        after=embedding.graph("""i = Cast<to=6>(ids) j = Cast<to=6>(p)
            y, m = com.microsoft.EmbedLayerNormalization<epsilon=0.01>(i,,tw,tp,,w,b,,j)"""),
        unlike=embedding.TWO.replace("Gather(tp, p)", "Gather(tp, p) f2 = Neg(f)").replace(
            "Add(e, f)", "Add(e, f2)"
        ),
        second=embedding.TWO.replace(" }", " t = Neg(s) }").replace(
            "y) {", "y, float[B,S,8] t) {"
        ),
        stays="",
        rtol=2e-6,  # sums in another order, float32
        refused=(
            (FuseEmbeddingNorm(), embedding.TWO.replace("float[", "double["), TYPE),
            (FuseEmbeddingNorm(target="ort-cpu"), embedding.TWO, "0.86 times as fast"),
        ),
    ),
)  # fmt: skip

ROWS = {
    row.lowering.name: row
    for row in (*ATTENTION, *IN_PLACE, *NORMS, *ACTIVATIONS, *LAYOUTS, *RESIDUALS)
}
