"""Module paths are read from what exporters record, for people only."""

import onnx_ir as ir
import pytest

from pipeline.graph.module_path import module_path


@pytest.mark.parametrize(
    ("metadata", "name", "expected"),
    [
        ({"pkg.torch.onnx.name_scopes": "['', 'encoder', 'encoder.layers.0', 'softmax']"}, "n",
         "encoder.layers.0"),
        ({"namespace": "encoder.layers.0.attn: models.Attention"}, "n", "encoder.layers.0.attn"),
        ({}, "/layers.0/attn/Softmax", "/layers.0/attn/Softmax"),
        ({}, "", "Softmax"),
    ],
    ids=["scopes", "namespace", "name", "nothing"],
)  # fmt: skip
def test_the_path_is_the_innermost_module(metadata, name, expected):
    node = ir.node("Softmax", [ir.Value(name="x")], name=name or None)
    node.metadata_props.update(metadata)
    assert module_path(node) == expected
