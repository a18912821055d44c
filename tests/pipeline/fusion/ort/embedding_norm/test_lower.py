"""Embeddings become one operator where that is faster."""

import pytest

from pipeline.fusion.construct import Pass
from pipeline.fusion.ort.embedding_norm.find import find_embeddings
from pipeline.fusion.ort.embedding_norm.lower import FuseEmbeddingNorm
from pipeline.graph.inference.facts import Facts
from pipeline.stages.optimize.rewrite import Rewriter
from tests.pipeline.text_graphs import (
    assert_becomes,
    assert_same_numbers,
    model_of,
)

TOLERANCE = 2e-6  # sums in another order, float32


def graph(body, ids="int64"):
    return f"""({ids}[B,S] ids, {ids}[1,S] p, {ids}[B,S] seg, float[20,8] tw, float[16,8] tp,
        float[4,8] ts, float[8] w, float[8] b) => (float[B,S,8] y) {{ {body} }}"""


TWO = graph("""e = Gather(tw, ids) f = Gather(tp, p) s = Add(e, f)
    y = LayerNormalization<epsilon=0.01>(s, w, b)""")
THREE = graph("""e = Gather(tw, ids) f = Gather(tp, p) g = Gather(ts, seg) t = Add(e, f)
    s = Add(t, g) y = LayerNormalization<epsilon=0.01>(s, w, b)""")


def test_two_tables():
    after = graph("""i = Cast<to=6>(ids) j = Cast<to=6>(p)
        y, m = com.microsoft.EmbedLayerNormalization<epsilon=0.01>(i,,tw,tp,,w,b,,j)""")
    assert_becomes(TWO, after, find_embeddings, FuseEmbeddingNorm())


def test_ids_that_are_int32_already():
    after = graph(
        """y, m = com.microsoft.EmbedLayerNormalization<epsilon=0.01>
        (ids,seg,tw,tp,ts,w,b,,p)""",
        "int32",
    )
    assert_becomes(THREE.replace("int64", "int32"), after, find_embeddings, FuseEmbeddingNorm())


@pytest.mark.parametrize("text", [TWO, THREE], ids=["two", "three"])
def test_numbers(text):
    assert_same_numbers(text, find_embeddings, FuseEmbeddingNorm(), rtol=TOLERANCE)


def outcome(text, lowering):
    model = model_of(text)
    passes = [Pass("embedding", find_embeddings, (lowering,))]
    (found,) = Rewriter(model, Facts(model), None).run(passes)
    return found


def test_on_cpu_it_stays_plain_and_says_so():
    found = outcome(TWO, FuseEmbeddingNorm(target="ort-cpu"))
    assert found.state == "plain"
    assert "0.86 times as fast" in found.refusal.reason
    assert outcome(TWO, FuseEmbeddingNorm(target="ort-cpu", fuse_all=True)).state == "fused"


def test_float64_is_refused():
    found = outcome(TWO.replace("float[", "double["), FuseEmbeddingNorm())
    assert found.state == "refused"
    assert "DOUBLE" in found.refusal.reason
