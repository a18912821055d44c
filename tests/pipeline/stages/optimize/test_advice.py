"""Refusals say what their step asks and what to do, the recogniser's own word first."""

import onnx_ir as ir
import pytest

from pipeline.fusion.site import Refusal
from pipeline.stages.optimize.advice import asked, remedy
from pipeline.stages.optimize.explain import explain_model
from pipeline.stages.optimize.options import ExplainOptions
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import model_of

NODE = ir.node("Relu", [ir.Value(name="x")])


def refusal(construct="attention", step=1, steps=5, reason="Relu", **more):
    return Refusal(construct, NODE, "attention", step, steps, reason, NODE, **more)


def test_the_recogniser_knows_best():
    assert remedy(refusal(remedy="drop the Relu")) == "drop the Relu"
    assert remedy(refusal(plain=True)) == ""


def test_a_failed_proof_is_ours_to_mend():
    assert "report it" in remedy(refusal(step=5, reason="the proof failed: differs by 1"))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_every_step_of_a_recogniser_has_words(step):
    for construct in ("attention", "norm"):
        assert asked(refusal(construct, step))
        assert remedy(refusal(construct, step))


def test_a_construct_with_other_steps_has_none():
    assert asked(refusal("rotary", 2, 4)) == ""
    assert asked(refusal(steps=4)) == ""


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


def test_an_operator_this_runtime_lacks_is_not_a_bug():
    reason = "the proof failed: the replacement does not load: no such input"
    assert "a newer ONNX Runtime" in remedy(refusal(step=5, reason=reason))
