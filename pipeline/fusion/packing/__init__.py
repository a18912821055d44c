"""Packed projections that were transposed whole before their pieces were taken out."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.packing.find import find_packings
from pipeline.fusion.packing.lower import SplitBeforeTranspose


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("packing", find_packings, (SplitBeforeTranspose(),)),)
