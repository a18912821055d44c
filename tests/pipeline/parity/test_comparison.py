"""A comparison's verdict, its rule, and what adding a part keeps of it."""

import numpy as np
import pytest

from pipeline.parity.candidates import Candidate
from pipeline.parity.compare import Tolerance
from pipeline.parity.comparison import Comparison
from pipeline.parity.results import CandidateResult, Case
from pipeline.records.parity import PartComparison
from pipeline.types import SILENT
from tests.pipeline.records.judged import (
    DERIVED,
    candidate,
    generation,
    generation_row,
    not_generated,
)


class Part:
    """A part whose candidates all pass."""

    name, notes, output_names, coverage = "encoder", ["left out"], ["y"], None
    cases = (Case("c", "plain", {"batch": 2}, {"x": np.ones(2)}, seed=3),)

    def prepare(self, precisions, progress):
        self.precisions = precisions

    def compare(self, given):
        return CandidateResult(given.name, self.name, given.precision, "f.onnx", {}, ())


@pytest.mark.parametrize(
    ("passed", "verdict"),
    [([True, None], True), ([True, False], False), ([None], False), ([], False)],
    ids=["one did not run", "one failed", "none ran", "nothing"],
)
def test_it_passes_when_something_was_compared_and_nothing_failed(passed, verdict):
    made = Comparison("r", None)
    found = tuple(candidate(passed=p) for p in passed)
    made.parts["model"] = PartComparison(cases=(), candidates=found)
    assert made.result().passed is verdict


@pytest.mark.parametrize(
    ("row", "verdict"),
    [(generation_row(), True), (generation_row(passed=False), False), (not_generated(), True)],
)
def test_generated_texts_count(row, verdict):
    made = Comparison("r", None, generation=generation(row))
    made.parts["model"] = PartComparison(cases=(), candidates=(candidate(),))
    assert made.result().passed is verdict


def test_the_rule_is_derived_unless_a_tolerance_is_given():
    assert Comparison("r", None).result().rule == DERIVED
    given = Comparison("r", Tolerance(0.5, 0.25)).result().rule
    assert (given.absolute, given.relative, given.rms) == (0.5, 0.25, None)


def test_a_part_keeps_its_cases_candidates_and_notes(tmp_path):
    made, part = Comparison("r", None, notes=["first"]), Part()
    given = [Candidate("half", "encoder", tmp_path / "a.plan", "fp16")]
    (found,) = made.add(part, given, SILENT)
    assert part.precisions == ["fp16", "fp32"]
    result = made.result()
    assert result.notes == ("first", "left out")
    assert result.parts["encoder"].cases[0].seed == 3
    assert result.parts["encoder"].candidates == (found.record(),)
