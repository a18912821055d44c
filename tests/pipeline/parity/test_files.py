import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.parser import parse_model

from pipeline.errors import BadModelError, UsageError
from pipeline.parity.options import ParityOptions
from pipeline.parity.stage import compare_parity
from pipeline.types import SILENT

MLP = """<ir_version: 10, opset_import: ["" : 20]>
g (float[batch, 16] x) => (float[batch, 16] y, float[batch, 16] z) {
  h = MatMul(x, w1)
  a = Gelu(h)
  s = MatMul(a, w2)
  y = Add(s, x)
  z = Softmax(s)
}"""


def model(**changes):
    made = parse_model(MLP)
    random = np.random.default_rng(0)
    for name in ("w1", "w2"):
        value = random.normal(size=(16, 16)).astype(np.float32)
        made.graph.initializer.append(numpy_helper.from_array(value * changes.get(name, 1), name))
    return made


@pytest.fixture
def save(tmp_path):
    def write(name, made):
        onnx.save(made, tmp_path / name)
        return tmp_path / name

    return write


def compare(reference, *candidates, **options):
    return compare_parity(ParityOptions(reference, candidates, threads=1, **options), SILENT)


def test_the_same_graph_passes(save, tmp_path):
    path = save("a.onnx", model())
    found = compare(path, save("b.onnx", model()), output=tmp_path / "out" / "result.json")
    assert found.facts["passed"] is True
    assert found.seconds > 0
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    (entry,) = stored["parts"]["model"]["candidates"]
    assert entry["describe"]["provider"] == "CPUExecutionProvider"
    assert {output["output"] for output in entry["outputs"]} == {"y", "z"}
    assert len(stored["parts"]["model"]["cases"]) >= 6


@pytest.mark.parametrize("factor", [1 + 2**-10, 1.1])
def test_a_changed_weight_fails_and_the_first_tensor_is_named(save, factor):
    changed = model(w2=factor)
    changed.graph.node[2].metadata_props.add(key="pipeline.rule", value="FuseNothing")
    found = compare(save("a.onnx", model()), save("b.onnx", changed))
    assert found.facts["passed"] is False
    (place,) = found.facts["bisect"]
    assert (place["stage"], place["tensor"], place["before"]) == ("graph", "s", "a")
    assert place["rewrite"] == "FuseNothing"


def test_an_explicit_tolerance_can_accept_it(save):
    a, b = save("a.onnx", model()), save("b.onnx", model(w2=1 + 2**-10))
    assert compare(a, b, absolute=100.0).facts["passed"] is True
    assert compare(a, b, relative=1e-9).facts["passed"] is False


def test_half_precision_is_held_to_its_own_rounding_and_type(save):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    reference = save("a.onnx", model())
    kept = convert_float_to_float16(model(), keep_io_types=True)
    assert compare(reference, save("b.fp16.onnx", kept)).facts["passed"] is True
    found = compare(reference, save("c.onnx", convert_float_to_float16(model(w1=1.02))))
    assert found.facts["candidates"][0]["precision"] == "fp16"
    assert found.facts["passed"] is False


def test_other_shapes_are_a_failed_parity(save):
    other = model()
    onnx.helper.make_node("Identity", ["y"], ["q"])
    other.graph.node[4].CopyFrom(onnx.helper.make_node("Concat", ["y", "y"], ["z"], axis=1))
    del other.graph.output[1].type.tensor_type.shape.dim[:]
    found = compare(save("a.onnx", model()), save("b.onnx", other), bisect=False)
    assert found.facts["passed"] is False
    (entry,) = found.facts["result"]["parts"]["model"]["candidates"]
    problems = {output["output"]: output["problem"] for output in entry["outputs"]}
    assert "shape" in problems["z"]
    assert not problems["y"]


def test_other_names_are_a_usage_error(save):
    other = model()
    other.graph.output[1].name = "renamed"
    other.graph.node[4].output[0] = "renamed"
    with pytest.raises(UsageError, match="outputs differ"):
        compare(save("a.onnx", model()), save("b.onnx", other))


def test_junk_and_nothing_to_compare(save, tmp_path):
    path = save("a.onnx", model())
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(BadModelError):
        compare(path, tmp_path / "junk.onnx")
    with pytest.raises(UsageError, match="nothing to compare"):
        compare(path)


def test_given_inputs_add_to_the_synthetic_ones(save, tmp_path):
    np.savez(tmp_path / "in.npz", x=np.ones((2, 16), np.float32))
    path = save("a.onnx", model())
    found = compare(path, path, inputs=tmp_path / "in.npz")
    names = [c["name"] for c in found.facts["result"]["parts"]["model"]["cases"]]
    assert names[-1] == "in.npz"
    assert len(names) > 6
    np.savez(tmp_path / "wrong.npz", other=np.ones(2))
    (tmp_path / "torn.npz").write_bytes(b"PK")
    with pytest.raises(UsageError, match="inputs cannot be read"):
        compare(path, path, inputs=tmp_path / "torn.npz")


def test_weights_that_are_no_numbers_fail_in_words(save):
    path = save("nan.onnx", model(w1=np.where(np.arange(16) == 3, np.nan, 1).astype(np.float32)))
    found = compare(path, path, seeds=1)
    assert found.facts["passed"] is False
    assert "w1 (16 of 256 values)" in found.facts["candidates"][0]["why"]


def test_one_constant_in_half_precision_widens_nothing(save):
    changed = model(w2=1 + 2**-10)
    changed.graph.initializer.append(numpy_helper.from_array(np.float16(1), "half"))
    found = compare(save("a.onnx", model()), save("b.onnx", changed), seeds=1)
    assert found.facts["candidates"][0]["precision"] == "fp32"
    assert found.facts["passed"] is False
