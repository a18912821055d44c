"""One operator while it is written out: its sizes, and what the written forms share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.graph.normalise.contrib.writer import graph_of, integers, size_of
from pipeline.graph.normalise.draft import Draft


@dataclass(frozen=True)
class Operator:
    """The node, with the few ways to write something before it."""

    draft: Draft
    node: ir.Node

    @property
    def heads(self) -> int:
        """Return the number of heads, 0 where it is not said."""
        return self.node.attributes.get_int("num_heads", 0)

    def put(self, op: str, *inputs: ir.Value | None, **attributes: int | list[int]) -> ir.Value:
        """Insert a node and return its output."""
        return self.draft.insert(self.node, op, list(inputs), {**attributes})

    def rank(self, value: ir.Value | None) -> int | None:
        """Return the rank of a value where it is known."""
        shape = self.draft.facts.shape(value) if value is not None else None
        return None if shape is None else len(shape)

    def width(self, value: ir.Value | None) -> int | None:
        """Return the last size of a value where it is a number."""
        shape = self.draft.facts.shape(value) if value is not None else None
        return shape[-1].const if shape else None

    def ints(self, *numbers: int) -> ir.Value:
        """Return a 1-D constant."""
        return integers(self.draft, self.node, numbers)


def count(op: Operator, value: ir.Value, axis: int) -> ir.Value:
    """Return 0, 1, ... up to one size of a value."""
    return counted(op, size_of(op.draft, op.node, value, axis))


def counted(op: Operator, number: ir.Value) -> ir.Value:
    """Return 0, 1, ... up to a number of shape [1]."""
    graph = graph_of(op.node)
    zero, one = (op.draft.constant(graph, np.array(n, np.int64)) for n in (0, 1))
    return op.put("Range", zero, op.put("Reshape", number, op.ints()), one)


def heads_apart(op: Operator, x: ir.Value | None, heads: int, size: int) -> ir.Value:
    """Return [batch, length, heads * size] as [batch, heads, length, size]."""
    apart = op.put("Reshape", x, op.ints(0, 0, heads, size))
    return op.put("Transpose", apart, perm=[0, 2, 1, 3])


def grown(op: Operator, new: ir.Value | None, past: ir.Value | None) -> ir.Value:
    """Return past and new tokens joined, [batch, heads, past + new, size]."""
    assert new is not None
    return new if past is None else op.put("Concat", past, new, axis=2)


def repeated_heads(op: Operator, x: ir.Value, heads: int, groups: int, size: int) -> ir.Value:
    """Return keys or values with each head once for every query head that shares it."""
    if groups == 1:
        return x
    spread = op.put("Expand", op.put("Unsqueeze", x, op.ints(2)), op.ints(1, 1, groups, 1, 1))
    return op.put("Reshape", spread, op.ints(0, heads * groups, -1, size))
