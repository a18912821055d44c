"""transformers' loop over tokens for one beam, greedy or sampled, without tensors on the way.

transformers prepares it: limits, processors of scores, criteria for stopping. Its own loop costs
one to two milliseconds a token beside a decoder that empties the processor's caches in every step;
this one does the same with arrays, and calls the processors and criteria only where there are any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import (
    EosTokenCriteria,
    GenerationConfig,
    LogitsProcessorList,
    MaxLengthCriteria,
    StoppingCriteriaList,
)

from pipeline.tasks.clock import TokenClock


def one_beam(
    model: Any,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **arguments: Any,
) -> torch.Tensor:
    """Return prompts and answers [B, S]; finished rows are filled up with the padding id.

    Called by transformers' generate(custom_generate=...), which makes every argument.

    Args:
        model: A RunnerForGeneration.
        input_ids: [B, S].
        logits_processor: Applied to the scores [B, V] of each step.
        stopping_criteria: Say which rows are done.
        generation_config: Whether to sample, and the padding id.
        arguments: What the first step takes: attention_mask, encoder_outputs.
    """
    width, limit = input_ids.shape[1], int(stopping_criteria.max_length or 0)
    ids = np.zeros((input_ids.shape[0], max(limit, width)), np.int64)
    ids[:, :width] = input_ids.numpy()
    text: Any = torch.from_numpy(ids)
    ends, clocks, others = _sorted(stopping_criteria)
    pad = generation_config.pad_token_id
    choose = _sampled if generation_config.do_sample else _best
    going, all_going = np.ones(len(ids), bool), True
    step = model.stepper(input_ids, **arguments)
    fed = ids[:, :width]
    while width < limit and (all_going or going.any()):
        scores = step(fed)[:, -1]
        if logits_processor:
            scores = logits_processor(text[:, :width], torch.tensor(scores)).numpy()
        chosen = choose(scores)
        if ends and not all_going:
            chosen = np.where(going, chosen, pad)
        ids[:, width] = chosen
        width += 1
        fed = chosen[:, None]
        for end in ends:
            going &= chosen != end
        for clock in clocks:
            clock.hear(ids[:, :width])
        for criterion in others:
            going &= ~criterion(text[:, :width], None).numpy()
        all_going = bool(going.all())
    answer: torch.Tensor = text[:, :width].clone()
    return answer


def _sorted(
    criteria: StoppingCriteriaList,
) -> tuple[list[int], list[TokenClock], list[Callable[..., torch.Tensor]]]:
    """Return the ids that end a row, who listens, and the criteria that have to be asked."""
    ends: list[int] = []
    clocks: list[TokenClock] = []
    others: list[Callable[..., torch.Tensor]] = []
    for criterion in criteria:
        if isinstance(criterion, EosTokenCriteria):
            ends += criterion.eos_token_id.tolist()
        elif isinstance(criterion, TokenClock):
            clocks.append(criterion)
        elif not isinstance(criterion, MaxLengthCriteria):
            others.append(criterion)
    return ends, clocks, others


def _best(scores: np.ndarray) -> np.ndarray:
    best: np.ndarray = scores.argmax(axis=-1)
    return best


def _sampled(scores: np.ndarray) -> np.ndarray:
    chances = torch.softmax(torch.tensor(scores), dim=-1)
    drawn: np.ndarray = torch.multinomial(chances, num_samples=1)[:, 0].numpy()
    return drawn
