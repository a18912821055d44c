"""Which way conditions went."""

import numpy as np

from pipeline.graph.inference.facts import Facts
from pipeline.parity.branches import Branches
from tests.pipeline.inputs.graphs import parsed
from tests.pipeline.parity.windows import windowed


def feeds(past, new):
    ids = np.zeros((1, new), np.int64)
    return {"input_ids": ids, "cache": np.zeros((1, past, 8), np.float32)}


def test_a_window_hides_nothing_in_a_short_text():
    model = windowed()
    found = Branches(model, Facts(model))
    assert found.hidden == 0
    assert set(found.places) == {"inside", "past_only", "seen"}
    assert ("inside", False) not in found.outcomes(feeds(5, 8))
    assert found.outcomes(feeds(33, 11)) == found.wanted()


def test_what_depends_on_activations_is_counted_and_what_is_settled_is_not():
    model = parsed("""
    g (float[batch, 8] x, float[batch, 8] y) => (float[batch, 8] out)
    <float[8, 8] w, float zero = {0.0}, int64[1] minus = {-1}>
    {
      p = Softmax (x)
      positive = Greater (p, zero)
      a = Where (positive, p, y)
      shape = Shape (a)
      open = Equal (shape, minus)
      full = Where (open, minus, shape)
      out = Expand (a, full)
    }""")
    found = Branches(model, Facts(model))
    assert found.places == {}
    assert found.hidden == 2
    assert found.outcomes({}) == set()
