"""Split(Transpose(x), axis of pieces)  ->  layout of each piece of Split(x).

Source: ONNX Split, opset 18.
Exact: bitwise; the same numbers in the same places.
Applies when: a transposed tensor is only read in pieces. Without the transposition of the whole,
queries, keys and values come out as the projection wrote them, which attention operators take.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.lowering import Exactness
from pipeline.fusion.packing.find import PackingSite, Piece
from pipeline.graph.rewriting.emit import Emitter
from pipeline.graph.rewriting.relayout import relayout, reshape_to
from pipeline.graph.sizes.dims import Dim
from pipeline.graph.views.view import Axes, Axis, Factor, View, axis_size
from pipeline.types import TARGETS


@dataclass(frozen=True)
class SplitBeforeTranspose:
    """Splits a packed tensor where its pieces are contiguous, for every target."""

    name: str = "split_before_transpose"
    targets: frozenset[str] = frozenset(TARGETS)
    opset: int = 18
    source: str = "https://onnx.ai/onnx/operators/onnx__Split.html"
    exact: Exactness = "bitwise"

    def lower(self, site: PackingSite, emit: Emitter) -> tuple[ir.Value, ...]:
        """Return each piece, in the layout it had."""
        parts = _parts(site, emit)
        found: dict[Piece, ir.Value] = {}
        for piece in site.pieces:
            if piece not in found:
                part, source, held = parts[piece.start]
                axes = [*site.view.axes[: site.axis], held, *site.view.axes[site.axis + 1 :]]
                if piece.dropped:
                    del axes[site.axis]
                found[piece] = relayout(emit, View(part, source, source), tuple(axes))
        return tuple(found[piece] for piece in site.pieces)


def _parts(site: PackingSite, emit: Emitter) -> dict[int, tuple[ir.Value, Axes, Axis]]:
    """Return, by first index, each piece with its source and what is left of the factor."""
    place = next(i for i, axis in enumerate(site.view.source) if site.factor in axis)
    packed = site.view.source[place]
    inside = packed.index(site.factor)
    major, minor = packed[:inside], packed[inside + 1 :]
    before, after = site.view.source[:place], site.view.source[place + 1 :]
    base, size = site.view.base, axis_size(minor).const
    if major or size is None:
        apart = [*before, *((major,) if major else ()), (site.factor,), minor, *after]
        base = reshape_to(emit, base, [axis_size(axis) for axis in apart], base)
        before, after, minor, size = (*before, *((major,) if major else ())), (minor, *after), (), 1
    segments = _segments(site)
    sizes = emit.ints([n * size for _, n in segments])
    outputs = emit.op("Split", [base, sizes], {"axis": len(before)}, outputs=len(segments))
    found: dict[int, tuple[ir.Value, Axes, Axis]] = {}
    for (start, count), part in zip(segments, outputs, strict=True):
        held: Axis = () if count == 1 else (Factor(Dim.of(count)),)
        found[start] = part, (*before, (*held, *minor), *after), held
    return found


def _segments(site: PackingSite) -> list[tuple[int, int]]:
    """Return start and length of every piece in order, what nobody reads between them too."""
    whole, end = site.factor.size.const, 0
    found: list[tuple[int, int]] = []
    for start, count in [*sorted({(p.start, p.size) for p in site.pieces}), (whole or 0, 0)]:
        if start > end:
            found.append((end, start - end))
        if count:
            found.append((start, count))
        end = start + count
    return found
