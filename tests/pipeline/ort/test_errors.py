"""What the runtime raises becomes an error by what it says, in the one place that reads it."""

import pytest

from pipeline.errors import BadModelError
from pipeline.ort.errors import MissingKernelError, ModelRefusedError, RunFailedError, refused
from pipeline.ort.session import VERSION, Session
from tests.pipeline.text_graphs import model_of


def refusal_of(text):
    """Return what opening a graph really raises."""
    from onnx_ir import to_proto

    with pytest.raises(ModelRefusedError) as caught:
        Session(to_proto(model_of(text)).SerializeToString())
    return caught.value


def test_an_operator_without_a_kernel_is_told_apart():
    found = refusal_of("(bfloat16[2] x) => (bfloat16[2] y) { y = Sqrt(x) }")
    assert type(found) is MissingKernelError
    assert "NOT_IMPLEMENTED" in found.said


@pytest.mark.parametrize(
    "text",
    [
        "(float[2] x) => (float[3] y) { y = Concat<axis=3>(x, x) }",
        "(float[2] x) => (float[2] y) { y = Invented(x) }",
        "(float[2] x) => (float[2] y) { y = com.microsoft.Invented(x) }",
    ],
)
def test_any_other_refusal_is_none_of_a_kernel(text):
    found = refusal_of(text)
    assert type(found) is ModelRefusedError
    assert found.what.startswith("ONNX Runtime refuses the model: ")


def test_words_alone_decide_nothing():
    found = refused(RuntimeError("NOT_IMPLEMENTED by hand"), "here")
    assert not isinstance(found, MissingKernelError)
    assert (found.said, found.where) == ("NOT_IMPLEMENTED by hand", "here")


def test_operators_of_one_runtime_ask_for_the_version_they_were_proven_with():
    assert VERSION in refusal_of("(float[2] x) => (float[2] y) { y = com.microsoft.Nope(x) }").fix
    assert refusal_of("(float[2] x) => (float[2] y) { y = Nope(x) }").fix == ""


def test_a_run_that_failed_is_one_line():
    found = RunFailedError(RuntimeError("first\nsecond"), "m.onnx")
    assert isinstance(found, BadModelError)
    assert found.what == "ONNX Runtime failed while running: first"
    assert found.where == "m.onnx"
