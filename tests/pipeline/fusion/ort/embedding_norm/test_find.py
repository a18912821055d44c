"""Embeddings are sums of table rows under a norm, in any order of the sum."""

import pytest

from pipeline.fusion.ort.embedding_norm.find import find_embeddings
from tests.pipeline.text_graphs import found_in, only_site


def graph(body, pos="1,S", y="float[B,S,8] y"):
    return f"""(int64[B,S] ids, int64[{pos}] p, int64[B,S] seg, float[20,8] tw, float[16,8] tp,
        float[2,8] ts, float[8] w, float[8] b) => ({y}) {{ e = Gather(tw, ids) f = Gather(tp, p)
        g = Gather(ts, seg) {body} }}"""


NORM = "y = LayerNormalization<epsilon=0.1>(s, w, b)"


@pytest.mark.parametrize(
    ("sums", "names"),
    [
        ("t = Add(e, g) s = Add(t, f)", ("tw", "tp", "ts")),
        ("t = Add(f, g) s = Add(e, t)", ("tw", "tp", "ts")),
        ("s = Add(f, e)", ("tw", "tp", None)),
    ],
    ids=["as BERT", "another order", "two tables"],
)
def test_roles(sums, names):
    site = only_site(graph(f"{sums} {NORM}"), find_embeddings)
    segments = None if site.segments is None else site.segments.table.name
    assert (site.words.table.name, site.positions.table.name, segments) == names
    assert site.positions.ids.name == "p"
    assert site.epsilon == pytest.approx(0.1)


def test_positions_for_every_row():
    site = only_site(graph(f"t = Add(e, g) s = Add(t, f) {NORM}", pos="B,S"), find_embeddings)
    assert {x.table.name for x in (site.words, site.positions, site.segments)} == {"tw", "tp", "ts"}


@pytest.mark.parametrize(
    ("body", "y"),
    [
        (f"s = Neg(e) {NORM}", "float[B,S,8] y"),
        (f"n = Neg(f) s = Add(e, n) {NORM}", "float[B,S,8] y"),
        (f"s = Add(e, f) {NORM}", "float[B,S,8] y, float[B,S,8] s"),
        ("s = Add(e, f) y = LayerNormalization(s, w)", "float[B,S,8] y"),
    ],
    ids=["no sum", "not a table row", "the sum is needed", "no bias"],
)
def test_other_norms_are_not_embeddings(body, y):
    assert found_in(graph(body, y=y), find_embeddings) == []
