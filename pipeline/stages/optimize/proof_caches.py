"""Where the inputs of a region say that a cache of fixed size has been written up to."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from pipeline.graph.rewriting.regions import Region

# operator -> its inputs with the positions, with the cache before, with the new tokens
_WRITES = {"TensorScatter": (2, 0, 1), "GroupQueryAttention": (5, 3, 0)}
_THROUGH = frozenset({"Add", "Sub", "Cast", "Identity"})
_DEPTH = 6
_CAPACITY, _ROWS = -2, -2  # axes of the cache and of the new tokens


def room_in_cache(region: Region, index: int, sizes: Mapping[str, int]) -> int | None:
    """Return the largest position new tokens may be written from, None if an input is no position.

    Args:
        region: The region.
        index: Of the input.
        sizes: The region's named sizes.
    """
    inputs = {str(value.name): value for value in region.before.graph.inputs}
    level = [inputs[f"i{index}"]] if f"i{index}" in inputs else []
    for _ in range(_DEPTH):
        following: list[ir.Value] = []
        for value in level:
            for node, place in value.uses():
                if place == _WRITES.get(node.op_type, (None,))[0]:
                    return _room(node, region, sizes)
                following += node.outputs if node.op_type in _THROUGH else ()
        level = following
    return None


def _room(node: ir.Node, region: Region, sizes: Mapping[str, int]) -> int | None:
    _, cache, new = _WRITES[node.op_type]
    capacity = _size(node.inputs[cache], _CAPACITY, region, sizes)
    rows = _size(node.inputs[new], _ROWS, region, sizes)
    if capacity is None:
        return None
    return max(capacity - (capacity // 2 if rows is None else rows), 0)


def _size(
    value: ir.Value | None, axis: int, region: Region, sizes: Mapping[str, int]
) -> int | None:
    """Return a size of a region input, None for anything computed, such as a change of layout."""
    if value is None or not value.is_graph_input():
        return None
    shape = region.shapes[int(str(value.name)[1:])]
    return shape[axis].evaluate(sizes) if len(shape) >= -axis else None
