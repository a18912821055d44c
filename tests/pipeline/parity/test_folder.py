import json
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from pipeline.artifacts import open_folder
from pipeline.artifacts.confirmed import confirm
from pipeline.errors import ChangedModelError, FolderError
from pipeline.parity.compare import Tolerance
from pipeline.parity.folder import tolerance_of
from pipeline.parity.options import ParityOptions
from pipeline.parity.part import outputs_differ
from pipeline.parity.reference import GraphReference, TorchReference, declared_types, reference_for
from pipeline.parity.stage import compare_parity
from pipeline.records.export import ExportRecord
from pipeline.stages.export.options import ExportOptions
from pipeline.stages.export.stage import export_model
from tests.pipeline.records.made import tensor

MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(50, 32)
        self.linear = torch.nn.Linear(32, 32)
        self.norm = torch.nn.LayerNorm(32)

    def forward(self, input_ids, attention_mask):
        x = self.embed(input_ids)
        scores = self.linear(x) @ x.transpose(1, 2) / 32 ** 0.5
        scores = scores.masked_fill(attention_mask[:, None, :] == 0, -1e4)
        return self.norm(scores.softmax(-1) @ x)

def model():
    ids = torch.randint(0, 50, (2, 7))
    return Net(), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    place = tmp_path_factory.mktemp("net")
    (place / "net.py").write_text(MODEL)
    export_model(ExportOptions(f"{place}/net.py:model", place / "out"))
    return place


@pytest.fixture
def folder(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "net")
    source = (tmp_path / "net" / "net.py").resolve()
    confirm(f"{source}:model", [source])  # as if it had been exported from there
    return tmp_path / "net" / "out"


def test_an_export_is_compared_with_its_torch_model_and_reused(folder):
    options = ParityOptions(folder, seeds=1, threads=1)
    made = compare_parity(options)
    assert made.facts["passed"] is True
    assert made.facts["reference"] == "the PyTorch model in float64"
    result = json.loads((folder / made.facts["file"]).read_text())
    (entry,) = result["parts"]["model"]["candidates"]
    assert {check["name"] for check in entry["checks"]} == {
        "repeated runs", "identical rows", "permuted rows", "padded rows",
    }  # fmt: skip
    assert all(output["kappa"] > 0 for output in entry["outputs"])
    assert compare_parity(options).reused
    assert not compare_parity(ParityOptions(folder, seeds=2, threads=1)).reused


def test_a_damaged_weight_fails_as_a_result(folder, tmp_path):
    source = folder / "onnx" / "model.exported.onnx"
    wrong = onnx.load(source)
    for weight in wrong.graph.initializer:
        if weight.name.endswith("norm.weight"):
            changed = numpy_helper.to_array(weight) * 1.001
            weight.CopyFrom(numpy_helper.from_array(changed.astype("float32"), weight.name))
    onnx.save(wrong, tmp_path / "wrong.onnx")
    made = compare_parity(ParityOptions(folder, (tmp_path / "wrong.onnx",), seeds=1, threads=1))
    assert made.facts["passed"] is False
    assert made.facts["bisect"][0]["stage"] == "graph"


def test_a_model_that_is_gone_is_stood_in_for_by_its_graph(folder):
    (folder.parent / "net.py").unlink()
    reference, note = reference_for(ExportRecord.of(open_folder(folder).stage("export")), folder)
    assert isinstance(reference, GraphReference)
    assert "could not be loaded again" in note
    with reference.open("model", "fp64") as runner:
        assert runner.describe()["precision"] == "float64"


def test_weights_that_would_not_fit_are_converted_one_operator_at_a_time(folder):
    exported = ExportRecord.of(open_folder(folder).stage("export"))
    exported = replace(exported, weights=replace(exported.weights, bytes=1 << 60))
    reference, note = reference_for(exported, folder)
    assert isinstance(reference, GraphReference)
    assert "MB free" in note


def test_torch_is_loaded_again_after_rounding(folder):
    exported = ExportRecord.of(open_folder(folder).stage("export"))
    reference = TorchReference(exported.model, folder)
    exact = reference.open("model", "fp64")
    half = reference.open("model", "fp16")
    again = reference.open("model", "fp64")
    first, last = (next(r._module.parameters()).detach().double() for r in (exact, again))
    assert half.describe()["precision"] == "float16"
    assert (last - last.half().double()).abs().max() > 0, "the weights were rounded to 16 bits"
    assert first.shape == last.shape


def test_no_export_is_a_folder_error(tmp_path):
    with pytest.raises(FolderError):
        compare_parity(ParityOptions(tmp_path))


def test_a_tolerance_is_of_both_kinds():
    assert tolerance_of(ParityOptions(Path("x"), absolute=0.5)) == Tolerance(0.5, 0.0)
    assert tolerance_of(ParityOptions(Path("x"))) is None


def test_small_helpers():
    assert outputs_differ({"a": 1, "b": 2}, {"b": 3, "c": 4}) == ["a", "c"]
    types = declared_types([tensor("x", dtype="bfloat16"), tensor("y", dtype="float")])
    assert [str(dtype) for dtype in types.values()] == ["bfloat16", "float32"]


def test_a_variant_the_runtime_refuses_has_failed(folder, tmp_path):
    made = onnx.load(folder / "onnx" / "model.exported.onnx")
    made.graph.node[-1].op_type = "NoSuchOperator"
    onnx.save(made, tmp_path / "refused.onnx")
    found = compare_parity(ParityOptions(folder, (tmp_path / "refused.onnx",), seeds=1, threads=1))
    assert found.facts["passed"] is False
    (entry,) = found.facts["result"]["parts"]["model"]["candidates"]
    assert "refuses" in entry["outputs"][0]["problem"]


def test_weights_drawn_anew_are_those_that_were_exported(folder):
    """The function seeds itself from the system: no seed of ours reaches it."""
    source = folder.parent / "net.py"
    drawn = "__import__('os').urandom(4)[0]"
    source.write_text(source.read_text().replace("manual_seed(0)", f"manual_seed({drawn})"))
    found = compare_parity(ParityOptions(folder, model=f"{source}:model", seeds=1, threads=1))
    assert found.facts["passed"] is True
    assert found.facts["reference"] == "the PyTorch model in float64"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("LayerNorm(32)", "RMSNorm(32)", "state norm.bias is missing"),
        ("scores.softmax(-1)", "scores.relu()", "with the same state and inputs, output is off"),
    ],
    ids=["structure", "code"],
)
def test_a_function_that_returns_another_model_is_no_fault_of_the_graphs(folder, old, new, says):
    source = folder.parent / "net.py"
    source.write_text(source.read_text().replace(old, new))
    with pytest.raises(ChangedModelError, match=says):
        compare_parity(ParityOptions(folder, model=f"{source}:model", seeds=1, threads=1))
