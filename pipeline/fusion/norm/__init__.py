"""Layer norm and RMS norm, in any spelling."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.norm.find import find_norms
from pipeline.fusion.norm.lower_outer_epsilon import FuseLayerNormOuterEpsilon
from pipeline.fusion.norm.lower_standard import FuseLayerNorm, FuseRmsNorm
from pipeline.fusion.norm.native import find_native_norms
from pipeline.fusion.norm.rounded import find_rounded_norms


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    lowerings = (FuseLayerNorm(), FuseLayerNormOuterEpsilon(target=choice.target), FuseRmsNorm())
    return (
        Pass("norm", find_native_norms),
        Pass("norm", find_norms, lowerings),
        # what is left of them has a quantiser inside
        Pass("norm", find_rounded_norms),
    )
