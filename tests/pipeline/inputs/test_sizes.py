"""Sizes that agree."""

import pytest

from pipeline.errors import UsageError
from pipeline.graph.inference.facts import Facts
from pipeline.inputs.roles import role_of
from pipeline.inputs.sizes import Sizes
from tests.pipeline.inputs.graphs import DECODER, ENCODER, parsed


def sizes_of(text: str) -> Sizes:
    model = parsed(text)
    facts = Facts(model)
    return Sizes(facts, [role_of(value, facts) for value in model.graph.inputs])


def test_free_names_leave_out_what_follows():
    assert sizes_of(DECODER).free() == {"batch", "seq", "past"}
    assert sizes_of(ENCODER).free() == {"batch", "seq"}


def test_an_empty_past_is_among_the_variants():
    sizes = sizes_of(DECODER)
    assert [sizes.choose(variant=v)["past"] for v in range(3)] == [3, 5, 0]


def test_a_total_leaves_one_choice():
    assert sizes_of(DECODER).choose({"total": 10, "past": 4})["seq"] == 6


def test_a_total_too_small_is_explained():
    with pytest.raises(UsageError, match="contradict"):
        sizes_of(DECODER).choose({"total": 2, "seq": 5})


SHORT_TABLE = """
g (float[batch, seq, 4] x) => (float[batch, seq, 4] out)
<float[1, 5, 4] table, int64[1] zero = {0}, int64[1] one = {1}>
{ shape = Shape <start = 1, end = 2> (x)  rows = Slice (table, zero, shape, one)
  out = Add (x, rows) }
"""


def test_a_table_shorter_than_usual_is_respected():
    assert sizes_of(SHORT_TABLE).choose()["seq"] in (2, 3, 4, 5)


def test_unnamed_dims_of_one_kind_are_the_same():
    model = parsed("g (float[?, ?, 4] x, float[?, ?, 4] y) => (float[?, ?, 4] z) { z = Neg (x) }")
    facts = Facts(model)
    roles = [role_of(value, facts) for value in model.graph.inputs]
    chosen = Sizes(facts, roles).choose()
    shapes = {tuple(dim.evaluate(chosen) for dim in role.shape) for role in roles}
    assert shapes == {(2, 8, 4)}
