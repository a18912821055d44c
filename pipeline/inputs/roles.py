"""What each graph input is for: ids, a mask, positions, lengths, a switch, or plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.sizes.dims import Dim
from pipeline.inputs.evidence import Bound, Evidence, evidence_of, float_evidence_of

Kind = Literal["ids", "positions", "mask", "lengths", "total", "switch", "size", "bias", "floats"]
_FLOATS = frozenset(
    {ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE}
)


@dataclass(frozen=True)
class Role:
    """One input and what it is for.

    Attributes:
        value: The graph input.
        kind: What it is for.
        shape: Its dims, as the graph's facts write them.
        bounds: What limits its values, for ids and positions.
        keep: The value of a mask that means "visible".
        special: Ids that the graph tests for.
        short_by: How much less than the length a length is.
    """

    value: ir.Value
    kind: Kind
    shape: tuple[Dim, ...]
    bounds: tuple[Bound, ...] = ()
    keep: int = 1
    special: frozenset[int] = frozenset()
    short_by: int = 0

    @property
    def name(self) -> str:
        """The input's name."""
        return self.value.name or ""


def role_of(value: ir.Value, facts: Facts) -> Role:
    """Return an input's role from how the graph uses it; its name only breaks ties."""
    shape = facts.shape(value) or ()
    if value.dtype in _FLOATS:
        scores = float_evidence_of(value, facts).scores
        return Role(value, "bias" if scores else "floats", shape)
    found = evidence_of(value, facts)
    return Role(
        value,
        _kind(value, found),
        shape,
        bounds=tuple(found.bounds),
        keep=1 if found.keeps is None else found.keeps,
        special=frozenset(found.compared),
        short_by=found.lengths or 0,
    )


def _kind(value: ir.Value, found: Evidence) -> Kind:
    name = (value.name or "").lower()
    if found.branches:
        return "switch"
    if found.lengths is not None:
        return "lengths"
    if found.total and not found.bounds:  # a place in a cache counts towards the total as well
        return "total"
    if any(bound.is_table for bound in found.bounds):
        # A table of positions is read like a table of words; only the name tells them apart.
        return "positions" if found.turns or "position" in name else "ids"
    if found.turns:
        return "positions"
    if found.keeps is not None or found.masks or value.dtype == ir.DataType.BOOL:
        return "mask"
    if found.bounds:
        return "ids"
    if found.sizes:
        return "size"
    return "positions" if "position" in name else "mask" if "mask" in name else "ids"
