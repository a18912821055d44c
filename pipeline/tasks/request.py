"""What one call of a model answers: prompts as arrays, how to choose, who listens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import BadModelError
from pipeline.records.export import GenerationSpec
from pipeline.tasks.clock import TokenClock
from pipeline.tasks.settings import Settings
from pipeline.tokenizer.base import TextTokenizer


@dataclass(frozen=True)
class Request:
    """A batch of prompts, or of sources for an encoder, and how they are answered.

    Attributes:
        ids: [B, S], padded on the left for prompts and on the right for sources.
        mask: [B, S], 1 where a token is real.
        options: How tokens are chosen.
        special: Special tokens and lengths of the model.
        tokenizer: Knows the text of tokens.
        clock: Told every new token.
    """

    ids: np.ndarray
    mask: np.ndarray
    options: Settings
    special: GenerationSpec
    tokenizer: TextTokenizer
    clock: TokenClock

    @property
    def start(self) -> int:
        """The id an answer begins with behind an encoder.

        Raises:
            BadModelError: The model names none.
        """
        if self.special.start is None:
            raise BadModelError(
                "the model names no token that an answer begins with",
                fix="set decoder_start_token_id in its generation_config.json, and export it again",
            )
        return self.special.start
