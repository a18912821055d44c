"""A model in memory: the same fusions as of a file, and what went in stays as it was."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

import pipeline
from pipeline.api import memory
from pipeline.errors import BadModelError, ClaimError, NoKernelsError, UsageError
from tests.pipeline import attention_graphs as graphs

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.standard_normal((32, 32)).astype(np.float32)


@pytest.fixture
def proto() -> onnx.ModelProto:
    """Return an attention behind a product with a weight."""
    text = graphs.attention(
        tail="o = MatMul(p, vh) ot = Transpose<perm=[0, 2, 1, 3]>(o) or = Reshape(ot, back)"
        " y = MatMul(or, w)"
    )
    made = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 23]> g {text}')
    made.graph.initializer.append(onnx.numpy_helper.from_array(WEIGHT, "w"))
    return made


def feeds():
    shape = (2, 5, 32)
    return {name: RANDOM.standard_normal(shape).astype(np.float32) for name in "qkv"}


def answer(model, given):
    proto = model if isinstance(model, onnx.ModelProto) else ir.to_proto(model)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(None, given)[0]


def content(model):
    proto = model if isinstance(model, onnx.ModelProto) else ir.to_proto(model)
    return proto.SerializeToString(deterministic=True)


@pytest.mark.parametrize("kind", [onnx.ModelProto, ir.Model])
def test_the_same_class_comes_back_and_the_model_given_stays(proto, kind):
    given = proto if kind is onnx.ModelProto else ir.from_proto(proto)
    before = content(given)
    made = pipeline.optimize(given)
    assert isinstance(made.model, kind)
    assert content(given) == before
    assert made.record.count("attention").fused == 1
    assert "Softmax" not in [node.op_type for node in onnx.load_from_string(content(made.model))
                             .graph.node]  # fmt: skip
    inputs = feeds()
    np.testing.assert_allclose(answer(made.model, inputs), answer(given, inputs), atol=2e-5)


def test_a_graph_shares_its_weights(proto):
    given = ir.from_proto(proto)
    made = pipeline.optimize(given).model
    assert made.graph.initializers["w"].const_value is given.graph.initializers["w"].const_value


@pytest.mark.parametrize("target", ["ort-cpu", "tensorrt"])
def test_memory_and_files_give_the_same_graph_and_record(proto, tmp_path, target):
    onnx.save(proto, tmp_path / "m.onnx")
    options = pipeline.OptimizeOptions(tmp_path / "m.onnx", tmp_path / "file.onnx", target=target)
    of_file = pipeline.optimize_model(options)
    made = pipeline.optimize(proto, target=target)
    assert made.record == of_file.record
    place = made.save(tmp_path / "new" / "memory.onnx")
    assert place.read_bytes() == (tmp_path / "file.onnx").read_bytes()
    settings = [p.with_name(p.name + ".session.json") for p in (place, tmp_path / "file.onnx")]
    assert settings[0].exists() == settings[1].exists() == (target == "ort-cpu")
    if target == "ort-cpu":
        assert json.loads(settings[0].read_text()) == made.record.to_json()["session"]


def test_weights_in_data_files_stay_there(proto, tmp_path):
    path, inputs = tmp_path / "m.onnx", feeds()
    expected = answer(proto, inputs)
    onnx.save(proto, path, save_as_external_data=True, location="w.data", size_threshold=0)
    apart = onnx.load(path, load_external_data=False)
    made = pipeline.optimize(apart, base_dir=tmp_path)
    (entry,) = (t for t in made.model.graph.initializer if t.name == "w")
    assert {e.key: e.value for e in entry.external_data}["location"] == "w.data"
    made.save(tmp_path / "fused.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "fused.onnx")
    np.testing.assert_allclose(session.run(None, inputs)[0], expected, atol=2e-5)
    with pytest.raises(BadModelError, match=r"w\.data"):
        pipeline.optimize(apart, base_dir=tmp_path / "elsewhere")


def test_inputs_given_are_what_a_full_proof_stands_on(proto):
    made = pipeline.optimize(proto, proof="full", inputs=feeds())
    (site,) = (s for s in made.record.sites if s.construct == "attention")
    assert site.proof.inputs == ("made-up ranges", "the inputs given")


def test_a_precision_takes_its_ranges_from_them(proto):
    small = {name: array / 100 for name, array in feeds().items()}
    made = pipeline.optimize(proto, target="ort-cuda", precision="fp16", inputs=small)
    assert made.model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    large = {name: array * 1e4 for name, array in feeds().items()}
    other = pipeline.optimize(proto, target="ort-cuda", precision="fp16", inputs=large)
    assert other.record.typing != made.record.typing


@pytest.mark.parametrize("names", ["qk", "qkvx", ""])
def test_inputs_that_do_not_fit_are_refused(proto, names):
    inputs = {name: np.ones((1, 2, 32), np.float32) for name in names}
    with pytest.raises(UsageError, match="the inputs given are") as caught:
        pipeline.optimize(proto, inputs=inputs)
    assert caught.value.fix == "give one array for each of k, q, v"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"target": "tpu"}, UsageError),
        ({"require": {"attention": 2}}, ClaimError),
        ({"require": {"heads": 2}}, UsageError),
        ({"target": "ort-cpu", "precision": "bf16"}, NoKernelsError),
        ({"disable": ("nothing",)}, UsageError),
    ],
    ids=str,
)
def test_options_are_checked_as_those_of_the_command(proto, wrong, error):
    with pytest.raises(error):
        pipeline.optimize(proto, **wrong)


@pytest.mark.parametrize("given", ["model.onnx", None, b"bytes"])
def test_what_is_no_model_is_told_where_files_go(given):
    with pytest.raises(UsageError, match="is no model in memory") as caught:
        pipeline.optimize(given)
    assert "optimize_model" in caught.value.fix


def test_a_model_that_contradicts_itself_is_refused(proto):
    proto.graph.node[0].output[0] = proto.graph.node[1].output[0]
    with pytest.raises(BadModelError, match="Two nodes compute") as caught:
        pipeline.optimize(proto)
    assert memory.IN_MEMORY in caught.value.where


@pytest.mark.parametrize("kind", [onnx.ModelProto, ir.Model])
def test_a_bug_of_ours_is_not_the_models_fault(proto, monkeypatch, kind):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(memory, "apply_options", broken)
    with pytest.raises(ZeroDivisionError):
        pipeline.optimize(proto if kind is onnx.ModelProto else ir.from_proto(proto))
    proto.graph.node[-1].attribute.append(onnx.helper.make_attribute("axis", 1))
    with pytest.raises(BadModelError, match="breaks ONNX's rules") as caught:
        pipeline.optimize(ir.from_proto(proto))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_it_shows_what_was_done(proto):
    made = pipeline.optimize(proto)
    assert repr(made).startswith("<Optimized: ")
    assert "attention 1 fused" in repr(made)
    assert made.grids() == made.record.grids()
    assert "<td>attention</td><td>1</td>" in made._repr_html_()
