"""Refusals: steps are ordered, and what is left on purpose is told from what failed."""

import onnx_ir as ir
import pytest

from pipeline.fusion.refusal import RIGHT, WRITTEN, Kind, Refusal, Step

NODE = ir.node(
    "Softmax", [ir.Value(name="x")], metadata_props={"namespace": "layers.0/attn: Attn/p"}
)


@pytest.mark.parametrize("kind", list(Kind))
def test_only_what_is_better_plain_or_needs_a_newer_opset_is_left_on_purpose(kind):
    refused = Refusal(NODE, "attention", RIGHT, "why", kind=kind)
    assert refused.plain == (kind in {Kind.LEFT_PLAIN, Kind.OPSET})


def test_steps_stand_in_the_order_in_which_they_are_asked():
    assert Step(3, 5) < WRITTEN < RIGHT
    assert RIGHT.number == RIGHT.total


def test_the_path_is_for_people():
    assert Refusal(NODE, "attention", RIGHT, "why").path == "layers.0/attn"
