"""torch's side of TensorScatter follows the ONNX definition."""

import numpy as np
import torch

from pipeline.stages.export.tensor_scatter import tensor_scatter, translations


def test_it_equals_the_reference_of_onnx():
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    past, update = torch.randn(2, 3, 7, 4), torch.randn(2, 3, 2, 4)
    where = torch.tensor([0, 5])
    kind, names = TensorProto.FLOAT, ("past", "update")
    node = helper.make_node("TensorScatter", [*names, "at"], ["y"], axis=-2, mode="linear")
    graph = helper.make_graph(
        [node],
        "g",
        [*(helper.make_tensor_value_info(n, kind, [None] * 4) for n in names),
         helper.make_tensor_value_info("at", TensorProto.INT64, [2])],
        [helper.make_tensor_value_info("y", kind, [None] * 4)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)])
    feeds = {"past": past.numpy(), "update": update.numpy(), "at": where.numpy()}
    (wanted,) = ReferenceEvaluator(model).run(None, feeds)
    before = past.clone()
    np.testing.assert_array_equal(tensor_scatter(past, update, where).numpy(), wanted)
    assert torch.equal(past, before)  # a new buffer: the old one may still be read


def test_the_exporter_knows_it():
    assert torch.ops.pipeline.tensor_scatter.default in translations()
