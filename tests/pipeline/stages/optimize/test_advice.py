"""Refusals say what to do: the recogniser's own word first, else what helps at that step."""

import onnx_ir as ir
import pytest

from pipeline.fusion.attention import steps as attention
from pipeline.fusion.norm import steps as norm
from pipeline.fusion.refusal import RIGHT, Kind, Refusal
from pipeline.stages.optimize.advice import remedy
from pipeline.stages.optimize.explain import explain_model
from pipeline.stages.optimize.options import ExplainOptions
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import model_of

NODE = ir.node("Relu", [ir.Value(name="x")])


def refusal(step=attention.SCORES, **more):
    return Refusal("attention", NODE, "attention", step, "Relu", NODE, **more)


def test_the_recogniser_knows_best():
    assert remedy(refusal(remedy="drop the Relu")) == "drop the Relu"


def test_what_is_left_on_purpose_needs_no_advice():
    assert remedy(refusal(kind=Kind.LEFT_PLAIN)) == ""
    assert remedy(refusal(kind=Kind.OPSET)) == ""


def test_a_failed_proof_is_ours_to_mend():
    assert "report it" in remedy(refusal(RIGHT, kind=Kind.PROOF_FAILED))


def test_an_operator_this_runtime_lacks_is_not_a_bug():
    assert "a newer ONNX Runtime" in remedy(refusal(RIGHT, kind=Kind.UNLOADABLE))


@pytest.mark.parametrize(
    "step",
    [attention.SCORES, attention.VALUES, attention.PAIRS, norm.ROOT, norm.DIVIDED, norm.AXES],
)
def test_every_step_of_a_recogniser_has_words(step):
    assert step.asks
    assert remedy(refusal(step)) == step.advice != ""


def test_an_unfusable_model_reads_as_a_person_would_want(tmp_path):
    core = "qk = MatMul(qh, kh) t = Mul(qk, half) s = Relu(t) p = Softmax<axis=-1>(s)"
    path = tmp_path / "model.onnx"
    ir.save(model_of(graphs.attention(core)), path)
    sites = explain_model(ExplainOptions(path))["parts"]["model"]["sites"]
    (found,) = [s["refusal"] for s in sites if s["construct"] == "attention"]
    assert found["asked"] == "the way from queries and keys to the softmax"
    assert found["reason"] == "Relu between queries*keys and the softmax is not understood"
    assert found["node"].startswith("Relu ")
    assert found["remedy"].startswith("keep to scale, mask, bias")
