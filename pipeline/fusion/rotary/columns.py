"""Two readings of columns that together show a rotation: its formula, and which columns agree."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import onnx_ir as ir

from pipeline.fusion.formulas import algebra as al
from pipeline.fusion.formulas.columns import (
    INDEXING,
    MAX_DEPTH,
    Array,
    ColumnReader,
    filled,
)
from pipeline.graph.inference.facts import Facts
from pipeline.operators import CASTS


class LinearColumns(ColumnReader):
    """Entries are formulas in the columns of `x` and of the tensors it is multiplied with."""

    def __init__(self, facts: Facts, x: ir.Value) -> None:
        super().__init__(facts)
        self.x = x
        self._reach: dict[ir.Value, bool] = {}

    def is_leaf(self, value: ir.Value) -> bool:
        """Stop at x and at whatever is not computed from it."""
        return value is self.x or not self._reaches(value, 0)

    def entry(self, value: ir.Value, index: int, size: int) -> object:
        """Return the column as a formula, a known number as itself."""
        scalar = self.facts.scalar(value) if value is not self.x else None
        if scalar is not None:
            return al.number(scalar)
        return al.atom(al.Leaf(value, index))

    def combine(self, node: ir.Node, operands: list[Array]) -> Array | None:
        """Return sums, differences, products and negations of formulas."""
        function = _LINEAR.get(node.op_type)
        if function is None:
            return None
        try:
            shape = np.broadcast_shapes(*(b.shape for b in operands))
            spread = [np.broadcast_to(b, shape).reshape(-1) for b in operands]
            return filled([function(*entries) for entries in zip(*spread, strict=True)], shape)
        except (ValueError, al.TooComplexError):
            return None

    def moved(self, node: ir.Node, block: Array) -> Array | None:
        """Give up: x would no longer be aligned with what it is multiplied with."""
        return None

    def _reaches(self, value: ir.Value, depth: int) -> bool:
        if value is self.x:
            return True
        if value not in self._reach:
            node = value.producer()
            understood = node is not None and not node.domain and depth < MAX_DEPTH
            self._reach[value] = (
                understood
                and node is not None
                and node.op_type in INDEXING | CASTS | _LINEAR.keys()
                and any(self._reaches(v, depth + 1) for v in node.inputs if v is not None)
            )
        return self._reach[value]


_LINEAR: dict[str, Callable[..., al.Expr]] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Neg": lambda a: a.scaled(-1.0),
}


class SameColumns(ColumnReader):
    """Entries are keys: equal keys mean columns that hold equal numbers."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.relied: set[ir.Value] = set()

    def is_leaf(self, value: ir.Value) -> bool:
        """Look into everything but constants."""
        self.relied.add(value)
        return self.facts.is_const(value)

    def entry(self, value: ir.Value, index: int, size: int) -> object:
        """Return the column itself, or the contents of a constant's column."""
        array = self.facts.const(value) if self.facts.is_const(value) else None
        if array is not None and array.ndim:
            return ("const", array.reshape(-1, size)[:, index].tobytes())
        return (value, index)

    def combine(self, node: ir.Node, operands: list[Array]) -> Array | None:
        """Return the operator applied to keys; operators that mix columns have none."""
        if node.op_type not in _ELEMENTWISE:
            return None
        shape = np.broadcast_shapes(*(b.shape for b in operands))
        spread = [np.broadcast_to(b, shape).reshape(-1) for b in operands]
        keys: list[Hashable] = [(node.op_type, *column) for column in zip(*spread, strict=True)]
        return filled(keys, shape)

    def moved(self, node: ir.Node, block: Array) -> Array | None:
        """Mark the keys with the node, so that other arrangements stay different."""
        return _map(block, lambda key: (node.outputs[0], key))


_ELEMENTWISE = frozenset(
    {"Cos", "Sin", "Mul", "Add", "Sub", "Div", "Neg", "Exp", "Sqrt", "Reciprocal", "Pow"}
)


def _map(block: Array, change: Callable[[Any], Hashable]) -> Array:
    return filled([change(entry) for entry in block.reshape(-1)], block.shape)
