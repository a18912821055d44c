"""The value of one operator on constant inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pipeline.operators import CONTROL_FLOW, RANDOM

# Their result differs from run to run, or they hold graphs of their own.
_NOT_DETERMINISTIC = RANDOM | CONTROL_FLOW | {"Dropout", "Optional", "SequenceMap"}


def is_deterministic(node: ir.Node) -> bool:
    """Return whether the same inputs always give the same outputs."""
    return node.op_type not in _NOT_DETERMINISTIC


def evaluate_node(
    node: ir.Node, inputs: Sequence[np.ndarray | None], version: int
) -> list[np.ndarray] | None:
    """Return the outputs of a standard operator, None where it cannot be computed here."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    proto = ir.to_proto(node)
    assert isinstance(proto, onnx.NodeProto)
    feeds = {
        name: array for name, array in zip(proto.input, inputs, strict=True) if array is not None
    }
    values = [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in feeds]
    results = [onnx.helper.make_value_info(n, onnx.TypeProto()) for n in proto.output if n]
    graph = onnx.helper.make_graph([proto], "constant", values, results)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version)])
    try:
        with np.errstate(all="ignore"):
            found = iter(ReferenceEvaluator(model).run(None, feeds))
    except Exception:  # the reference raises anything on what it does not support
        return None
    outputs = [next(found) if n else np.zeros(0) for n in proto.output]
    return [np.asarray(a) for a in outputs]
