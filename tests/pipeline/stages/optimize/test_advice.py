"""Refusals say what to do: the recogniser's own word first, else what helps at that step."""

import onnx_ir as ir

from pipeline.fusion.attention import steps as attention
from pipeline.fusion.refusal import RIGHT, Kind, Refusal
from pipeline.stages.optimize.advice import remedy

NODE = ir.node("Relu", [ir.Value(name="x")])


def refusal(step=attention.SCORES, **more):
    return Refusal(NODE, "attention", step, "Relu", NODE, **more)


def test_the_recogniser_knows_best():
    assert remedy(refusal(remedy="drop the Relu")) == "drop the Relu"


def test_what_is_left_on_purpose_needs_no_advice():
    assert remedy(refusal(kind=Kind.LEFT_PLAIN)) == ""
    assert remedy(refusal(kind=Kind.OPSET)) == ""


def test_a_failed_proof_is_ours_to_mend():
    assert "report it" in remedy(refusal(RIGHT, kind=Kind.PROOF_FAILED))
