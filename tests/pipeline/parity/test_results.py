"""Results of a comparison: verdicts are read off them, and they are JSON that any reader takes."""

import math

import numpy as np
import pytest

from pipeline.accuracy import Errors
from pipeline.parity.metamorphic import Check
from pipeline.parity.results import (
    EDGES,
    CandidateResult,
    Case,
    OutputResult,
    case_record,
    error_record,
    histogram,
)
from pipeline.records.record import as_json

ERRORS = Errors(count=4, rms=1e-7, quantile=2e-7, max=3e-7, bad=0)


def output(usage=0.5, **fields):
    return OutputResult("logits", usage, "batch=3", ERRORS, None, None, **fields)


def candidate(outputs=(), checks=(), **fields):
    return CandidateResult("ours", "model", "fp32", "m.onnx", {}, tuple(outputs), checks, **fields)


def check():
    return Check(name="permuted rows", output="logits", bitwise=False, errors=ERRORS)


@pytest.mark.parametrize(
    ("made", "passed"),
    [(output(1.0), True), (output(1.0001), False), (output(math.inf), False),
     (output(0.0, problem="another shape"), False)],
    ids=["all of it", "more", "beyond", "problem"],
)  # fmt: skip
def test_an_output_passes_within_its_budget(made, passed):
    assert made.passed is passed
    assert candidate([made]).passed is passed
    assert candidate([made]).record().passed is passed


def test_a_check_that_fails_fails_its_candidate():
    assert candidate([output()], ((check(), 1.0),)).passed
    failed = candidate([output()], ((check(), 1.1),))
    assert not failed.passed
    assert failed.record().checks[0].passed is False


def test_what_could_not_run_neither_passed_nor_failed():
    told = candidate(skipped="no GPU").record()
    assert (told.passed, told.skipped) == (None, "no GPU")


def test_a_record_holds_no_infinity():
    told = candidate([output(math.inf)], ((check(), math.inf),)).record()
    assert as_json(told)
    assert (told.outputs[0].usage, told.checks[0].usage) == (None, None)
    assert told.outputs[0].errors.rows is None
    assert candidate([output(0.0)]).record().outputs[0].usage == 0.0


def test_errors_without_a_unit_are_none():
    found = error_record(Errors(count=1, rms=math.nan, quantile=math.inf, max=1.0))
    assert (found.rms, found.quantile, found.max) == (None, None, 1.0)


def test_a_case_is_told_without_its_inputs():
    case = Case("c", "plain", {"batch": 2}, {"x": np.ones(3)}, seed=4, traced=True)
    assert as_json(case_record(case)) == {
        "name": "c", "style": "plain", "seed": 4, "sizes": {"batch": 2}, "traced": True,
    }  # fmt: skip


def test_errors_are_counted_by_their_decade_in_units_of_the_values():
    found = histogram(np.array([0.0, 1e-3, 1e-3, 10.0]), 10.0)
    assert found.sum() == 3, "exact zeros are left out"
    assert len(found) == len(EDGES) - 1
    place = np.searchsorted(EDGES, -4.0, side="right") - 1
    assert found[place] == 2
    assert found[np.searchsorted(EDGES, 0.0, side="right") - 1] == 1


def test_errors_beyond_the_edges_are_kept_at_the_ends():
    found = histogram(np.array([1e-30, 1e30]), 1.0)
    assert (found[0], found[-1]) == (1, 1)
    assert histogram(np.array([1.0]), 0.0).sum() == 0
    assert histogram(np.zeros(3), 1.0).sum() == 0
