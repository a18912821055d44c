"""The engine's loop: every instance stands or falls alone."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.construct import Pass
from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_standard import FuseLayerNorm
from pipeline.fusion.norm.site import NormSite
from pipeline.fusion.refusal import RIGHT, WRITTEN, Kind
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import LayoutError
from pipeline.stages.optimize.proof import Prover
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import attention_graphs
from tests.pipeline.text_graphs import feeds_of, model_of, numbers_of

NORMS = 24


def stack_of_norms() -> str:
    """Return a graph with 24 LayerNorms written out, each on what the one before made."""
    lines = ["e = Constant<value = float {1e-5}>() two = Constant<value = float {2.0}>()"
             " a = Constant<value_ints=[-1]>()"]  # fmt: skip
    last = "x"
    for i in range(NORMS):
        lines.append(
            f"m{i} = ReduceMean({last}, a) c{i} = Sub({last}, m{i}) p{i} = Pow(c{i}, two)"
            f" v{i} = ReduceMean(p{i}, a) s{i} = Add(v{i}, e) r{i} = Sqrt(s{i})"
            f" n{i} = Div(c{i}, r{i}) g{i} = Mul(n{i}, w)"
            f" h{i} = Add(g{i}, b) l{i} = MatMul(h{i}, k)"
        )
        last = f"l{i}"
    body = " ".join(lines)
    inputs = "float[B,S,16] x, float[16] w, float[16] b, float[16,16] k"
    return f"({inputs}) => (float[B,S,16] {last}) {{ {body} }}"


@dataclass
class OneWrongEpsilon:
    """The real lowering, but for one instance, whose epsilon is 100 times too large."""

    victim: int
    seen: int = 0
    name: str = "fuse_layer_norm"
    opset: int = 17

    def lower(self, site: NormSite, emit: Emitter) -> tuple[ir.Value, ...]:
        result = FuseLayerNorm().lower(site, emit)
        if self.seen == self.victim:
            (node,) = [n for n in emit.nodes if n.op_type == "LayerNormalization"]
            node.attributes["epsilon"] = ir.AttrFloat32("epsilon", 1e-3)
        self.seen += 1
        return result


def test_a_wrong_epsilon_in_one_of_24_norms_is_rolled_back_alone():
    model = model_of(stack_of_norms())
    feeds = feeds_of(model)
    before = numbers_of(model, feeds)[0]
    rewriter = Rewriter(model, Facts(model), Prover())
    outcomes = rewriter.run([Pass("norm", find_norms, (OneWrongEpsilon(victim=7),))])
    states = [outcome.state for outcome in outcomes]
    assert states.count("fused") == NORMS - 1
    (bad,) = [outcome for outcome in outcomes if outcome.state == "refused"]
    assert states[7] == "refused"
    assert bad.refusal.kind is Kind.PROOF_FAILED
    assert "the proof failed: differs by" in bad.refusal.reason
    assert sum(node.op_type == "LayerNormalization" for node in model.graph) == NORMS - 1
    model.graph.sort()
    after = numbers_of(model, feeds)[0]
    # float32 through 24 norms; a wrong epsilon would show as 5e-4 and more
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-5 * np.abs(before).max())


@dataclass
class Misbehaving:
    """A lowering that fails in one way."""

    how: Kind
    name: str = "misbehaving"

    @property
    def opset(self) -> int:
        return 99 if self.how is Kind.OPSET else 17

    def lower(self, site: NormSite, emit: Emitter) -> tuple[ir.Value, ...]:
        if self.how is Kind.UNWRITABLE:
            raise LayoutError("the size S is no axis of a graph input")
        if self.how is Kind.UNPROVABLE:
            return (emit.one("Identity", [ir.Value(name="of unknown type")]),)
        if self.how is Kind.UNLOADABLE:
            return (emit.one("LayerNormalization", [site.x], {"axis": 7}),)
        return (emit.one("Identity", [site.x]),)


@pytest.mark.parametrize(
    ("how", "step", "reason"),
    [
        (Kind.OPSET, WRITTEN, "needs opset 99, the graph has 23"),
        (Kind.UNWRITABLE, WRITTEN, "the size S is no axis of a graph input"),
        (Kind.UNPROVABLE, RIGHT, "not provable: "),
        (Kind.UNLOADABLE, RIGHT, "the proof failed: the replacement does not load: "),
        (Kind.PROOF_FAILED, RIGHT, "the proof failed: differs by "),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_what_went_wrong_is_a_value(how, step, reason):
    model = model_of(stack_of_norms())
    lowering = Misbehaving(how)
    outcomes = Rewriter(model, Facts(model), Prover()).run([Pass("norm", find_norms, (lowering,))])
    refusals = [outcome.refusal for outcome in outcomes]
    assert {(r.kind, r.step, r.nearest) for r in refusals} == {
        (how, step, "misbehaving (LayerNorm over 16)")
    }
    assert refusals[0].reason.startswith(reason)
    assert {outcome.state for outcome in outcomes} == {"plain" if how is Kind.OPSET else "refused"}


def test_instances_with_one_structure_share_a_certificate():
    model = model_of(stack_of_norms())
    outcomes = Rewriter(model, Facts(model), Prover()).run(
        [Pass("norm", find_norms, (FuseLayerNorm(),))]
    )
    assert len({outcome.certificate.digest for outcome in outcomes}) <= 2  # the first reads x
    assert all(outcome.certificate.ok for outcome in outcomes)


def test_attention_inside_a_branch_is_rewritten_too():
    inner = attention_graphs.GROUPED.split("{", 1)[1].rsplit("}", 1)[0]
    text = f"""(bool c, float[B,4,S,8] q, float[B,2,T,8] k, float[B,2,T,8] v)
        => (float[B,4,S,8] z) {{
        z = If <then_branch = g1 () => (float[B,4,S,8] y) {{ {inner} }},
                else_branch = g2 () => (float[B,4,S,8] y2) {{ y2 = Identity(q) }}>(c) }}"""
    model = model_of(text)
    feeds = feeds_of(model) | {"c": np.array(True)}
    before = numbers_of(model, feeds)[0]
    rewriter = Rewriter(model, Facts(model), Prover())
    (outcome,) = rewriter.run([Pass("attention", find_attention, (FuseAttentionStandard(),))])
    assert outcome.state == "fused", outcome.refusal
    graphs = [model.graph, *model.graph.subgraphs()]
    for graph in graphs:
        graph.sort()
    assert "Attention" in {node.op_type for graph in graphs for node in graph}
    np.testing.assert_allclose(numbers_of(model, feeds)[0], before, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["y", "nk"])
def test_outputs_keep_their_names(name):
    model = model_of(attention_graphs.CACHED)
    Rewriter(model, Facts(model), None).run(
        [Pass("attention", find_attention, (FuseAttentionStandard(),))]
    )
    assert name in [value.name for value in model.graph.outputs]


def test_an_attention_that_came_as_an_operator_is_lowered_afresh():
    text = """(float[B,4,S,8] q, float[B,2,T,8] k, float[B,2,T,8] v, bool[B,1,1,T] m)
        => (float[B,4,S,8] y) {
        two = Constant<value_ints=[2]>() wide = Constant<value_ints=[1, 1, 2, 1, 1]>()
        flat = Constant<value_ints=[0, 4, -1, 8]>()
        k5 = Unsqueeze(k, two) ke = Expand(k5, wide) kf = Reshape(ke, flat)
        v5 = Unsqueeze(v, two) ve = Expand(v5, wide) vf = Reshape(ve, flat)
        y = Attention(q, kf, vf, m) }"""
    model = model_of(text)
    Rewriter(model, Facts(model), Prover()).run(
        [Pass("attention", find_attention, (FuseAttentionStandard(),))]
    )
    model.graph.sort()
    (node,) = [n for n in model.graph if n.op_type == "Attention"]
    assert [x.name for x in node.inputs[1:3]] == ["k", "v"]  # two heads, not repeated
    numbers_of(model, feeds_of(model) | {"m": np.ones((3, 1, 1, 3), dtype=bool)})  # it runs now
