"""Answers of one beam, greedy or sampled, with neither torch nor transformers.

The tokens are those of transformers' generate, one for one, under every option a command has.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.records.export import GenerationSpec
from pipeline.stages.runners.decoding import Decoder
from pipeline.tasks.loop import Choices, best, continue_rows
from pipeline.tasks.request import Request
from pipeline.tasks.sampling import Draw
from pipeline.tasks.scores import (
    Adjust,
    at_least,
    forced,
    no_repeat,
    repetition_penalty,
    suppressed,
    temperature,
    top_k,
    top_p,
)
from pipeline.tasks.settings import SETTLED, Settings
from pipeline.tasks.stops import stops_at

# What a model may say about generating that is followed here.
FOLLOWED = SETTLED | {
    "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id",
    "forced_bos_token_id", "forced_eos_token_id", "max_length", "suppress_tokens",
    "begin_suppress_tokens",
}  # fmt: skip


def asks_for_more(request: Request) -> tuple[str, ...]:
    """Return what a request has that `answer` does not follow; empty if it is enough."""
    beams = ("num_beams",) if request.options.num_beams > 1 else ()
    return beams + tuple(sorted(request.special.told().keys() - FOLLOWED))


def answer(decoder: Decoder, request: Request) -> np.ndarray:
    """Return the ids of the answers [B, T]; rows that ended are filled up with the padding id."""
    state = decoder.begin(request.ids, request.mask)
    prompts, masks = request.ids, [request.mask]
    if decoder.encoder is not None:
        prompts, masks = np.full((len(request.ids), 1), request.start, np.int64), []

    def step(ids: np.ndarray) -> np.ndarray:
        return decoder.step(state, ids, masks.pop() if masks else None)

    hidden = (masks[0] == 0).sum(axis=1) if masks else np.zeros(len(prompts), np.int64)
    made = continue_rows(step, prompts, choices_of(request, prompts.shape[1], hidden))
    return made[:, prompts.shape[1] :]


def choices_of(request: Request, width: int, hidden: np.ndarray) -> Choices:
    """Return how the tokens of a request are chosen.

    Args:
        request: Its options and the model's special tokens count.
        width: Positions of the prompts.
        hidden: [B], how many positions at the start of each row are padding.
    """
    options, special = request.options, request.special
    limit = width + options.max_new_tokens
    adjust: list[Adjust] = []  # in transformers' order
    if options.repetition_penalty != 1.0:
        adjust.append(repetition_penalty(options.repetition_penalty, hidden))
    if options.no_repeat_ngram_size:
        adjust.append(no_repeat(options.no_repeat_ngram_size))
    least = max(options.min_length, width + options.min_new_tokens)
    if least > width and special.ends:
        adjust.append(at_least(least, special.ends))
    if special.forced_bos_token_id is not None:
        adjust.append(forced(1, special.forced_bos_token_id))
    if special.forced_eos_token_id is not None:
        adjust.append(forced(limit - 1, special.forced_eos_token_id))
    adjust += _suppressed(special, width)
    if options.temperature > 0:
        adjust += _sampled(options)
    return Choices(
        limit,
        special.ends,
        special.filling,
        tuple(adjust),
        Draw(options.seed) if options.temperature > 0 else best,
        (stops_at(options.stop, request.tokenizer.bytes_of),) if options.stop else (),
        request.clock.hear,
    )


def _suppressed(special: GenerationSpec, width: int) -> Iterator[Adjust]:
    """Yield what rules tokens out, always or at an answer's beginning."""
    if special.suppress_tokens:
        yield suppressed(special.suppress_tokens)
    if special.begin_suppress_tokens:
        behind = width == 1 and special.forced_bos_token_id is not None
        yield suppressed(special.begin_suppress_tokens, width + behind)


def _sampled(options: Settings) -> Iterator[Adjust]:
    """Yield what changes scores only where tokens are drawn."""
    if options.temperature != 1.0:
        yield temperature(options.temperature)
    if options.top_k:
        yield top_k(options.top_k)
    if options.top_p < 1.0:
        yield top_p(options.top_p)
