"""The loop over tokens for one beam, greedy or sampled, over arrays.

The token-by-token work of transformers' generate, without tensors: its own loop costs one to two
milliseconds a token beside a decoder that empties the processor's caches in every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.tasks.scores import Adjust
from pipeline.tasks.stops import Criterion

Step = Callable[[np.ndarray], np.ndarray]


def best(scores: np.ndarray) -> np.ndarray:
    """Return the likeliest token of each row of scores [B, V]."""
    found: np.ndarray = scores.argmax(axis=-1)
    return found


@dataclass(frozen=True)
class Choices:
    """How tokens are chosen, and what ends a row.

    Attributes:
        limit: Positions, prompt included.
        ends: Ids that end a row.
        pad: Fills up rows that one of `ends` ended.
        adjust: Applied to the scores of each step, in this order.
        choose: Returns a token for each row of scores [B, V].
        criteria: Asked after every token which rows are done.
        hear: Given all ids [B, S] after every token.
    """

    limit: int
    ends: tuple[int, ...] = ()
    pad: int = 0
    adjust: tuple[Adjust, ...] = ()
    choose: Callable[[np.ndarray], np.ndarray] = best
    criteria: tuple[Criterion, ...] = ()
    hear: Callable[[np.ndarray], None] | None = None


def continue_rows(step: Step, prompts: np.ndarray, choices: Choices) -> np.ndarray:
    """Return prompts and answers [B, S]; finished rows are filled up with the padding id.

    Args:
        step: Returns the logits [B, T, V] of the next positions [B, T]: first of the whole prompt,
            then of one token more each time.
        prompts: [B, S].
        choices: How tokens are chosen.
    """
    width = prompts.shape[1]
    ids = np.zeros((len(prompts), max(choices.limit, width)), np.int64)
    ids[:, :width] = prompts
    going, all_going = np.ones(len(ids), bool), True
    fed = ids[:, :width]
    while width < choices.limit and going.any():
        scores = np.asarray(step(fed)[:, -1], np.float32)
        for adjust in choices.adjust:
            scores = adjust(ids[:, :width], scores)
        chosen = choices.choose(scores)
        if choices.ends and not all_going:
            chosen = np.where(going, chosen, choices.pad)
        ids[:, width] = chosen
        width += 1
        fed = chosen[:, None]
        for end in choices.ends:
            going &= chosen != end
        if choices.hear is not None:
            choices.hear(ids[:, :width])
        for criterion in choices.criteria:
            going &= ~criterion(ids[:, :width])
        all_going = bool(going.all())
    return ids[:, :width].copy()
