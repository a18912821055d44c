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
    assert check_gates(["attention=3"], parts)[0]["found"] == 3


@pytest.mark.parametrize(
    ("gate", "states"),
    [("attention=2", ["fused", "refused"]), ("attention=all", ["fused", "plain"]),
     ("attention=all", [])],
    ids=["too few", "one left plain", "none at all"],
)  # fmt: skip
def test_a_gate_breaks(gate, states):
    with pytest.raises(ClaimError, match="--require"):
        check_gates([gate], {"model": part(*states)})


def test_a_record_is_plain_data():
    record = site_record(Outcome("norm", "layer.0", "ReduceMean m", "fused", "LayerNorm", "rule"))
    assert record["lowering"] == "rule"
    assert "refusal" not in record
