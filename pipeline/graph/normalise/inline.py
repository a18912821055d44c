"""Writing a model's functions out as the nodes they stand for."""

from __future__ import annotations

from collections import Counter

import onnx_ir as ir

from pipeline.errors import BadModelError
from pipeline.graph.files.function_checks import check_calls


def inline(model: ir.Model) -> int:
    """Replace every call of a function of the model, in place; return how many there were.

    Raises:
        BadModelError: A function uses another opset than the graph, calls itself, or would make
            absurdly many nodes.
    """
    count = len(model.functions)
    if not count:
        return 0
    from onnx_ir.passes.common import InlinePass

    calls = {name: _callees(function) for name, function in model.functions.items()}
    check_calls(_callees(model.graph), calls, "functions")
    try:
        InlinePass()(model)
    except Exception as error:
        cause = error.__cause__ or error
        raise BadModelError(
            f"The model's functions cannot be inlined: {str(cause)[:300]}",
            where="functions",
            fix="Export the model again with one opset for the graph and its functions.",
        ) from error
    model.functions.clear()
    return count


def _callees(owner: ir.Graph | ir.Function) -> Counter[ir.OperatorIdentifier]:
    return Counter(node.op_identifier() for node in owner.all_nodes())
