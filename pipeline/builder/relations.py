"""Ranges of named dims that agree with each other: total = past + new, at every end.

A range chosen by the place a dim stands in knows nothing of what the graph does with it. What
ties the dims is known to input synthesis; here the tied ones follow from the free ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx_ir as ir

from pipeline.errors import PipelineError
from pipeline.inputs import InputMaker
from pipeline.records.tensors import SizeRange


def consistent(
    model: ir.Model, ranges: Mapping[str, SizeRange], given: Collection[str]
) -> dict[str, SizeRange]:
    """Return the ranges with those of dependent dims computed from the others.

    Args:
        model: The graph.
        ranges: A range per named dim.
        given: Dims whose ranges were asked for: they are kept even against the graph.
    """
    try:
        sizes = InputMaker(model).sizes
    except PipelineError:
        return dict(ranges)
    tied = {
        str(side)
        for relation in sizes.relations
        for side, other in ((relation.left, relation.right), (relation.right, relation.left))
        if str(side) in ranges and len(other.symbols) > 1
    }
    free = [n for n in ranges if n not in tied or n in given]
    ends = []
    for end in ("min", "opt", "max"):
        pins = {name: int(getattr(ranges[name], end)) for name in free}
        try:
            ends.append(sizes.named(sizes.choose(pins)))
        except PipelineError:
            return dict(ranges)
    return {
        name: old
        if name in free or any(name not in sizes_at for sizes_at in ends)
        else SizeRange(*(sizes_at[name] for sizes_at in ends))
        for name, old in ranges.items()
    }
