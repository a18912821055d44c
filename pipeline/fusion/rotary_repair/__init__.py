"""RotaryEmbedding operators whose inputs ONNX Runtime refuses to run."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.rotary_repair.find import find_rotary_repairs
from pipeline.fusion.rotary_repair.lower import RepairRotaryBatch


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("rotary-repair", find_rotary_repairs, (RepairRotaryBatch(),)),)
