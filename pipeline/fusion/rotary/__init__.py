"""Rotary position embedding, in any spelling."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.rotary.find import find_rotaries
from pipeline.fusion.rotary.lower_standard import FuseRotary


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("rotary", find_rotaries, (FuseRotary(choice.target),)),)
