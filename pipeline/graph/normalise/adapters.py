"""How a node of an old opset is written in a newer one. Source: the operators' changelog.

Only what changed its form or meaning is listed; a test compares this list with the schemas.
Sizes stay dynamic and no weight is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from pipeline.errors import BadModelError
from pipeline.graph.normalise.draft import Draft

Adapter: TypeAlias = Callable[[Draft, ir.Node], None]


def _set_input(node: ir.Node, index: int, value: ir.Value | None) -> None:
    if len(node.inputs) <= index:
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def _graph(node: ir.Node) -> ir.Graph:
    assert isinstance(node.graph, ir.Graph)
    return node.graph


def _numbers(node: ir.Node, name: str) -> list[int] | None:
    attribute = node.attributes.pop(name, None)
    return None if attribute is None else [int(v) for v in attribute.as_ints()]


def _number(node: ir.Node, name: str, default: float) -> float:
    attribute = node.attributes.pop(name, None)
    return default if attribute is None else float(attribute.value)


def _floats_like(draft: Draft, node: ir.Node, number: float) -> ir.Value:
    """Return a scalar of the type of the node's first input."""
    dtype = draft.facts.dtype(node.inputs[0]) or ir.DataType.FLOAT
    return draft.constant(_graph(node), np.array(number, dtype=dtype.numpy()))


def _axes_to_input(draft: Draft, node: ir.Node) -> None:
    axes = _numbers(node, "axes")
    if axes is not None:
        _set_input(node, 1, draft.constant(_graph(node), np.array(axes, np.int64)))


def _split_to_input(draft: Draft, node: ir.Node) -> None:
    sizes = _numbers(node, "split")
    if sizes is not None:
        _set_input(node, 1, draft.constant(_graph(node), np.array(sizes, np.int64)))


def _count_split(draft: Draft, node: ir.Node) -> None:
    given = len(node.inputs) > 1 and node.inputs[1] is not None
    if not given and "num_outputs" not in node.attributes:
        node.attributes["num_outputs"] = ir.AttrInt64("num_outputs", len(node.outputs))


def _clip(draft: Draft, node: ir.Node) -> None:
    for index, name in ((1, "min"), (2, "max")):
        if name in node.attributes:
            _set_input(node, index, _floats_like(draft, node, _number(node, name, 0.0)))


def _pad(draft: Draft, node: ir.Node) -> None:
    pads = _numbers(node, "pads") or []
    _set_input(node, 1, draft.constant(_graph(node), np.array(pads, np.int64)))
    value = _number(node, "value", 0.0)
    if value:
        _set_input(node, 2, _floats_like(draft, node, value))


def _dropout(draft: Draft, node: ir.Node) -> None:
    if "ratio" in node.attributes:
        _set_input(node, 1, _floats_like(draft, node, _number(node, "ratio", 0.5)))


def _softmax(draft: Draft, node: ir.Node) -> None:
    """Write a softmax over all axes from `axis` on, which opset 13 no longer has."""
    x = node.inputs[0]
    assert x is not None
    axis = int(_number(node, "axis", 1))
    shape = draft.facts.shape(x)
    if shape is not None:
        axis = axis + len(shape) if axis < 0 else axis
        if all(d == 1 for d in shape[axis + 1 :]):
            node.attributes["axis"] = ir.AttrInt64("axis", axis - len(shape))
            return
    flat = draft.insert(node, "Flatten", [x], {"axis": axis})
    rows = draft.insert(node, node.op_type, [flat], {"axis": -1})
    size = draft.insert(node, "Shape", [x])
    node.op_type = "Reshape"
    _set_input(node, 1, size)
    node.replace_input_with(0, rows)


def _resize(draft: Draft, node: ir.Node) -> None:
    """Opset 10 knew one way to map coordinates, and no region of interest."""
    scales = node.inputs[1]
    _set_input(node, 2, scales)
    node.replace_input_with(1, None)
    known = draft.facts.const(scales) if draft.facts.is_const(scales) else None
    shrinks = known is not None and bool((known < 1).any())
    # The specification left this open; ONNX Runtime rounds up where it shrinks, else down.
    chosen = {
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "ceil" if shrinks else "floor",
    }
    node.attributes.update({name: ir.AttrString(name, text) for name, text in chosen.items()})


def _upsample(draft: Draft, node: ir.Node) -> None:
    scales = node.attributes.pop("scales", None)
    if scales is not None:
        array = np.array(scales.as_floats(), np.float32)
        _set_input(node, 1, draft.constant(_graph(node), array))
    node.op_type = "Resize"
    _resize(draft, node)


def _scatter(draft: Draft, node: ir.Node) -> None:
    node.op_type = "ScatterElements"


def _batch_norm(draft: Draft, node: ir.Node) -> None:
    if any(v.is_graph_output() or any(True for _ in v.uses()) for v in node.outputs[1:]):
        raise BadModelError(
            "The model trains: BatchNormalization's statistics are used.",
            where=f"node {node.name}",
            fix="Export the model in eval mode.",
        )
    node.attributes.pop("spatial", None)
    node.resize_outputs(1)


def _slice(draft: Draft, node: ir.Node) -> None:
    starts = _numbers(node, "starts")
    if starts is None:
        return
    ends, axes = _numbers(node, "ends") or [], _numbers(node, "axes")
    parts = [starts, ends, axes if axes is not None else list(range(len(starts)))]
    for index, part in enumerate(parts, 1):
        _set_input(node, index, draft.constant(_graph(node), np.array(part, np.int64)))


def _top_k(draft: Draft, node: ir.Node) -> None:
    if "k" in node.attributes:
        count = int(_number(node, "k", 1))
        _set_input(node, 1, draft.constant(_graph(node), np.array([count], np.int64)))


def _dft(draft: Draft, node: ir.Node) -> None:
    axis = int(_number(node, "axis", 1))
    _set_input(node, 2, draft.constant(_graph(node), np.array(axis, np.int64)))


def _grid_sample(draft: Draft, node: ir.Node) -> None:
    mode = node.attributes.get_string("mode", "bilinear")
    new = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    node.attributes["mode"] = ir.AttrString("mode", new)


def _group_norm(draft: Draft, node: ir.Node) -> None:
    """Scale and bias were one number per group and are one per channel since opset 21."""
    groups = node.attributes["num_groups"].as_int()
    shape = draft.facts.shape(node.inputs[0])
    channels = shape[1].const if shape else None
    if channels is None:
        raise BadModelError(
            "The number of channels of a GroupNormalization is not known.",
            where=f"node {node.name}",
            fix="Export the model with opset 21 or newer.",
        )
    graph = _graph(node)
    for index in (1, 2):
        column = draft.constant(graph, np.array([groups, 1], np.int64))
        wide = draft.constant(graph, np.array([groups, channels // groups], np.int64))
        line = draft.constant(graph, np.array([channels], np.int64))
        grid = draft.insert(node, "Reshape", [node.inputs[index], column])
        spread = draft.insert(node, "Expand", [grid, wide])
        node.replace_input_with(index, draft.insert(node, "Reshape", [spread, line]))


_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSumSquare",
)  # fmt: skip

ADAPTERS: dict[str, Sequence[tuple[int, Adapter]]] = {
    # operator: (the opset whose form the adapter writes, adapter), oldest first
    **dict.fromkeys(_REDUCTIONS, ((18, _axes_to_input),)),
    **dict.fromkeys(("ReduceSum", "Squeeze", "Unsqueeze"), ((13, _axes_to_input),)),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), ((13, _softmax),)),
    "BatchNormalization": ((14, _batch_norm),),
    "Clip": ((11, _clip),),
    "DFT": ((20, _dft),),
    "Dropout": ((12, _dropout),),
    "GridSample": ((20, _grid_sample),),
    "GroupNormalization": ((21, _group_norm),),
    "Pad": ((11, _pad),),
    "Resize": ((11, _resize),),
    "Scatter": ((11, _scatter),),
    "Slice": ((10, _slice),),
    "Split": ((13, _split_to_input), (18, _count_split)),
    "TopK": ((10, _top_k),),
    "Upsample": ((10, _upsample),),
}
