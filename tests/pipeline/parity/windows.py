"""A graph with a sliding window of 16 keys, a table of words, and a past."""

from tests.pipeline.inputs.graphs import parsed

TEXT = """
g (int64[batch, seq] input_ids, float[batch, past, 8] cache) => (float[batch, seq, 8] out)
<float[40, 8] words, float low = {-1e9}, int64 window = {WINDOW}, float zero = {0.0},
 int64[1] row = {0}, int64[1] column = {1}, int64 none = {0}, int64 one = {1}>
{
  x = Gather (words, input_ids)
  keys = Concat <axis = 1> (cache, x)
  turned = Transpose <perm = [0, 2, 1]> (keys)
  scores = MatMul (x, turned)
  total = Shape <start = 1, end = 2> (keys)
  before = Shape <start = 1, end = 2> (cache)
  n = Squeeze (total)
  p = Squeeze (before)
  ends = Range (none, n, one)
  places = Range (p, n, one)
  k = Unsqueeze (ends, row)
  q = Unsqueeze (places, column)
  first = Sub (q, window)
  inside = Greater (k, first)
  past_only = LessOrEqual (k, q)
  seen = And (inside, past_only)
  masked = Where (seen, scores, low)
  weights = Softmax (masked)
  out = MatMul (weights, keys)
}
"""


def windowed(window=16):
    """Return the graph with a window of so many keys."""
    return parsed(TEXT.replace("WINDOW", str(window)))
