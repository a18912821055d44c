"""What both exporters promise: inputs in order, weights by reference, global switches restored."""

import logging
import warnings

import pytest
import torch
from torch import nn

from pipeline.records.tensors import SizeRange
from pipeline.stages.export.exporters import export_dynamo, export_torchscript, plain_kernels, quiet
from pipeline.stages.export.parts import ExportPart


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4), requires_grad=False)
        self.register_buffer("bias", torch.randn(4))

    def forward(self, x, y):
        return x @ self.weight + self.bias, y + 1


@pytest.mark.parametrize("export", [export_dynamo, export_torchscript], ids=["dynamo", "ts"])
def test_inputs_outputs_and_weights(export):
    module = Scale()
    inputs = {"x": torch.ones(2, 4), "y": torch.ones(2, dtype=torch.int64)}
    axes = {"x": {0: "batch"}, "y": {0: "batch"}}
    part = ExportPart(
        "model", module, inputs, axes, {"batch": SizeRange(1, 1, 9)}, ("a", "b"), prefix=""
    )
    graph = export(part, 20).graph
    assert [value.name for value in graph.inputs] == ["x", "y"]
    assert [value.name for value in graph.outputs] == ["a", "b"]
    held = {v.const_value.raw.data_ptr() for v in graph.initializers.values()}
    assert {module.weight.data_ptr(), module.bias.data_ptr()} <= held


def test_what_is_switched_off_comes_back():
    fast = torch.backends.mha.get_fastpath_enabled()
    with plain_kernels(), quiet():
        assert not torch.is_grad_enabled()
        assert not torch.backends.mha.get_fastpath_enabled()
        warnings.warn("an exporter says something", stacklevel=1)  # would be an error here
        assert not logging.getLogger("torch.onnx").isEnabledFor(logging.WARNING)
    assert torch.is_grad_enabled()
    assert torch.backends.mha.get_fastpath_enabled() is fast
    assert logging.getLogger("torch.onnx").isEnabledFor(logging.WARNING)
