"""The five cases of every lowering: CONTRIBUTING, "Add a lowering"."""

import numpy as np
import pytest

from pipeline.fusion.construct import Pass
from pipeline.fusion.plan import lowerings_for
from pipeline.graph.inference.facts import Facts
from pipeline.judge import Judge
from pipeline.stages.optimize.candidate import Candidate
from pipeline.stages.optimize.rewrite import Rewriter
from pipeline.types import TARGETS
from tests.pipeline.fusion.lowering_cases import ROWS
from tests.pipeline.text_graphs import assert_becomes, listing, model_of, rewritten

EACH = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
REFUSED = {
    f"{name}: {reason}": (row, lowering, text, reason)
    for name, row in ROWS.items()
    for lowering, text, reason in row.refused
}


def test_the_table_has_every_lowering():
    found = {x.name for t in TARGETS for some in lowerings_for(t).values() for x in some}
    assert ROWS.keys() == found


@EACH
def test_before_becomes_after(row):
    assert_becomes(row.before, row.after, row.find, row.lowering, opset=row.opset)


@EACH
def test_the_nearest_other_graph_stays(row):
    model = model_of(row.unlike, row.opset)
    Rewriter(model, Facts(model), None).run([Pass("x", row.find, (row.lowering,))])
    assert listing(model) == listing(model_of(row.unlike, row.opset))


@pytest.mark.parametrize(("row", "lowering", "text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_has_its_reason(row, lowering, text, reason):
    model = model_of(text, row.opset)
    outcomes = Rewriter(model, Facts(model), None).run([Pass("x", row.find, (lowering,))])
    assert {outcome.state for outcome in outcomes} <= {"refused", "plain"}
    assert reason in outcomes[0].refusal.reason
    assert listing(model) == listing(model_of(text, row.opset))


def assert_equal_to_float64(row, text, after):
    before = model_of(text, row.opset)
    feeds = row.feeds(before)
    wanted, candidate = Judge(before, "float64").run(feeds), Candidate(after)
    assert not candidate.failure
    found = candidate.run(feeds)
    for name, value in wanted.items():
        want = value.numpy()
        assert found[name].shape == want.shape
        difference = np.abs(found[name] - want).max()
        assert difference <= row.rtol * np.abs(want).max(), name


@EACH
def test_numbers_are_equal(row):
    after = rewritten(row.before, row.find, row.lowering, opset=row.opset)
    assert_equal_to_float64(row, row.before, after)


@EACH
def test_a_second_reader_gets_what_it_read(row):
    if not row.stays:
        model = model_of(row.second, row.opset)
        Rewriter(model, Facts(model), None).run([Pass("x", row.find, (row.lowering,))])
        assert listing(model) == listing(model_of(row.second, row.opset))
        return
    after = rewritten(row.second, row.find, row.lowering, opset=row.opset)
    reached = "\n".join(listing(after))
    assert f" {row.stays}<" in reached
    assert_equal_to_float64(row, row.second, after)
