"""Finders go on while the graph changes under them, and never see what has left it."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.construct import Pass, anchors
from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_standard import FuseRmsNorm
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.edit import remove_dead
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import feeds_of, model_of, numbers_of

CHAIN = "(float[4] x) => (float[4] d) { a = Abs(x) b = Neg(a) c = Abs(b) d = Neg(c) }"


@dataclass(frozen=True)
class Shorter:
    """Replaces Neg(y) by Identity of what y is computed from: y and what it needed goes."""

    name: str = "shorter"
    opset: int = 17

    def lower(self, site, emit):
        return (emit.one("Identity", [site.anchor.inputs[0].producer().inputs[0]]),)


def negations(graph, facts):
    for node in anchors(graph):
        if node.op_type == "Neg":
            yield Site(node, frozenset({node}), (node.outputs[0],))


def test_nodes_that_left_are_no_anchors_and_new_ones_are_met_by_a_later_pass():
    graph = model_of(CHAIN).graph
    seen = []
    for node in anchors(graph):
        seen.append(node.outputs[0].name)
        if seen == ["a"]:
            last = graph.outputs[0].producer()
            last.replace_input_with(0, graph.inputs[0])
            remove_dead(graph, [n for n in graph if n.outputs[0].name == "c"])
            graph.append(ir.node("Abs", [graph.inputs[0]]))
    assert seen == ["a", "d"]


def test_a_walk_goes_on_over_what_its_own_commits_left():
    model = model_of(CHAIN)
    outcomes = Rewriter(model, Facts(model), None).run([Pass("x", negations, (Shorter(),))])
    assert [outcome.anchor for outcome in outcomes] == ["Neg b", "Neg d"]
    assert [node.op_type for node in model.graph] == ["Identity", "Identity"]


def test_a_graph_inside_a_node_that_left_is_not_looked_into():
    branch = "() => (float[4] {0}) {{ {0}1 = Abs(x) {0} = Neg({0}1) }}"
    text = f"""(float[4] x, bool c) => (float[4] d) {{
        b = If <then_branch = t {branch.format("t")}, else_branch = e {branch.format("e")}>(c)
        m = Mul(x, b) d = Neg(m) }}"""
    model = model_of(text)
    outcomes = Rewriter(model, Facts(model), None).run([Pass("x", negations, (Shorter(),))])
    assert [outcome.anchor for outcome in outcomes] == ["Neg d"]


def test_a_second_attention_of_one_softmax_reads_the_keys_that_the_first_left():
    """The first takes the cache in: the keys both read are then an output of the operator."""
    text = graphs.CACHED.replace("float[B,4,P,8] pv)", "float[B,4,P,8] pv, float[B,4,T,8] u)")
    text = text.replace("T,8] nv) {", "T,8] nv, float[B,4,S,8] y2) {")
    text = text.replace("y = MatMul(p, nv)", "y = MatMul(p, nv) y2 = MatMul(p, u)")
    product = 'qk = Einsum<equation="bhid,bhjd->bhij">(q, nk)'
    text = text.replace("kt = Transpose<perm=[0, 1, 3, 2]>(nk) qk = MatMul(q, kt)", product)
    model = model_of(text)
    feeds = feeds_of(model, P=2, S=3, T=5)
    before = numbers_of(model, feeds)
    rewriter = Rewriter(model, Facts(model), None)
    outcomes = rewriter.run([Pass("attention", find_attention, (FuseAttentionStandard(),))])
    model.graph.sort()
    assert [outcome.state for outcome in outcomes] == ["fused", "fused"]
    second = model.graph.outputs[3].producer()
    assert [value.name for value in second.inputs] == ["q", "nk", "u"]
    for want, got in zip(before, numbers_of(model, feeds), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-6)  # float32, numbers of order 1


MEAN = "p = Mul(x, x) m = ReduceMean(p, axes) me = Add(m, eps) r = Sqrt(me) z = Div(x, r)"
SUM = "q = ReduceSumSquare(x, axes) n = Div(q, eight) ne = Add(n, eps) t = Sqrt(ne) u = Div(x, t)"


@pytest.mark.parametrize("bodies", [(MEAN, SUM), (SUM, MEAN)], ids=["mean first", "sum first"])
def test_norms_of_one_tensor_with_reductions_of_their_own_are_sites_of_their_own(bodies):
    text = f"""(float[B,8] x, float[8] w, float[8] v) => (float[B,8] y1, float[B,8] y2) {{
        axes = Constant<value_ints=[-1]>() eps = Constant<value_float=1e-5>()
        eight = Constant<value_float=8.0>()
        {" ".join(bodies)} y1 = Mul(z, w) y2 = Mul(u, v) }}"""
    model = model_of(text)
    outcomes = Rewriter(model, Facts(model), None).run([Pass("x", find_norms, (FuseRmsNorm(),))])
    assert [(o.anchor, o.state) for o in outcomes] == [
        (anchor, "fused")
        for anchor in (("ReduceMean m", "ReduceSumSquare q")[:: 1 if bodies[0] == MEAN else -1])
    ]
    assert sum(node.op_type == "RMSNormalization" for node in model.graph) == 2
