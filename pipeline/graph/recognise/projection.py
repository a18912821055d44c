"""Recognises products of one tensor with several constant matrices: queries, keys and values.

    x W1, x W2, x W3        also gate and up of a gated feed-forward network

Anchor: the first of the products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from pipeline.graph.facts import Facts
from pipeline.graph.sites import Site


@dataclass(frozen=True, eq=False)
class ProjectionSite(Site):
    """MatMul nodes that share their left operand; the outputs are theirs, in order.

    Attributes:
        x: The shared operand.
        weights: The matrices, each [size of x's last axis, its own width].
        widths: Their widths.
    """

    x: ir.Value
    weights: tuple[ir.Value, ...]
    widths: tuple[int, ...]

    @property
    def construct(self) -> str:
        """The construct's name."""
        return "projection"

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The shared operand."""
        return frozenset({self.x})

    @property
    def elements(self) -> int:
        """How many numbers the matrices hold together."""
        return sum(
            tensor.size for value in self.weights if (tensor := value.const_value) is not None
        )

    @property
    def form(self) -> str:
        """E.g. `widths 576, 192, 192`."""
        return f"widths {', '.join(map(str, self.widths))}"


def find_projections(graph: ir.Graph, facts: Facts) -> Iterator[ProjectionSite]:
    """Yield every group of products that share a tensor."""
    groups: dict[tuple[ir.Value, ir.DataType], list[ir.Node]] = {}
    for node in graph:
        x = node.inputs[0] if node.op_type == "MatMul" and not node.domain else None
        kind = facts.dtype(x)
        if x is not None and kind is not None and _width(node.inputs[1]) is not None:
            groups.setdefault((x, kind), []).append(node)
    for (x, _), nodes in groups.items():
        if len(nodes) < 2 or x.const_value is not None:
            continue
        weights = tuple(value for node in nodes if (value := node.inputs[1]) is not None)
        widths = tuple(width for value in weights if (width := _width(value)) is not None)
        outputs = tuple(node.outputs[0] for node in nodes)
        yield ProjectionSite(
            nodes[0], frozenset(nodes), outputs, x=x, weights=weights, widths=widths
        )


def _width(value: ir.Value | None) -> int | None:
    """Return the number of columns of a constant matrix, None for anything else."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    shape = value.const_value.shape.numpy()
    return shape[1] if len(shape) == 2 else None
