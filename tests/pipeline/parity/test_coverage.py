"""What cases reach is counted, and what they do not is named."""

import numpy as np

from pipeline.inputs import InputMaker
from pipeline.parity.coverage import Coverage
from pipeline.parity.results import Case
from pipeline.records.tensors import SizeRange
from tests.pipeline.parity.windows import windowed

RANGES = {"batch": SizeRange(1, 2, 5), "seq": SizeRange(1, 8, 60), "past": SizeRange(0, 8, 59)}


def case(batch, past, new, ids=(0,)):
    feeds = {
        "input_ids": np.resize(np.array(ids), (batch, new)),
        "cache": np.zeros((batch, past, 8), np.float32),
    }
    return Case(f"{batch} {past} {new}", "plain", {"batch": batch, "past": past, "seq": new}, feeds)


def recorded(*cases):
    found = Coverage(InputMaker(windowed()), RANGES, ["past + seq"]).record(cases)
    return {(entry.kind, entry.name.partition(" ")[0]): entry for entry in found}


def test_what_is_missing_is_named():
    found = recorded(case(2, 3, 4, range(4, 12)))
    rows = found["rows", "input_ids"]
    assert (rows.covered, rows.total, rows.missing[:2]) == (8, 40, ("row 0", "row 1"))
    assert found["size", "batch"].missing == ("least 1", "largest 5")
    assert found["boundary", "16"].missing == ("a length beyond 16",)
    assert found["branches", ""].covered == found["branches", ""].total - 1
    assert found["branches", ""].missing[0].endswith("never False")


def test_a_sum_reaches_the_largest_length():
    found = recorded(case(1, 0, 1, range(40)), case(5, 49, 11, range(40)), case(3, 2, 3))
    assert all(not entry.missing for entry in found.values()), found
    assert found["rows", "input_ids"].covered == 40


def test_sizes_at_which_the_graph_cannot_run_take_no_way():
    bad = case(2, 3, 4)
    made = Coverage(InputMaker(windowed()), RANGES)
    feeds = {**bad.feeds, "input_ids": bad.feeds["input_ids"][:1, :0].reshape(0, 0, 0)}
    assert made.taken(Case("bad", "plain", bad.sizes, feeds)) == set()
