"""The conditions of a norm, in the order in which they are asked."""

from __future__ import annotations

from pipeline.fusion.refusal import Step

ROOT = Step(
    1,
    5,
    asks="what is under the root",
    advice="divide by the root of the mean square plus a constant epsilon",
)
DIVIDED = Step(
    2,
    5,
    asks="what is divided by it",
    advice="divide x, or x minus its mean, as a whole",
)
AXES = Step(
    3,
    5,
    asks="which axes are normalised",
    advice="normalise over trailing axes of constant size",
)
