"""Which operators are written out, and which a target keeps."""

from pipeline.graph.normalise import normalise
from pipeline.graph.normalise.contrib import ALL, SOFT_CAPPED, WRITERS
from pipeline.graph.normalise.contrib.writer import MS, Writer
from tests.pipeline.text_graphs import model_of

SKIP = """(float[B,S,8] x, float[B,S,8] skip, float[8] w) => (float[B,S,8] y) {
    y = com.microsoft.SkipSimplifiedLayerNormalization(x, skip, w) }"""
QKV = """(float[B,S,8] q, float[B,T,8] k, float[B,T,8] v) => (float[B,S,8] y) {
    y = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v) }"""


def ops_after(text, *args, opset=23):
    model = model_of(text, opset)
    normalise(model, *args)
    return [node.op_type for node in model.graph]


def test_without_being_told_everything_is_kept():
    assert ops_after(SKIP, 23) == ["SkipSimplifiedLayerNormalization"]


def test_what_the_target_keeps_stays_and_the_rest_is_written_out():
    assert ops_after(QKV, 23, frozenset({(MS, "MultiHeadAttention")})) == ["MultiHeadAttention"]
    assert ops_after(SKIP, 23, frozenset({(MS, "MultiHeadAttention")})) == [
        "Add",
        "RMSNormalization",
    ]


def test_an_opset_without_the_standard_operator_keeps_it():
    kept = ["SkipSimplifiedLayerNormalization"]
    assert ops_after(SKIP, 18, frozenset(), opset=18) == kept


def test_every_writer_is_named_by_the_operator_it_writes_out():
    assert {*WRITERS, SOFT_CAPPED} == ALL
    assert all(isinstance(writer, Writer) for writer in WRITERS.values())
    assert {domain for domain, _ in WRITERS} == {MS, ""}
