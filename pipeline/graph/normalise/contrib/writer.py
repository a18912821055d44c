"""What writes one operator of com.microsoft out, and the few nodes that all of them need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.graph.normalise.draft import Draft

MS = "com.microsoft"
Made = dict[int, ir.Value]  # output index -> what takes its place


@dataclass(frozen=True)
class Writer:
    """One operator's standard form.

    Attributes:
        opset: The lowest ai.onnx opset that has what is written.
        write: Inserts nodes before the operator and returns what takes the place of which output,
            or None where this form of it has no standard one.
    """

    opset: int
    write: Callable[[Draft, ir.Node], Made | None]


def given(node: ir.Node, index: int) -> ir.Value | None:
    """Return an input, None where it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def graph_of(node: ir.Node) -> ir.Graph:
    """Return the graph a node stands in."""
    assert isinstance(node.graph, ir.Graph)
    return node.graph


def integers(draft: Draft, node: ir.Node, numbers: Sequence[int]) -> ir.Value:
    """Return a 1-D int64 constant."""
    return draft.constant(graph_of(node), np.array(numbers, np.int64))


def scalar_like(draft: Draft, node: ir.Node, number: float, like: ir.Value) -> ir.Value:
    """Return a scalar of the type of another value."""
    dtype = draft.facts.dtype(like) or ir.DataType.FLOAT
    return draft.constant(graph_of(node), np.array(number, dtype=dtype.numpy()))


def size_of(draft: Draft, node: ir.Node, value: ir.Value, axis: int) -> ir.Value:
    """Return one size of a value as an int64 of shape [1]."""
    return draft.insert(node, "Shape", [value], {"start": axis, "end": axis + 1})
