"""Attention in place whose queries, keys and values are one product."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.ort.packed_attention.find import find_packed_attention
from pipeline.fusion.ort.packed_attention.lower import FuseAttentionPacked


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("attention-packed", find_packed_attention, (FuseAttentionPacked(),)),)
