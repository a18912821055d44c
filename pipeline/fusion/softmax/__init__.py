"""Softmax written out with Exp and a sum."""

from __future__ import annotations

from pipeline.fusion.construct import Choice, Pass
from pipeline.fusion.softmax.find import find_softmaxes
from pipeline.fusion.softmax.lower import FuseSoftmax


def passes(choice: Choice) -> tuple[Pass, ...]:
    """Return the passes of this construct for what was chosen."""
    return (Pass("softmax", find_softmaxes, (FuseSoftmax(),)),)
