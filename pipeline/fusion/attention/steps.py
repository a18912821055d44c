"""The conditions of an attention, in the order in which they are asked."""

from __future__ import annotations

from pipeline.fusion.refusal import Step

SCORES = Step(
    1,
    5,
    asks="the way from queries and keys to the softmax",
    advice="keep to scale, mask, bias and soft-cap between the product and the softmax",
)
VALUES = Step(
    2,
    5,
    asks="the way from the softmax to the values",
    advice="multiply the probabilities with the values and read them nowhere else",
)
PAIRS = Step(
    3,
    5,
    asks="how rows, keys, heads and masks of the two products pair up",
    advice="keep to softmax(q k^T * scale + mask) v, normalised over the keys, with one "
    "scale per head and a mask that broadcasts to [batch, heads, rows, keys]",
)
