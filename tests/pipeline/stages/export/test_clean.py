"""The shipped graph: short paths, tied and transposed weights by reference, epsilons kept."""

import onnx_ir as ir
import pytest
import torch
from torch import nn

from pipeline.records.tensors import SizeRange
from pipeline.stages.export.clean import (
    SCOPES,
    clean_model,
    name_sizes,
    shorten_scopes,
    storage_key,
    torch_data,
    transpose_by_reference,
)
from pipeline.stages.export.exporters import export_dynamo, export_torchscript
from pipeline.stages.export.parts import ExportPart


class Net(nn.Module):
    """Two linears, an embedding tied to the head, and an epsilon too small for a rewriter."""

    def __init__(self):
        super().__init__()
        self.table, self.inner = nn.Embedding(11, 4), nn.Linear(4, 4)

    def forward(self, ids):
        x = self.inner(self.table(ids))
        scaled = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-12)
        return (scaled @ self.table.weight.t(),)


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Net().eval().requires_grad_(False)

    def forward(self, ids):
        return self.model(ids)


def a_part() -> ExportPart:
    ids = torch.arange(6).reshape(2, 3)
    axes = {"ids": {0: "batch", 1: "seq"}}
    return ExportPart(
        "model", Outer(), {"ids": ids}, axes,
        {"batch": SizeRange(1, 1, 9), "seq": SizeRange(1, 1, 9)}, ("logits",),
    )  # fmt: skip


@pytest.fixture(scope="module", params=["dynamo", "torchscript"])
def cleaned(request):
    part = a_part()
    export = {"dynamo": export_dynamo, "torchscript": export_torchscript}[request.param]
    model = clean_model(export(part, 20), part.prefix)
    transpose_by_reference([model])
    name_sizes(model, part.axes, {"logits": ["batch", "seq", 11]})
    return model, part.module.model


def test_module_paths_are_the_users_and_nothing_else_is_kept(cleaned):
    model, _ = cleaned
    keys = {key for node in model.graph for key in node.metadata_props}
    assert keys == {SCOPES}
    paths = {node.op_type: node.metadata_props[SCOPES] for node in model.graph}
    assert paths["Gather"].startswith("['', 'table', ")
    assert "flat" not in "".join(paths.values())


def test_weights_keep_their_names_and_memory(cleaned):
    model, net = cleaned
    held = {name: torch_data(value) for name, value in model.graph.initializers.items()}
    assert held["table.weight"].data_ptr() == net.table.weight.data_ptr()
    assert held["inner.weight.T"].data_ptr() == net.inner.weight.data_ptr()
    assert tuple(held["inner.weight.T"].stride()) == (1, 4)


def test_a_tied_weight_is_one_initializer_and_keeps_its_transpose(cleaned):
    model, net = cleaned
    same = [
        name
        for name, value in model.graph.initializers.items()
        if storage_key(value) and storage_key(value)[0] == net.table.weight.data_ptr()
    ]
    assert same == ["table.weight"]
    assert [n.op_type for n in model.graph if n.op_type == "Transpose"] == ["Transpose"]


def test_a_small_epsilon_is_not_optimised_away(cleaned):
    model, _ = cleaned
    constants = [
        float(value.const_value.numpy())
        for value in model.graph.initializers.values()
        if value.const_value.size == 1 and value.dtype == ir.DataType.FLOAT
    ]
    assert any(0 < constant < 1e-11 for constant in constants)


def test_sizes_have_the_names_given(cleaned):
    model, _ = cleaned
    assert [str(d) for d in model.graph.inputs[0].shape] == ["batch", "seq"]
    assert [str(d) for d in model.graph.outputs[0].shape] == ["batch", "seq", "11"]


def test_scopes_lose_the_wrapper_only():
    scopes = ["", "flat", "flat.model", "flat.model.layers.0", "linear_1"]
    assert shorten_scopes(scopes, "flat.model") == ["", "layers.0", "linear_1"]
    assert shorten_scopes(["", "flatten", "add"], "flat.model") == ["", "flatten", "add"]
