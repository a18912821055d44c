"""Cases are added for what the usual ones leave out, within a share of what those cost."""

from math import prod

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.inputs import InputMaker
from pipeline.parity.cases import make_cases, make_file_cases
from pipeline.parity.coverage import Coverage
from pipeline.parity.covering import SMALL_WORK, covering_cases
from pipeline.parity.options import ParityOptions
from pipeline.parity.results import Case
from pipeline.parity.stage import compare_parity
from pipeline.records.parity import ParityRecord
from pipeline.records.tensors import SizeRange
from tests.pipeline.parity.windows import windowed

RANGES = {"batch": SizeRange(1, 2, 8), "seq": SizeRange(1, 8, 200), "past": SizeRange(0, 8, 200)}


def compared(tmp_path, changed):
    for name, model in (("a.onnx", windowed()), ("b.onnx", changed)):
        ir.save(model, tmp_path / name)
    options = ParityOptions(tmp_path / "a.onnx", (tmp_path / "b.onnx",), bisect=False, threads=1)
    return ParityRecord.of(compare_parity(options))


def test_everything_is_reached_with_and_without_ranges():
    for made in (
        make_cases(windowed(), RANGES, seeds=1, pinned={}, precisions=["fp32"]),
        make_file_cases(windowed(), seeds=1, pinned={}, precisions=["fp32"]),
    ):
        cases, coverage = made
        found = coverage.record(cases)
        missing = [entry for entry in found if entry.missing and entry.kind != "size"]
        assert not missing
        assert max(case.sizes["past"] for case in cases) > 30
        assert max(case.sizes["seq"] for case in cases) > 8
        assert max(case.sizes["batch"] for case in cases) > 3


def test_a_window_that_is_wrong_fails(tmp_path):
    assert compared(tmp_path, windowed()).passed
    assert not compared(tmp_path, windowed(17)).passed


@pytest.mark.parametrize("row", [0, 1, 3, 39])
def test_a_row_of_a_special_token_that_is_wrong_fails(tmp_path, row):
    changed = windowed()
    words = changed.graph.initializers["words"]
    table = words.const_value.numpy().copy()
    table[row] *= 1.5
    words.const_value = ir.tensor(table, name="words")
    found = compared(tmp_path, changed)
    assert not found.passed
    (rows,) = [one for one in found.coverage["model"] if one.kind == "rows"]
    assert rows.covered == rows.total == 40


def test_a_large_model_gets_no_more_than_a_share(monkeypatch):
    maker = InputMaker(windowed())
    coverage = Coverage(maker, RANGES, ["past + seq"])
    base = [
        Case(str(n), "plain", {"batch": n, "seq": 40, "past": n}, maker.make({"seq": 40}, n))
        for n in (1, 2)
    ]
    monkeypatch.setattr("pipeline.parity.covering.SMALL_WORK", 0.0)
    added = covering_cases(coverage, base, {})
    cost = sum(prod(size for name, size in c.sizes.items() if name != "past") for c in added)
    assert 0 < cost <= 0.6 * 3 * 40
    assert SMALL_WORK > 0


def test_pinned_sizes_stay():
    cases, _ = make_file_cases(windowed(), seeds=1, pinned={"past": 2}, precisions=[])
    assert {case.sizes["past"] for case in cases} == {2}
    assert all(np.shape(case.feeds["cache"])[1] == 2 for case in cases)
