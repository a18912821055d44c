"""Finds pieces taken by index from a packed tensor after it was transposed as a whole.

    reshape(B, N, 3, H, D).permute(2, 0, 3, 1, 4) -> unbind      queries, keys and values of a ViT
    reshape(B, N, H + 2K, D).transpose(1, 2) -> slices           heads packed behind each other

Anchor: the last layout node before Slice, Gather or Split nodes that share its axis. The pieces
are contiguous in the tensor before the layout change, so that it can be split there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import onnx_ir as ir

from pipeline.fusion.construct import anchors
from pipeline.fusion.site import Site
from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.view import Factor, View, is_layout, view_of


@dataclass(frozen=True)
class Piece:
    """One piece: `size` indices from `start` on; `dropped` when its axis of 1 is removed."""

    start: int
    size: int
    dropped: bool


Found = tuple[ir.Value, int, Piece]
"""An output with its axis and what it holds."""


@dataclass(frozen=True, eq=False)
class PackingSite(Site):
    """Pieces of a transposed view, all along one factor of its base.

    Attributes:
        view: The packed tensor as a view of what was there before the layout change.
        axis: The view's axis the pieces are taken from; it consists of one factor.
        pieces: One for each output.
    """

    view: View
    axis: int
    pieces: tuple[Piece, ...]

    @property
    def form(self) -> str:
        """E.g. `3 of 3`."""
        return f"{sum(p.size for p in set(self.pieces))} of {self.factor.size}"

    @property
    def factor(self) -> Factor:
        """What the pieces are taken from."""
        return self.view.axes[self.axis][0]

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The packed tensor before the layout change."""
        return frozenset({self.view.base})


def find_packings(graph: ir.Graph, facts: Facts) -> Iterator[PackingSite]:
    """Yield every transposed tensor that is only read in pieces along one of its axes."""
    for node in anchors(graph):
        if is_layout(node, facts):
            site = _packing(node, facts)
            if site is not None:
                yield site


def _packing(node: ir.Node, facts: Facts) -> PackingSite | None:
    value = node.outputs[0]
    readers = list(dict.fromkeys(value.consumers()))
    if value.is_graph_output() or any(not _selects(reader, value) for reader in readers):
        return None
    found = [_pieces(reader, facts) for reader in readers]
    pieces = [piece for some in found for piece in some or ()]
    axes = {axis for _, axis, _ in pieces}
    if not pieces or len(axes) > 1 or None in found:
        return None
    (axis,) = axes
    view = view_of(value, facts)
    if view is None or not _transposed(view) or not _one_factor(view, axis):
        return None
    if not _apart(pieces) or not _whole(view, axis, pieces):
        return None
    return PackingSite(
        node, _between(value, view.base) | set(readers), tuple(output for output, _, _ in pieces),
        view=view, axis=axis, pieces=tuple(piece for _, _, piece in pieces),
    )  # fmt: skip


def _selects(node: ir.Node, value: ir.Value) -> bool:
    first = node.inputs[0] is value and sum(x is value for x in node.inputs) == 1
    return first and node.domain == "" and node.op_type in ("Slice", "Gather", "Split")


def _pieces(node: ir.Node, facts: Facts) -> list[Found] | None:
    """Return the outputs in use with their axis and piece, None where they are not constant."""
    shape = facts.shape(node.inputs[0])
    if shape is None:
        return None
    if node.op_type == "Slice":
        return _sliced(node, len(shape), facts)
    axis = node.attributes.get_int("axis", 0) % len(shape)
    whole = shape[axis].const
    if whole is None:
        return None
    if node.op_type == "Gather":
        index = facts.const(node.inputs[1])
        if index is None or index.size != 1 or index.ndim > 1:
            return None
        start = int(index.reshape(-1)[0]) % whole
        return [(node.outputs[0], axis, Piece(start, 1, dropped=index.ndim == 0))]
    start, found = 0, []
    for output in node.outputs:
        held = facts.shape(output)
        size = held[axis].const if held is not None else None
        if size is None:
            return None
        if any(True for _ in output.uses()) or output.is_graph_output():
            found.append((output, axis, Piece(start, size, dropped=False)))
        start += size
    return found


def _sliced(node: ir.Node, rank: int, facts: Facts) -> list[Found] | None:
    operands = [facts.const(value) for value in node.inputs[1:]]
    if len(operands) < 3 or any(x is None or x.size != 1 for x in operands):
        return None
    numbers = [int(x.reshape(-1)[0]) for x in operands if x is not None]
    start, axis, step = numbers[0], numbers[2], numbers[3] if len(numbers) > 3 else 1
    axis %= rank
    held, shape = facts.shape(node.outputs[0]), facts.shape(node.inputs[0])
    if held is None or shape is None or step != 1:
        return None
    size, whole = held[axis].const, shape[axis].const
    if not size or whole is None or whole == size:
        return None
    first = start + whole if start < 0 else start
    return [(node.outputs[0], axis, Piece(first, size, dropped=False))]


def _transposed(view: View) -> bool:
    """Whether the view orders its data otherwise than its base."""
    held = [factor for axis in view.source for factor in axis]
    return [factor for axis in view.axes for factor in axis if not factor.broadcast] != held


def _one_factor(view: View, axis: int) -> bool:
    factors = view.axes[axis]
    return len(factors) == 1 and factors[0].size.is_const and not factors[0].broadcast


def _whole(view: View, axis: int, pieces: list[Found]) -> bool:
    """Whether pieces are whole tensors: contiguous in the base, or single indices.

    Ranges of a minor factor are parts of each head, which rotary embeddings put together again.
    """
    factor = view.axes[axis][0]
    leading = any(base and base[0] is factor for base in view.source)
    return leading or all(piece.size == 1 for _, _, piece in pieces)


def _apart(pieces: list[Found]) -> bool:
    """Whether pieces are equal or disjoint."""
    spans = sorted({(p.start, p.start + p.size) for _, _, p in pieces})
    return all(a[1] <= b[0] for a, b in pairwise(spans))


def _between(value: ir.Value, base: ir.Value) -> frozenset[ir.Node]:
    found: set[ir.Node] = set()
    while value is not base:
        node = value.producer()
        assert node is not None  # the view was composed from these nodes
        found.add(node)
        source = node.inputs[0]
        assert source is not None
        value = source
    return frozenset(found)
