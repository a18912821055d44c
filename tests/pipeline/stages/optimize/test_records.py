"""Gates count what was fused over all parts."""

from types import SimpleNamespace

import pytest

from pipeline.errors import ClaimError
from pipeline.stages.optimize.records import check_gates, site_record
from pipeline.stages.optimize.rewrite import Outcome


def part(*states, construct="attention"):
    outcomes = [Outcome(construct, f"layer.{i}", "Softmax s", s) for i, s in enumerate(states)]
    return SimpleNamespace(outcomes=tuple(outcomes))


def test_parts_are_added_up():
    parts = {"encoder": part("fused"), "decoder": part("fused", "fused")}
    assert check_gates({"attention": 3}, parts)[0].found == 3


@pytest.mark.parametrize(
    ("least", "states"),
    [(2, ["fused", "refused"]), ("all", ["fused", "plain"]), ("all", [])],
    ids=["too few", "one left plain", "none at all"],
)
def test_a_gate_breaks(least, states):
    with pytest.raises(ClaimError, match=f"--require attention={least}"):
        check_gates({"attention": least}, {"model": part(*states)})


def test_an_outcome_becomes_a_record():
    record = site_record(Outcome("norm", "layer.0", "ReduceMean m", "fused", "LayerNorm", "rule"))
    assert record.lowering == "rule"
    assert record.refusal is None
