"""How a loaded model is told to choose tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict


class Choosing(TypedDict, total=False):
    """How tokens are chosen; the defaults are those of `GenerateOptions`, which says more.

    Attributes:
        max_new_tokens: Most tokens per answer; unset takes 64, or what there is room for.
        repetition_penalty: Above 1 makes tokens that occurred less likely.
        num_beams: Beams of the search; 1 is greedy or sampling.
        temperature: Above 0 samples; 0 takes the most likely token.
        top_k: Sample among this many most likely tokens, 0 for all.
        top_p: Sample among the most likely tokens that hold this much probability.
        no_repeat_ngram_size: No sequence of this many tokens comes twice; 0 allows all.
        min_new_tokens: Least tokens per answer.
        length_penalty: Above 0 favours longer beams, below 0 shorter ones.
        source_lang: Language of the texts, by the tokenizer's code.
        target_lang: Language of the answers, by the tokenizer's code.
        seed: Decides what is sampled.
        stop: Strings that end an answer.
        chat: Wrap each prompt in the tokenizer's chat template.
        system: The system prompt of a chat.
        history: A JSON file of a chat's earlier turns.

    Examples:
        >>> from pipeline import Choosing, load
        >>> how: Choosing = {"max_new_tokens": 4, "temperature": 0.8, "seed": 1}
        >>> with load("storyteller") as model:
        ...     len(model.generate("Once upon a time", **how).tokens[0])
        4
    """

    max_new_tokens: int | None
    repetition_penalty: float | None
    num_beams: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    no_repeat_ngram_size: int | None
    min_new_tokens: int | None
    length_penalty: float | None
    source_lang: str
    target_lang: str
    seed: int
    stop: tuple[str, ...]
    chat: bool
    system: str
    history: Path | None
