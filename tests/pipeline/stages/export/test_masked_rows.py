"""A query that may look nowhere gets zeros from the exported file, as from PyTorch."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import nn

from pipeline.records.tensors import SizeRange
from pipeline.stages.export.exporters import export_dynamo
from pipeline.stages.export.masked_rows import restore_masked_rows
from pipeline.stages.export.parts import ExportPart


class Attention(nn.Module):
    def forward(self, x, mask):
        return (nn.functional.scaled_dot_product_attention(x, x, x, mask),)


@pytest.fixture(scope="module")
def exported():
    inputs = {"x": torch.randn(2, 1, 4, 8), "mask": torch.ones(2, 1, 4, 4, dtype=torch.bool)}
    axes = {"x": {0: "batch"}, "mask": {0: "batch"}}
    part = ExportPart(
        "model", Attention(), inputs, axes, {"batch": SizeRange(1, 1, 9)}, ("y",), prefix=""
    )
    return export_dynamo(part, 20)


def test_masked_rows_are_zero_and_the_rest_as_before(exported, tmp_path):
    assert restore_masked_rows(exported) == 1
    ir.save(exported, tmp_path / "a.onnx")
    session = ort.InferenceSession(tmp_path / "a.onnx")
    x, mask = torch.randn(2, 1, 4, 8), torch.rand(2, 1, 4, 4) > 0.5
    mask[0, 0, 1] = False
    (got,) = session.run(None, {"x": x.numpy(), "mask": mask.numpy()})
    assert not got[0, 0, 1].any()
    np.testing.assert_allclose(got, Attention()(x, mask)[0], rtol=0, atol=1e-6)  # float32


def a_mask(least: float, guarded: bool = True, shared: bool = False) -> ir.Model:
    guard = "n = IsNaN(p)\n y = Where(n, zero, p)" if guarded else "y = Identity(p)"
    text = f"""<ir_version: 10, opset_import: ["": 20]>
    g (float[2, 2] scores, bool[2, 2] mask) => (float[2, 2] y{", float[2, 2] m" if shared else ""})
    <float zero = {{0.0}}, float least = {{{least}}}> {{
      m = Where(mask, zero, least)
      s = Add(scores, m)
      p = Softmax(s)
      {guard}
    }}"""
    return ir.from_onnx_text(text)


SMALLEST = float(np.finfo(np.float32).min)


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        (a_mask(SMALLEST), 1),
        (a_mask(-1e9), 0),
        (a_mask(SMALLEST, guarded=False), 0),
        (a_mask(SMALLEST, shared=True), 0),
    ],
    ids=["the exporter's", "another number", "no guard: the mean is meant", "mask is an output"],
)
def test_only_the_exporters_own_form_changes(model, changed):
    assert restore_masked_rows(model) == changed
