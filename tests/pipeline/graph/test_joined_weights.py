"""Joined weights are stored, and nothing else that looks like them."""

import numpy as np
import onnx_ir as ir

from pipeline.graph.joined_weights import store_joined_weights


def graph_of(*, rule=True, constant=True):
    tensors = [ir.tensor(np.full((2, n), n, np.float32), name=f"w{n}") for n in (1, 3)]
    values = [ir.Value(name=t.name, const_value=t, shape=t.shape) for t in tensors]
    node = ir.node("Concat", values, {"axis": 1})
    node.outputs[0].name = "joined"
    if rule:
        node.metadata_props["pipeline.rule"] = "join_projections"
    user = ir.node("Neg", [node.outputs[0]])
    inputs = [] if constant else [values[0]]
    stored = values if constant else values[1:]
    return ir.Graph(
        inputs, user.outputs, nodes=[node, user], initializers=stored, opset_imports={"": 23}
    )


def test_a_concat_of_constants_that_a_lowering_made_is_one_constant():
    graph = graph_of()
    store_joined_weights(graph)
    assert [node.op_type for node in graph] == ["Neg"]
    np.testing.assert_array_equal(
        graph.initializers["joined"].const_value.numpy(), [[1, 3, 3, 3], [1, 3, 3, 3]]
    )


def test_what_the_graph_came_with_or_an_input_feeds_stays():
    for graph in (graph_of(rule=False), graph_of(constant=False)):
        store_joined_weights(graph)
        assert [node.op_type for node in graph] == ["Concat", "Neg"]
