"""Compute what is constant, and write reshape targets without the sizes they repeat."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.graph.normalise.draft import Draft
from pipeline.graph.sizes.dims import Dim

LIMIT = 2**16  # bytes a folded value may have, unless it is smaller than what it was made from
# Quantized constants stay as written: engines read the scales from these nodes. Norms of weights
# stay too: their results are new weights, and the site is one a report must still count.
_KEPT = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "Constant", "LayerNormalization", "RMSNormalization"}
)


def fold_constants(draft: Draft) -> int:
    """Replace computations on constants by their small results."""
    count = 0
    facts = draft.facts
    for graph in draft.graphs():
        for node in list(graph):
            outputs = [v for v in node.outputs if any(True for _ in v.uses())]
            if node.domain or node.op_type in _KEPT or not outputs:
                continue
            if any(v.is_graph_output() for v in node.outputs):
                continue
            if all(facts.is_const(v) and _fits(draft, node, v) for v in outputs):
                count += _replace(draft, graph, node, outputs)
    return count


def _fits(draft: Draft, node: ir.Node, value: ir.Value) -> bool:
    size = _bytes(draft, value)
    given = sum(_bytes(draft, v) for v in node.inputs if v is not None)
    return size <= max(LIMIT, given)


def _bytes(draft: Draft, value: ir.Value) -> int:
    shape, dtype = draft.facts.shape(value), draft.facts.dtype(value)
    if shape is None or dtype is None:
        return 2**62
    total = 1
    for dim in shape:
        total *= 2**62 if dim.const is None else dim.const
    return int(total * dtype.itemsize)


def _replace(draft: Draft, graph: ir.Graph, node: ir.Node, outputs: list[ir.Value]) -> int:
    arrays = [draft.facts.const(v) for v in outputs]
    if any(a is None for a in arrays):
        return 0
    for old, array in zip(outputs, arrays, strict=True):
        dtype = draft.facts.dtype(old)
        assert array is not None
        name, old.name = old.name or "", None
        tensor = ir.tensor(np.ascontiguousarray(array).reshape(array.shape), dtype=dtype)
        new = draft.initializer(graph, tensor, name)
        ir.convenience.replace_all_uses_with(old, new)
    graph.remove(node, safe=True)
    return 1


def simplify_targets(draft: Draft) -> int:
    """Write a Reshape's computed target as a constant of numbers, copied axes (0) and one -1.

    The -1 is used only where all other entries are numbers, since an empty tensor leaves it
    undetermined otherwise.
    """
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            if node.op_type != "Reshape" or node.domain or node.attributes.get_int("allowzero"):
                continue
            target = node.inputs[1]
            if target is None or draft.facts.is_const(target):
                continue
            entries = _plain_target(draft, node)
            if entries is not None:
                new = draft.constant(graph, np.array(entries, np.int64))
                node.replace_input_with(1, new)
                count += 1
    return count


def _plain_target(draft: Draft, node: ir.Node) -> list[int] | None:
    source, target = draft.facts.shape(node.inputs[0]), draft.facts.ints(node.inputs[1])
    if source is None or target is None:
        return None
    entries: list[int | None] = []
    for axis, wanted in enumerate(target):
        if wanted.const is not None:
            if abs(wanted.const) >= 2**63:
                return None
            entries.append(wanted.const)
        elif axis < len(source) and source[axis] == wanted:
            entries.append(0)
        else:
            entries.append(None)
    if entries.count(None) == 0:
        return [e for e in entries if e is not None]
    open_ok = entries.count(None) == 1 and all(e is None or e > 0 for e in entries)
    inner = [target[i] for i, e in enumerate(entries) if e is None]
    if not open_ok or any(_from_data(d) for d in inner):
        return None
    return [-1 if e is None else e for e in entries]


def _from_data(dim: Dim) -> bool:
    return any(s.startswith("?") for s in dim.symbols)
