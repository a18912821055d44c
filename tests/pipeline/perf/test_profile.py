import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from pipeline.perf.profile import by_operator, profile_graph, sum_events


def event(node, op, microseconds):
    return {
        "cat": "Node",
        "name": f"{node}_kernel_time",
        "dur": microseconds,
        "args": {"op_name": op},
    }


def test_times_are_summed_by_construct_without_the_first_call():
    events = [event("n", "MatMul", t) for t in (9000, 1000, 3000)]
    events += [event("s", "Softmax", t) for t in (500, 500, 500)]
    events += [{"cat": "Session", "name": "model_run", "dur": 1}]
    got = sum_events(events, {"n": "attention"}, calls=3)
    assert got == {"attention": pytest.approx(2.0 + 0.5)}
    assert sum_events(events, {}, 3) == {"linear": pytest.approx(2.0), "attention": 0.5}


@pytest.mark.parametrize(
    ("op", "construct"), [("FusedMatMul", "attention"), ("Gemm", "linear"), ("Mystery", "other")]
)
def test_operators_the_runtime_made_have_a_construct(op, construct):
    assert by_operator(op) == construct


def test_a_real_profile(tmp_path):
    text = (
        '<ir_version: 10, opset_import: ["" : 20]> '
        "g (float[n, 8] x) => (float[n, 8] y) { s = Softmax(x) y = Erf(s) }"
    )
    onnx.save(parse_model(text), tmp_path / "m.onnx")
    got = profile_graph(tmp_path / "m.onnx", {"x": np.ones((4, 8), np.float32)}, 1, {})
    assert set(got) == {"attention", "activation"}
    assert all(0 <= ms < 100 for ms in got.values())
