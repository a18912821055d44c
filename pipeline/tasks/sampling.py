"""Drawing tokens by their probabilities: the tokens that torch draws under the same seed.

A race: every token gets a time, exponential with its probability as the rate, and the first one is
drawn. The times come from uniform numbers of 53 bits, two outputs of the Mersenne Twister each,
which is how torch's generator on the CPU makes them. So a seed means the same tokens here, in
transformers, on every runner and on every machine, and each answer has a generator of its own.

**Source**: torch.multinomial, Tensor.exponential_ and torch.Generator of PyTorch on the CPU.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import BadModelError
from pipeline.tasks.scores import probabilities

BITS = 53


class Draw:
    """A way to choose tokens that draws them.

    Args:
        seed: Decides what is drawn; only its lower 32 bits count.
    """

    def __init__(self, seed: int) -> None:
        self._twister = np.random.RandomState(seed & 0xFFFFFFFF)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return a token for each row of scores [B, V].

        Raises:
            BadModelError: They are no scores that probabilities can be made of.
        """
        highest = scores.max(axis=-1)
        if not np.isfinite(highest).all():  # a score of minus infinity rules a token out
            raise BadModelError(
                "the model's scores are not finite, so no token can be drawn",
                fix="see where they come from with `pipeline parity DIR`",
            )
        chances = probabilities(scores)
        drawn: np.ndarray = (chances / self._times(chances.shape)).argmax(axis=-1)
        return drawn

    def _times(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return exponential times of rate 1, in float32."""
        words = np.frombuffer(self._twister.bytes(8 * int(np.prod(shape))), "<u4").astype(np.uint64)
        bits = (words[0::2] << np.uint64(32) | words[1::2]) & np.uint64((1 << BITS) - 1)
        times = -np.log1p(-(bits.astype(np.float64) / (1 << BITS)))
        return times.astype(np.float32).reshape(shape)
