"""Buckets keep their declared type; everything else follows the mode."""

import onnx_ir as ir
import torch
from onnx import parser

from pipeline.judge import Judge
from pipeline.judge.index_arithmetic import index_nodes

BUCKETS = """
<ir_version: 10, opset_import: ["": 21]>
g (int64[N] n, float[N] x) => (int64[N] b, float[N] scaled, int64[N] of_x)
<float eight = {8.0}, float log16 = {2.7725887298583984}, float w = {0.1}>
{
  f = Cast <to = 1> (n)
  r = Div (f, eight)
  l = Log (r)
  q = Div (l, log16)
  m = Mul (q, eight)
  b = Cast <to = 7> (m)
  scaled = Mul (f, w)
  h = Mul (x, w)
  of_x = Cast <to = 7> (h)
}
"""


def model() -> ir.Model:
    return ir.from_proto(parser.parse_model(BUCKETS))


def test_the_chain_behind_a_cast_to_integers_is_found():
    graph = model().graph
    found = {node.outputs[0].name for node in index_nodes(list(graph), graph.inputs)}
    assert found == {"f", "r", "l", "q", "m"}


def test_buckets_are_those_of_float32_in_every_mode():
    n = torch.arange(8, 200)
    x = torch.rand(len(n))
    expected = (torch.log(n.float() / 8) / torch.tensor(2.7725887298583984) * 8).long()
    for mode in ("float64", "float32", "float16", "bfloat16", "declared"):
        got = Judge(model(), mode).run({"n": n, "x": x})["b"]
        assert torch.equal(got, expected), mode
    # The same formula in float64 lands elsewhere, or this test would show nothing.
    exact = torch.log(n.double() / 8) / torch.tensor(2.7725887298583984).double() * 8
    assert not torch.equal(exact.long(), expected)


def test_what_else_a_chain_feeds_keeps_the_type_of_the_mode():
    got = Judge(model()).run({"n": torch.arange(3), "x": torch.rand(3)})
    assert got["scaled"].dtype == torch.float64
