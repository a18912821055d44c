"""Full proofs use the values of the whole graph, those of a file where one is given."""

from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.fusion.attention.find import find_attention
from pipeline.fusion.attention.lower_standard import FuseAttentionStandard
from pipeline.fusion.construct import Pass
from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_standard import FuseLayerNorm
from pipeline.fusion.norm.site import NormSite
from pipeline.fusion.softmax.find import find_softmaxes
from pipeline.fusion.softmax.lower import FuseSoftmax
from pipeline.graph.inference.facts import Facts
from pipeline.graph.rewriting.emit import Emitter
from pipeline.inputs import save_inputs
from pipeline.stages.optimize.activations import Activations
from pipeline.stages.optimize.proof import Prover, proving
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline import attention_graphs
from tests.pipeline.text_graphs import model_of

NORM = """(float[B,S,16] x, float[16,16] k) => (float[B,S,16] y) {
    e = Constant<value = float {1e-5}>() two = Constant<value = float {2.0}>()
    a = Constant<value_ints=[-1]>() l = MatMul(x, k)
    m = ReduceMean(l, a) c = Sub(l, m) p = Pow(c, two) v = ReduceMean(p, a)
    s = Add(v, e) r = Sqrt(s) y = Div(c, r) }"""
RIGHT_BELOW = 1000.0  # far above the made-up ranges


@dataclass
class OnlySmallNumbers:
    """The real lowering, but for values no made-up range reaches."""

    name: str = "fuse_layer_norm"
    opset: int = 17

    def lower(self, site: NormSite, emit: Emitter) -> tuple[object, ...]:
        (result,) = FuseLayerNorm().lower(site, emit)
        (node,) = [n for n in emit.nodes if n.op_type == "LayerNormalization"]
        limit = [np.float32(-RIGHT_BELOW), np.float32(RIGHT_BELOW)]
        node.replace_input_with(0, emit.one("Clip", [node.inputs[0], *limit]))
        emit.nodes.insert(emit.nodes.index(node), emit.nodes.pop())
        return (result,)


def outcomes_of(text, prover, *passes):
    """Return what became of the sites of a graph."""
    model = model_of(text)
    facts = Facts(model)
    prover.begin(model, facts)
    found = Rewriter(model, facts, prover).run(passes)
    model.graph.sort()
    return found


@pytest.fixture
def large(tmp_path):
    """Return inputs that make the norm's operand as large as some models' activations are."""
    random = np.random.default_rng(0)
    path = tmp_path / "large.npz"
    x, k = random.normal(size=(2, 3, 16)), random.normal(size=(16, 16)) * 1e4
    save_inputs(path, {"x": x.astype(np.float32), "k": k.astype(np.float32)})
    return path


def test_what_is_wrong_on_activations_only_is_rolled_back_by_a_full_proof_only(large):
    one = Pass("norm", find_norms, (OnlySmallNumbers(),))
    with proving("structure", large) as prover:
        (outcome,) = outcomes_of(NORM, prover, one)
        assert outcome.state == "fused"
        assert outcome.certificate.inputs == ("made-up ranges",)
    with proving("full", large) as prover:
        (outcome,) = outcomes_of(NORM, prover, one)
    assert outcome.state == "refused"
    assert "differs by" in outcome.refusal.reason
    assert "on the activations of large.npz" in outcome.refusal.reason


def test_the_certificate_names_every_set_of_inputs(large):
    one = Pass("norm", find_norms, (FuseLayerNorm(),))
    with proving("full", large) as prover:
        (outcome,) = outcomes_of(NORM, prover, one)
    assert outcome.certificate.inputs == ("made-up ranges", "large.npz")
    with proving("full") as prover:
        (outcome,) = outcomes_of(NORM, prover, one)
    assert outcome.certificate.inputs[0] == "made-up ranges"
    assert [label.split(",")[1] for label in outcome.certificate.inputs[1:]] == [
        " padded", " plain",
    ]  # fmt: skip
    assert not outcome.certificate.lacking


def test_recorded_values_are_those_of_the_whole_graph(large):
    model = model_of(NORM)
    seen = []

    class Watching(Prover):
        def prove(self, region, *, zero=frozenset()):
            seen.extend(self.activations.feeds(region))
            return super().prove(region, zero=zero)

    with closing(Activations(large)) as activations:
        prover = Watching(share=False, activations=activations)
        outcomes_of(NORM, prover, Pass("norm", find_norms, (FuseLayerNorm(),)))
    ((label, feeds),) = seen
    assert label == "large.npz"
    (value,) = feeds.values()
    stored = np.load(large)
    np.testing.assert_allclose(value, stored["x"] @ stored["k"], rtol=1e-5)
    assert value.dtype == np.float32
    assert model.graph.inputs[0].name == "x"


def test_sites_on_top_of_replacements_meet_the_values_of_what_was_replaced():
    core = """qk = MatMul(qh, kh) s = Mul(qk, half) e = Exp(s) t = ReduceSum(e, a)
        p = Div(e, t)"""
    text = attention_graphs.attention(core).replace("{", "{ a = Constant<value_ints=[-1]>() ", 1)
    with proving("full") as prover:
        found = outcomes_of(
            text, prover,
            Pass("softmax", find_softmaxes, (FuseSoftmax(),)),
            Pass("attention", find_attention, (FuseAttentionStandard(),)),
        )  # fmt: skip
    assert {o.construct: o.state for o in found}["attention"] == "fused"
    assert all(len(o.certificate.inputs) == 3 for o in found if o.state == "fused")


def test_a_file_that_lacks_an_input_is_refused(tmp_path):
    path = tmp_path / "half.npz"
    save_inputs(path, {"x": np.ones((1, 2, 16), np.float32)})
    with pytest.raises(UsageError, match="lack k"), proving("full", path) as prover:
        outcomes_of(NORM, prover)


def test_a_site_in_a_branch_says_that_it_has_no_activations():
    inner = NORM[NORM.index("{") + 1 :].replace("l = MatMul(x, k)", "l = MatMul(x, k)")
    text = f"""(float[B,S,16] x, float[16,16] k, bool c) => (float[B,S,16] z) {{
        z = If (c) <then_branch = g1 () => (float[B,S,16] y) {{ {inner},
                    else_branch = g2 () => (float[B,S,16] w) {{ w = Identity(x) }}> }}"""
    with proving("full") as prover:
        found = outcomes_of(text, prover, Pass("norm", find_norms, (FuseLayerNorm(),)))
    (outcome,) = found
    assert outcome.state == "fused"
    assert "branch or loop" in outcome.certificate.lacking


def test_a_file_of_another_part_leaves_made_up_inputs(tmp_path):
    path = tmp_path / "encoder.npz"
    save_inputs(path, {"source": np.ones((1, 2), np.float32)})
    with proving("full", path) as prover:
        (outcome,) = outcomes_of(NORM, prover, Pass("norm", find_norms, (FuseLayerNorm(),)))
    assert outcome.certificate.inputs[1].startswith("made-up inputs")
