"""Gathers along a grid of all indices, which read the whole tensor in its own order.

torch.export writes `mask[batch[:, None, None, None], key]` for the padding mask of a decoder, with
batch and key counting from 0 to the mask's own sizes: that is the mask with axes of size 1 put in.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.normalise.draft import Draft
from pipeline.graph.sizes.dims import Dim


def read_grids(draft: Draft) -> int:
    """Write each GatherND that takes every element once, in order, as an Unsqueeze."""
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            if node.op_type != "GatherND" or node.domain:
                continue
            axes = _new_axes(draft.facts, node)
            if axes is None:
                continue
            where = draft.constant(graph, np.array(axes, np.int64))
            view = draft.insert(node, "Unsqueeze", [node.inputs[0], where])
            count += draft.bypass(node, view)
    return count


def _new_axes(facts: Facts, node: ir.Node) -> list[int] | None:
    """Return the axes of size 1 that make the data the node's output, None where they do not."""
    data, out = facts.shape(node.inputs[0]), facts.shape(node.outputs[0])
    grids = _stacked(facts, node.inputs[1])
    if grids is None or data is None or out is None or node.attributes.get_int("batch_dims"):
        return None
    rank = len(out) - (len(data) - len(grids))  # of the grid, in front of axes taken whole
    places = []
    for grid, size in zip(grids, data, strict=False):
        found = _counted(facts, grid)
        if found is None or found[1] != size or out[found[0] + rank] != size:
            return None
        places.append(found[0] + rank)
    others = [axis for axis in range(rank) if axis not in places]
    ordered = places == sorted(set(places))
    return others if ordered and all(out[axis].const == 1 for axis in others) else None


def _stacked(facts: Facts, indices: ir.Value | None) -> list[ir.Value | None] | None:
    """Return the index of each axis where they are stacked along a last axis."""
    shape, made = facts.shape(indices), _made_by(indices, "Concat")
    if shape is None or made is None:
        return None
    grids: list[ir.Value | None] = []
    for piece in made.inputs:
        put_in, axes = _made_by(piece, "Unsqueeze"), _axes(facts, piece)
        if put_in is None or axes != [len(shape) - 1]:
            return None
        grids.append(put_in.inputs[0])
    attribute = made.attributes["axis"].as_int()
    return grids if attribute in (-1, len(shape) - 1) else None


def _counted(facts: Facts, value: ir.Value | None) -> tuple[int, Dim] | None:
    """Return the axis, from the end, along which a tensor counts 0, 1, 2, ... and how far.

    Along all its other axes the tensor repeats, and along this one where it is longer than that.
    """
    node = None if value is None else value.producer()
    shape = facts.shape(value)
    if node is None or node.domain or shape is None or not node.inputs:
        return None
    first = node.inputs[0]
    if node.op_type == "Range":
        start, _, step = node.inputs
        from_zero = facts.scalar(start) == 0 and facts.scalar(step) == 1
        return (-1, shape[0]) if from_zero else None
    if node.op_type in ("Expand", "Cast"):
        whole = facts.dtype(value) in (ir.DataType.INT64, ir.DataType.INT32)
        return _counted(facts, first) if whole else None
    if node.op_type == "Unsqueeze":
        axes, found = _axes(facts, value), _counted(facts, first)
        if axes is None or found is None:
            return None
        old = [axis - len(shape) for axis in range(len(shape)) if axis not in axes]
        return old[found[0]], found[1]
    return None


def _axes(facts: Facts, value: ir.Value | None) -> list[int] | None:
    """Return where an Unsqueeze puts its axes, in order."""
    node, shape = _made_by(value, "Unsqueeze"), facts.shape(value)
    if node is None or shape is None or len(node.inputs) < 2:  # an attribute before opset 13
        return None
    axes = facts.const(node.inputs[1]) if facts.is_const(node.inputs[1]) else None
    return None if axes is None else sorted(int(a) % len(shape) for a in axes.reshape(-1))


def _made_by(value: ir.Value | None, kind: str) -> ir.Node | None:
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type == kind and not node.domain else None


def join_unsqueezes(draft: Draft) -> int:
    """Put axes in at once where one Unsqueeze reads another."""
    count = 0
    for graph in draft.graphs():
        for node in list(graph):
            value = node.outputs[0] if node.outputs else None
            inner = _made_by(node.inputs[0] if node.inputs else None, "Unsqueeze")
            mine = _axes(draft.facts, value)
            if inner is None or mine is None:
                continue
            theirs, shape = _axes(draft.facts, inner.outputs[0]), draft.facts.shape(value)
            if theirs is None or shape is None:
                continue
            kept = [axis for axis in range(len(shape)) if axis not in mine]
            both = sorted([*mine, *(kept[axis] for axis in theirs)])
            node.replace_input_with(0, inner.inputs[0])
            node.replace_input_with(1, draft.constant(graph, np.array(both, np.int64)))
            count += 1
    return count
