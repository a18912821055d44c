"""Subgraphs: what they capture, and what reaches them."""

import onnx_ir as ir
import pytest
import torch
from onnx import parser

from pipeline.errors import BadModelError
from pipeline.judge import Judge


def run(text: str, **feeds: torch.Tensor) -> dict[str, torch.Tensor]:
    return Judge(ir.from_proto(parser.parse_model(text))).run(feeds)


NESTED = """
<ir_version: 10, opset_import: ["": 21]>
g (bool c, bool d, float[N] x) => (float[N] y)
<float two = {2.0}>
{
  t = Mul (x, two)
  y = If (c) <
    then_branch = a () => (float[N] p) {
      p = If (d) <
        then_branch = b () => (float[N] q) { q = Add (t, two) },
        else_branch = e () => (float[N] r) { r = Identity (x) }
      >
    },
    else_branch = f () => (float[N] s) { s = Neg (t) }
  >
}
"""


@pytest.mark.parametrize(
    ("c", "d", "expected"), [(True, True, 8.0), (True, False, 3.0), (False, True, -6.0)]
)
def test_branches_reach_values_and_weights_of_every_outer_graph(c, d, expected):
    feeds = {"c": torch.tensor(c), "d": torch.tensor(d), "x": torch.tensor([3.0])}
    assert run(NESTED, **feeds)["y"].tolist() == [expected]


def test_a_loop_carries_captures_and_scans():
    got = run(
        """
        <ir_version: 10, opset_import: ["": 21]>
        g (int64 n, float[N] x) => (float[N] last, float[M, N] all)
        <bool yes = {1}>
        {
          last, all = Loop (n, yes, x) <
            body = b (int64 i, bool go, float[N] s) => (bool more, float[N] next, float[N] out) {
              more = Identity (go)
              next = Add (s, x)
              out = Identity (next)
            }
          >
        }
        """,
        n=torch.tensor(3),
        x=torch.tensor([1.0]),
    )
    assert got["last"].tolist() == [4.0]
    assert got["all"].tolist() == [[2.0], [3.0], [4.0]]


def test_attributes_that_make_no_sense_are_reported_with_the_node():
    text = """
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N, M] x) => (float[N, M] y)
    { y = BatchNormalization <training_mode = 1> (x, x, x, x, x) }
    """
    with pytest.raises(BadModelError, match="BatchNormalization cannot be judged") as caught:
        run(text, x=torch.ones(2, 2))
    assert "node" in caught.value.where


def test_an_element_type_torch_lacks_a_kernel_for_goes_to_the_reference():
    got = run(
        """
        <ir_version: 10, opset_import: ["": 21]>
        g (uint32[N] x) => (uint32[N] y) { y = Max (x, x) }
        """,
        x=torch.tensor([1, 4_000_000_000], dtype=torch.uint32),
    )
    assert got["y"].tolist() == [1, 4_000_000_000]
