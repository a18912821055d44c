"""Columns: what each position along the last axis of a tensor is computed from.

A rotation of features mixes positions of the last axis by Slice, Split, Concat, Neg, strided
slices or a reshape into pairs. Reading a tensor as an array with one entry for each position
turns all of these into index arithmetic; axes in front of the block stay untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim, product
from pipeline.operators import CASTS

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.object_]]"
Dims: TypeAlias = "tuple[Dim, ...]"
MAX_DEPTH = 24
MAX_COLUMNS = 4096
INDEXING = frozenset(
    {
        "Concat",
        "Slice",
        "Split",
        "Gather",
        "Reshape",
        "Unsqueeze",
        "Squeeze",
        "Expand",
        "Tile",
        "Transpose",
    }
)


class ColumnReader:
    """Reads tensors as arrays of columns; subclasses say what an entry is."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.seen: dict[ir.Value, Array | None] = {}

    def read(self, value: ir.Value, depth: int = 0) -> Array | None:
        """Return the entries of the trailing block, None where its size is not known."""
        if value not in self.seen:
            node = value.producer()
            found = None
            if not self.is_leaf(value) and node is not None and depth < MAX_DEPTH:
                found = self._computed(node, value, depth) if not node.domain else None
            self.seen[value] = self.leaf(value, 1) if found is None else found
        return self.seen[value]

    def is_leaf(self, value: ir.Value) -> bool:
        """Whether reading stops at this value."""
        raise NotImplementedError

    def entry(self, value: ir.Value, index: int, size: int) -> object:
        """Return the entry of one of the `size` last elements of a value not looked into."""
        raise NotImplementedError

    def combine(self, node: ir.Node, operands: list[Array]) -> Array | None:
        """Return the entries of an elementwise node."""
        raise NotImplementedError

    def moved(self, node: ir.Node, block: Array) -> Array | None:
        """Return the entries after a change to the axes in front of the block."""
        raise NotImplementedError

    def leaf(self, value: ir.Value, axes: int) -> Array | None:
        """Return a block of entries for the last `axes` axes of a value."""
        shape = self.facts.shape(value)
        if shape is None or 0 < len(shape) < axes:
            return None
        sizes = [d.const for d in shape[len(shape) - axes :]] if shape else [1]
        total = product([Dim.of(s) for s in sizes if s is not None]).const or 0
        if None in sizes or total > MAX_COLUMNS:
            return None
        entries = [self.entry(value, i, total) for i in range(total)]
        return filled(entries, tuple(s or 0 for s in sizes))

    def _computed(self, node: ir.Node, value: ir.Value, depth: int) -> Array | None:
        if node.op_type in CASTS and node.inputs[0] is not None:
            return self.read(node.inputs[0], depth + 1)
        if node.op_type == "Concat":
            blocks = [self.read(v, depth + 1) for v in node.inputs if v is not None]
            return self._concatenated(node, blocks)
        if node.op_type in INDEXING:
            first = node.inputs[0]
            block = self.read(first, depth + 1) if first is not None else None
            return None if block is None else self._indexed(node, value, block)
        operands = [self.read(v, depth + 1) for v in node.inputs if v is not None]
        known = [b for b in operands if b is not None]
        if not known or len(known) < len(operands):
            return None
        most = max(b.ndim for b in known)
        deep = [
            b if b.ndim == most or b.size == 1 else self.leaf(v, most)
            for b, v in zip(known, node.inputs, strict=False)
            if v is not None
        ]
        whole = [b for b in deep if b is not None]
        return self.combine(node, whole) if len(whole) == len(known) else None

    def _concatenated(self, node: ir.Node, blocks: list[Array | None]) -> Array | None:
        known = [b for b in blocks if b is not None]
        axis = self._from_end(node.attributes.get_int("axis", -1), node.outputs[0])
        if len(known) < len(blocks) or axis is None or any(-axis > b.ndim for b in known):
            return None
        if len({b.ndim for b in known}) > 1:
            return None
        return np.concatenate(known, axis=axis)

    def _from_end(self, axis: int, value: ir.Value | None) -> int | None:
        shape = self.facts.shape(value)
        return axis if axis < 0 else None if shape is None else axis - len(shape)

    def _indexed(self, node: ir.Node, value: ir.Value, block: Array) -> Array | None:
        before, after = self.facts.shape(node.inputs[0]), self.facts.shape(value)
        if before is None or after is None:
            return None
        match node.op_type:
            case "Slice":
                return self._sliced(node, block, len(before))
            case "Split":
                return self._split(node, value, block, len(before))
            case "Gather":
                return self._gathered(node, block, len(before))
            case "Transpose":
                return self._transposed(node, block, len(before))
            case "Expand" | "Tile":
                return self._repeated(node, block, before, after)
            case _:
                return self._reshaped(node, block, before, after)

    def _sliced(self, node: ir.Node, block: Array, rank: int) -> Array | None:
        given = [_ints(self.facts.const(v)) for v in node.inputs[1:]]
        if any(
            v is not None and g is None for v, g in zip(node.inputs[3:], given[2:], strict=True)
        ):
            return None
        axes = (given[2] if len(given) > 2 else None) or list(range(rank))
        cut, lead_moved = [slice(None)] * block.ndim, False
        for i, axis in enumerate(axes):
            axis = axis if axis < 0 else axis - rank
            if -axis > block.ndim:
                lead_moved = True
                continue
            bounds = [None if g is None else g[i] for g in (*given[:2], *given[3:])]
            if None in bounds[:2]:
                return None
            cut[axis] = slice(*bounds)
        block = block[tuple(cut)]
        return self.moved(node, block) if lead_moved else block

    def _split(self, node: ir.Node, value: ir.Value, block: Array, rank: int) -> Array | None:
        axis = node.attributes.get_int("axis", 0)
        axis = axis if axis < 0 else axis - rank
        if -axis > block.ndim:
            return None
        start = 0
        for output in node.outputs:
            size = (self.facts.shape(output) or (Dim.of("?"),) * rank)[axis].const
            if size is None:
                return None
            if output is value:
                taken = [slice(None)] * block.ndim
                taken[axis] = slice(start, start + size)
                return block[tuple(taken)]
            start += size
        return None

    def _gathered(self, node: ir.Node, block: Array, rank: int) -> Array | None:
        axis = node.attributes.get_int("axis", 0)
        axis = axis if axis < 0 else axis - rank
        if -axis > block.ndim:
            return self.moved(node, block)
        indices = self.facts.const(node.inputs[1])
        if indices is None or indices.ndim > 1 or (indices.ndim == 0 and block.ndim == 1):
            return None
        return np.take(block, indices.astype(np.int64), axis=axis)

    def _transposed(self, node: ir.Node, block: Array, rank: int) -> Array | None:
        perm = list(node.attributes.get_ints("perm", range(rank - 1, -1, -1)))
        front = rank - block.ndim
        if perm[:front] != list(range(front)):
            return self.moved(node, block) if perm[front:] == list(range(front, rank)) else None
        return block.transpose([p - front for p in perm[front:]])

    def _repeated(self, node: ir.Node, block: Array, before: Dims, after: Dims) -> Array | None:
        sizes = [d.const for d in after[len(after) - block.ndim :]]
        if any(s is None for s in sizes):
            return None
        shape = tuple(s or 0 for s in sizes)
        moved: Array | None = block
        if before[: len(before) - block.ndim] != after[: len(after) - block.ndim]:
            moved = self.moved(node, block)
        if moved is None or node.op_type == "Expand":
            return None if moved is None else np.broadcast_to(moved, shape)
        return np.tile(moved, [n // m for n, m in zip(shape, block.shape, strict=True)])

    def _reshaped(self, node: ir.Node, block: Array, before: Dims, after: Dims) -> Array | None:
        """Reshape, Squeeze or Unsqueeze: find the last axes that hold the block's elements."""
        lead = before[: len(before) - block.ndim]
        fitting = []
        for count in range(1, len(after) + 1):
            tail, front = after[len(after) - count :], after[: len(after) - count]
            size = product(tail).const
            if size == block.size and _without_ones(front) == _without_ones(lead):
                fitting.append((front == lead, [d.const or 0 for d in tail]))
        if not fitting:
            return None
        same, sizes = max(fitting, key=lambda f: f[0])
        moved = block if same else self.moved(node, block)
        return None if moved is None else moved.reshape(sizes)


def _ints(array: np.ndarray | None) -> list[int] | None:
    return None if array is None else [int(n) for n in array.reshape(-1)]


def _without_ones(dims: Dims) -> list[Dim]:
    return [d for d in dims if d != 1]


def filled(entries: Sequence[object], shape: tuple[int, ...]) -> Array:
    """Return an array of these entries, whatever they are (tuples stay entries)."""
    flat = np.empty(len(entries), dtype=object)
    for i, entry in enumerate(entries):
        flat[i] = entry
    return flat.reshape(shape)
