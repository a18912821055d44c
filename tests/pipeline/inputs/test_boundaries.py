"""The numbers a graph holds against positions and sizes."""

from pipeline.graph.inference.facts import Facts
from pipeline.inputs.boundaries import boundaries_of
from tests.pipeline.inputs.graphs import parsed

WINDOW = """
g (int64[batch, seq] position_ids, float[batch, 64] x) => (bool[batch, seq] out, float[batch, 64] y)
<int64 window = {16}, int64 far = {-1000000}, float seven = {7.0}>
{
  first = Sub (position_ids, window)
  fill = Add (first, far)
  out = Greater (position_ids, first)
  y = Add (x, seven)
}
"""


def test_numbers_of_index_arithmetic_are_found_and_no_others():
    model = parsed(WINDOW)
    found = boundaries_of(model, Facts(model))
    # Neither the fill nor what is added to activations.
    assert list(found) == [16]
    assert found[16].startswith("Sub")


def test_an_attribute_can_hold_a_window():
    text = """
    g (float[batch, seq, 8] q, int32[batch] k, int32 t) => (float[batch, seq, 8] out)
    { out, a, b = com.microsoft.GroupQueryAttention
        <num_heads = 2, kv_num_heads = 2, local_window_size = 24> (q, q, q, , , k, t) }
    """
    model = parsed(text)
    assert 24 in boundaries_of(model, Facts(model))
