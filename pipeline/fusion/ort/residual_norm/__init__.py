"""Residual sum and norm in one operator."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.ort.residual_norm.find import find_residual_norms
from pipeline.fusion.ort.residual_norm.lower import FuseSkipLayerNorm, FuseSkipRmsNorm


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    lowerings = (
        FuseSkipLayerNorm(fuse_all=choice.fuse_all, target=choice.target),
        FuseSkipRmsNorm(),
    )
    return (Pass("residual-norm", find_residual_norms, lowerings),)
