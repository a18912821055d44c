"""From parts to files: both exporters, auto's second choice, facts, nothing left after failure."""

from dataclasses import replace

import onnx_ir as ir
import pytest
import torch
from torch import nn

from pipeline.errors import ExportError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export import core
from pipeline.stages.export.core import export_parts
from pipeline.stages.export.parts import ExportPart
from tests.pipeline.records.made import tensor

DIMS = {"batch": SizeRange(1, 2, 8), "seq": SizeRange(1, 4, 32)}


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Linear(32, 32).requires_grad_(False)

    def forward(self, x):
        return (self.model(x),)


def a_part(name="model", module=None) -> ExportPart:
    inputs, axes = {"x": torch.randn(2, 3, 32)}, {"x": {0: "batch", 1: "seq"}}
    return ExportPart(name, module or Layer(), inputs, axes, DIMS, ("y",))


def fails(part, opset):
    raise RuntimeError("cannot carry this") from ValueError("data-dependent shape")


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_files_and_facts(tmp_path, told, exporter):
    shared = Layer()
    parts = [a_part("encoder", shared), a_part("decoder", shared)]
    result = export_parts(parts, tmp_path, exporter, 20, told)
    assert result.exporter == exporter
    assert {file.name for file in tmp_path.iterdir()} == {
        "encoder.exported.onnx", "decoder.exported.onnx", result.weights.name,
    }  # fmt: skip
    assert (result.weights.tensors, result.weights.shared) == (1, 1)
    part = result.parts["decoder"]
    assert part.file == "onnx/decoder.exported.onnx"
    assert part.inputs == (tensor("x", "batch", "seq", 32),)
    assert part.outputs == (tensor("y", "batch", "seq", 32),)
    assert part.dims["seq"] == SizeRange(1, 4, 32)
    assert max(result.differences.values()) < 1e-5  # one float32 product
    assert ir.load(tmp_path / "encoder.exported.onnx").opset_imports[""] == 20


class Twice(Layer):
    def forward(self, x):
        y = self.model(x)
        return y, x, y, x.sum(1), x.sum(1)


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_a_tensor_returned_twice_or_handed_back_keeps_every_name(tmp_path, told, exporter):
    names = ("y", "x_out", "y_again", "sum", "sum_again")
    part = replace(a_part(module=Twice()), outputs=names)
    result = export_parts([part], tmp_path, exporter, 20, told)
    assert tuple(output.name for output in result.parts["model"].outputs) == names
    graph = ir.load(tmp_path / "model.exported.onnx").graph
    assert [value.name for value in graph.inputs] == ["x"]


def test_a_scripted_module_is_carried_as_it_is(tmp_path, told):
    part = a_part(module=Layer())
    part.module.model = torch.jit.script(part.module.model)
    result = export_parts([part], tmp_path, "auto", 20, told)
    assert max(result.differences.values()) < 1e-5


def test_a_fixed_argument_is_told(tmp_path, told):
    export_parts([replace(a_part(), fixed={"scale": "2.0"})], tmp_path, "dynamo", 20, told)
    assert told.notes[0].startswith("scale stays 2.0")


def test_auto_takes_the_second_exporter_and_says_why(tmp_path, told, monkeypatch):
    monkeypatch.setitem(core.EXPORTERS, "dynamo", fails)
    result = export_parts([a_part()], tmp_path, "auto", 18, told)
    assert result.exporter == "torchscript"
    assert result.rejected == {"dynamo": "ValueError: data-dependent shape"}
    assert any("dynamo" in note and "data-dependent" in note for note in told.notes)


def test_when_none_holds_each_reason_is_given_and_nothing_stays(tmp_path, told, monkeypatch):
    monkeypatch.setitem(core.EXPORTERS, "dynamo", fails)
    monkeypatch.setitem(core.EXPORTERS, "torchscript", fails)
    with pytest.raises(ExportError, match="ValueError: data-dependent shape") as caught:
        export_parts([a_part()], tmp_path, "auto", 18, told)
    assert "part model" in caught.value.where
    assert list(tmp_path.iterdir()) == []


def test_an_input_the_graph_does_not_use_is_kept_or_reported(tmp_path, told):
    class Unused(nn.Module):
        def forward(self, x, z):
            return (x + 1,)

    part = a_part(module=Unused())
    part.inputs["z"] = torch.ones(2)
    part.axes["z"] = {0: "batch"}
    result = export_parts([part], tmp_path, "auto", 18, told)
    assert [value.name for value in result.parts["model"].inputs] == ["x", "z"]


def test_a_graph_that_computes_something_else_is_refused(tmp_path, told, monkeypatch):
    export = core.EXPORTERS["torchscript"]

    def wrong(part, opset):
        model = export(part, opset)
        node = next(n for n in model.graph if n.op_type == "Add")
        node.op_type = "Sub"
        return model

    monkeypatch.setitem(core.EXPORTERS, "torchscript", wrong)
    with pytest.raises(ExportError, match="does not compute what PyTorch does"):
        export_parts([a_part()], tmp_path, "torchscript", 18, told)
