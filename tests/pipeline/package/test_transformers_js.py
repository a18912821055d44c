"""The folder for transformers.js: names it looks for, and what it cannot hold."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import UsageError
from pipeline.package import transformers_js
from pipeline.package.subject import Subject, open_subject
from tests.pipeline.tasks.folders import folder_for


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(Subject, "config", {"model_type": "llama", "auto_map": {"A": "code"}})
    monkeypatch.setattr(Subject, "checkpoint", None)


def written(tmp_path, name):
    root = tmp_path / "package"
    root.mkdir()
    transformers_js.write(open_subject(folder_for(name, tmp_path), "", None), root, 0)
    return root


def test_the_configuration_says_which_files_to_load(tmp_path, known):
    root = written(tmp_path, "generate")
    told = json.loads((root / "config.json").read_text())
    assert told == {
        "model_type": "llama",
        "transformers.js_config": {
            "dtype": "fp32", "use_external_data_format": {"model.onnx": 0}
        },
    }  # fmt: skip
    assert json.loads((root / "generation_config.json").read_text())["eos_token_id"] == 2
    assert (
        json.loads((root / "check" / "check.json").read_text())["class"] == "AutoModelForCausalLM"
    )
    assert {"ask.mjs", "check.py"} <= {path.name for path in (root / "check").iterdir()}
    onnx.checker.check_model(root / "onnx" / "model.onnx")


def test_the_batch_of_a_cache_has_the_name_it_knows(tmp_path, known):
    model = onnx.load(written(tmp_path, "generate") / "onnx" / "model.onnx")
    given = [*model.graph.input, *model.graph.output]
    sizes = {v.name: [d.dim_param for d in v.type.tensor_type.shape.dim] for v in given}
    assert sizes["past_key_values.0.key"][0] == sizes["input_ids"][0] == "batch_size"
    assert sizes["past_key_values.0.key"][2] == "p"
    assert sizes["present.0.key"][0] == sizes["logits"][0] == "batch_size"


@pytest.mark.parametrize(
    ("precision", "dtype", "file"),
    [("fp16", "fp16", "model_fp16.onnx"), ("int8", "q8", "model_quantized.onnx"),
     ("int4", "q4", "model_q4.onnx")],
)  # fmt: skip
def test_a_precision_is_the_end_of_a_name(tmp_path, known, monkeypatch, precision, dtype, file):
    monkeypatch.setattr(Subject, "precision", precision)
    root = written(tmp_path, "generate")
    told = json.loads((root / "config.json").read_text())["transformers.js_config"]
    assert (told["dtype"], list(told["use_external_data_format"])) == (dtype, [file])
    assert [path.name for path in (root / "onnx").iterdir()] == [file]


@pytest.mark.parametrize(
    ("name", "precision", "says"),
    [("translate", "fp32", "no class for translation"), ("embed", "bf16", "no bf16 models")],
)
def test_what_it_cannot_hold_is_refused(tmp_path, known, monkeypatch, name, precision, says):
    monkeypatch.setattr(Subject, "precision", precision)
    with pytest.raises(UsageError, match=says):
        written(tmp_path, name)


def test_a_preset_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no config\.json"):
        written(tmp_path, "embed")


def stored(folder, name, values):
    """Return a tensor whose values lie in a data file."""
    tensor = numpy_helper.from_array(values, name)
    (folder / f"{name}.data").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=f"{name}.data")
    return tensor


def test_data_files_are_counted_up_wherever_the_weights_stand(tmp_path, monkeypatch):
    ones, twos, threes = (np.full(3, n, np.float32) for n in (1, 2, 3))
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=stored(tmp_path, "three", threes)),
         helper.make_node("Add", ["c", "one"], ["d"])],
        "then", [], [helper.make_tensor_value_info("d", TensorProto.FLOAT, [3])],
    )  # fmt: skip
    other = helper.make_graph(
        [helper.make_node("Identity", ["two"], ["e"])],
        "else", [], [helper.make_tensor_value_info("e", TensorProto.FLOAT, [3])],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("If", ["b"], ["y"], then_branch=branch, else_branch=other)],
        "g",
        [helper.make_tensor_value_info("b", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [stored(tmp_path, "one", ones), stored(tmp_path, "two", twos)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = tmp_path / "model_q4.onnx"
    assert transformers_js.name_data(model, path) == 3
    path.write_bytes(model.SerializeToString())
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {path.name, *(f"model_q4.onnx_data{n}" for n in ("", "_1", "_2"))}
    onnx.checker.check_model(path)
    (data,) = (a.g for a in onnx.load(path).graph.node[0].attribute if a.name == "then_branch")
    assert numpy_helper.to_array(data.node[0].attribute[0].t).tolist() == [3, 3, 3]
    monkeypatch.setattr(transformers_js, "MOST_DATA_FILES", 2)
    with pytest.raises(UsageError, match="3 data files"):
        transformers_js.name_data(model, path)
