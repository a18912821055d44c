"""Attention over a cache of fixed size that the step itself writes into."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.ort.in_place.find import find_attention_in_place
from pipeline.fusion.ort.in_place.lower import FuseAttentionInPlace


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    lowerings = (FuseAttentionInPlace(half=choice.half),)
    return (Pass("attention-in-place", find_attention_in_place, lowerings),)
