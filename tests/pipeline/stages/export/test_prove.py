"""The proof: sizes covered, output axes read off, and a baked size named."""

import sys

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import BadModelError, ExportError
from pipeline.records.tensors import SizeRange
from pipeline.stages.export.core import export_parts
from pipeline.stages.export.exporters import export_torchscript
from pipeline.stages.export.parts import ExportPart, example_sizes
from pipeline.stages.export.prove import (
    compute_probe,
    difference,
    open_graph,
    output_shapes,
    probe_sizes,
    prove_part,
    to_numpy,
)
from pipeline.types import SILENT

DIMS = {"batch": SizeRange(1, 1, 16), "seq": SizeRange(1, 1, 64), "past": SizeRange(0, 1, 63)}


class Grow(nn.Module):
    def forward(self, past, x):
        both = torch.cat((past, x), 1)
        return both, both.sum((0, 1)), x.repeat(1, 2, 1)


class Baked(nn.Module):
    """A Python number taken from a shape, which a trace keeps for ever."""

    def forward(self, past, x):
        return x * float(int(past.shape[1])), torch.cat((past, x), 1)


def a_part(module: nn.Module, outputs: tuple[str, ...]) -> ExportPart:
    inputs = {"past": torch.randn(2, 5, 3), "x": torch.randn(2, 4, 3)}
    axes = {"past": {0: "batch", 1: "past"}, "x": {0: "batch", 1: "seq"}}
    return ExportPart("model", module, inputs, axes, DIMS, outputs, prefix="")


def test_every_size_takes_its_smallest_and_two_more_values():
    part = a_part(Grow(), ("both", "sum", "twice"))
    traced = example_sizes(part)
    for name, limits in DIMS.items():
        values = {sizes[name] for sizes in probe_sizes(part)}
        assert limits.min in values
        assert len(values - {traced[name]}) >= 2


def test_output_shapes_are_read_off_the_shapes():
    part = a_part(Grow(), ("both", "sum", "twice"))
    probes = [compute_probe(part, sizes) for sizes in probe_sizes(part)]
    assert output_shapes(part, probes) == {
        "both": ["batch", "past + seq", 3],
        "sum": [3],
        "twice": ["batch", "twice_1", 3],
    }


def test_the_baked_size_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pipeline.stages.export.core.EXPORTERS", {"torchscript": export_torchscript}
    )
    with pytest.raises(ExportError, match=r"baked in the size past \(traced at") as caught:
        export_parts([a_part(Baked(), ("y", "both"))], tmp_path, "torchscript", 18, SILENT)
    assert "batch" not in caught.value.what
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_fails_at_its_own_sizes_is_the_models_fault():
    class Picky(nn.Module):
        def forward(self, past, x):
            return (past + x,)

    part = a_part(Picky(), ("y",))
    with pytest.raises(ExportError, match="PyTorch itself fails at"):
        compute_probe(part, {"batch": 1, "seq": 2, "past": 3})


@pytest.mark.parametrize(
    ("got", "wanted", "off"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.2], [1.0, 2.0], 0.1),
        ([np.nan, 2.0], [1.0, 2.0], np.inf),
        ([np.nan, 2.0], [np.nan, 2.0], 0.0),
        ([np.inf], [np.inf], 0.0),
        ([], [], 0.0),
    ],
)
def test_differences_are_relative_and_nan_must_stand_where_it_stood(got, wanted, off):
    found = difference(np.array(got, np.float32), torch.tensor(wanted))
    assert found == pytest.approx(off, rel=1e-6)  # one float32 division


def test_bfloat16_keeps_its_bits():
    tensor = torch.randn(5).bfloat16()
    assert np.array_equal(to_numpy(tensor).view(np.uint16), tensor.view(torch.uint16).numpy())


def saved(path, text):
    from onnx import parser, save

    save(parser.parse_model('<ir_version: 10, opset_import: ["" : 20]> g ' + text), path)
    return path


def test_an_operator_without_a_kernel_is_run_by_the_judge(tmp_path):
    """The part's weights are float32, but this operator is in a type the runtime has not."""
    text = "(bfloat16[n] x) => (bfloat16[n] y) { y = Sqrt(x) }"
    run = open_graph(saved(tmp_path / "m.onnx", text), "float32")
    assert run({"x": np.array([4, 9], ml_dtypes.bfloat16)})["y"].tolist() == [2, 3]


def test_a_file_is_judged_without_the_runtime(tmp_path, monkeypatch):
    path = saved(tmp_path / "m.onnx", "(float[n] x) => (float[n] y) { y = Neg(x) }")
    feeds = {"x": np.float32([1, 2]), "other": np.zeros(1)}
    assert open_graph(path, "float32")(feeds)["y"].tolist() == [-1, -2]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert open_graph(path, "float32")({"x": feeds["x"]})["y"].tolist() == [-1, -2]


def test_a_file_is_run_in_the_types_it_declares(tmp_path):
    """Inputs are not converted for it: an exporter that changes one has to be found out."""
    path = saved(tmp_path / "m.onnx", "(double[n] x) => (double[n] y) { y = Neg(x) }")
    with pytest.raises(BadModelError, match="failed while running"):
        open_graph(path, "float32")({"x": np.float32([1, 2])})


def test_a_file_the_runtime_refuses_is_the_exporters_fault(tmp_path):
    path = saved(tmp_path / "m.onnx", "(float[2] x) => (float[3] y) { y = Concat<axis=3>(x, x) }")
    with pytest.raises(ExportError, match="the exported graph does not load: ONNX Runtime"):
        prove_part(path, a_part(Grow(), ("both", "sum", "twice")), [])
