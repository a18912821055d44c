"""Attention in place with the rotation of queries and keys inside."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.ort.rotary_attention.find import find_rotary_attention
from pipeline.fusion.ort.rotary_attention.lower import FuseAttentionRotary


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("attention-rotary", find_rotary_attention, (FuseAttentionRotary(),)),)
