"""Generation, token by token: equal, or apart only where the model itself was undecided.

The reference generates greedily in float64. A candidate's row may leave it where the reference's
two best logits are closer than rounding can tell apart: than twice the largest logit error that
the budget allows, which is 8 times what PyTorch itself showed in that precision. Such a divergence
is a *near-tie*; any other is a failure. The candidate's own error never excuses it.
Teacher forcing adds what greedy text hides: every model reads the reference's own tokens, and
the distributions at each position are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.parity.results import finite
from pipeline.records.generation import DivergenceRecord, ForcedRecord
from pipeline.stages.runners.decoding import Decoder, Generated


@dataclass(frozen=True)
class Divergence:
    """The first place where a row differs from the reference.

    Attributes:
        margin: The reference's best logit minus its second best there.
        noise: Largest logit error allowed in the candidate's precision.
    """

    row: int
    step: int
    expected: int | None
    got: int | None
    margin: float
    noise: float

    @property
    def near_tie(self) -> bool:
        """Whether rounding alone can have decided."""
        return self.margin <= 2 * self.noise

    def record(self, text: str) -> DivergenceRecord:
        """Return the fields and the verdict, with the text it happened in."""
        return DivergenceRecord(
            row=self.row,
            step=self.step,
            expected=self.expected,
            got=self.got,
            margin=finite(self.margin),
            noise=self.noise,
            near_tie=self.near_tie,
            text=text,
        )


@dataclass(frozen=True)
class Forced:
    """Distributions under teacher forcing, over all real positions.

    Attributes:
        positions: How many.
        kl_mean, kl_max: Divergence of the candidate from the reference, in nats.
        agreement: Share of positions with the same most likely token.
        logit_error: Largest absolute error of a logit, by row and position (NaN beyond the end).
    """

    positions: int
    kl_mean: float
    kl_max: float
    agreement: float
    logit_error: np.ndarray

    @property
    def largest_error(self) -> float:
        """The largest error of finite logits."""
        return float(np.max(self.logit_error, initial=0.0, where=np.isfinite(self.logit_error)))

    def record(self) -> ForcedRecord:
        """Return the summary; what is not finite, as logits that are not, is None."""
        return ForcedRecord(
            positions=self.positions,
            kl_mean=finite(self.kl_mean),
            agreement=finite(self.agreement),
            kl_max=finite(self.kl_max),
            logit_error_max=finite(float(np.nanmax(self.logit_error))) if self.positions else 0.0,
        )


def together(forced: Sequence[ForcedRecord]) -> ForcedRecord | None:
    """Return the summary over all batches, means weighted by positions; None without any."""
    positions = sum(entry.positions for entry in forced)
    if not positions:
        return None

    def mean(name: str) -> float | None:
        shares = [getattr(entry, name) for entry in forced]
        if None in shares:  # not finite somewhere
            return None
        weighted = (s * entry.positions for s, entry in zip(shares, forced, strict=True))
        return float(sum(weighted)) / positions

    def largest(name: str) -> float | None:
        values = [getattr(entry, name) for entry in forced]
        return None if None in values else float(max(values))

    return ForcedRecord(
        positions=positions,
        kl_mean=mean("kl_mean"),
        agreement=mean("agreement"),
        kl_max=largest("kl_max"),
        logit_error_max=largest("logit_error_max"),
    )


def divergences(
    expected: Generated, got: Generated, noise: float, row_offset: int = 0
) -> list[Divergence]:
    """Return the first divergence of each row that has one.

    Args:
        expected: The reference's tokens and margins.
        got: The candidate's.
        noise: Largest logit error allowed.
        row_offset: Number of the first row.
    """
    found = []
    for row, (wanted, given) in enumerate(zip(expected.tokens, got.tokens, strict=True)):
        if wanted == given:
            continue
        same = [a == b for a, b in zip(wanted, given, strict=False)]
        step = same.index(False) if False in same else len(same)
        margins = expected.margins[row]
        found.append(
            Divergence(
                row=row + row_offset,
                step=step,
                expected=wanted[step] if step < len(wanted) else None,
                got=given[step] if step < len(given) else None,
                margin=margins[step] if step < len(margins) else float("inf"),
                noise=noise,
            )
        )
    return found


def teacher_forced(
    decoder: Decoder,
    ids: np.ndarray,
    mask: np.ndarray,
    start: int | None,
    tokens: Sequence[Sequence[int]],
) -> np.ndarray:
    """Return logits [B, T + 1, V] at the positions that predict the tokens and the end.

    Args:
        decoder: Steps the model.
        ids: Source or prompt [B, S].
        mask: [B, S].
        start: First decoder id with an encoder, None without one.
        tokens: The reference's new tokens of each row.
    """
    width = max((len(row) for row in tokens), default=0)
    forced = np.full((len(tokens), width), decoder.pad_id, np.int64)
    real = np.zeros((len(tokens), width), np.int64)
    for place, row in enumerate(tokens):
        forced[place, : len(row)], real[place, : len(row)] = list(row), 1
    state = decoder.begin(ids, mask)
    if start is not None:
        first = np.full((len(tokens), 1), start, np.int64)
        return decoder.step(state, np.concatenate([first, forced], axis=1))
    fed = np.concatenate([ids, forced], axis=1)
    logits = decoder.step(state, fed, np.concatenate([mask, real], axis=1))
    if logits.shape[1] == fed.shape[1]:
        return logits[:, ids.shape[1] - 1 :]
    state = decoder.begin(ids, mask)  # exported with --logits last: position by position
    each = [decoder.step(state, ids, mask)]
    for place in range(width):
        each.append(decoder.step(state, forced[:, place, None], real[:, place, None]))
    return np.concatenate([made[:, -1:] for made in each], axis=1)


def compare_forced(
    reference: np.ndarray, given: np.ndarray, tokens: Sequence[Sequence[int]]
) -> Forced:
    """Return how far the candidate's distributions are from the reference's."""
    real = np.zeros(reference.shape[:2], bool)
    for place, row in enumerate(tokens):
        real[place, : len(row) + 1] = True
    wanted, got = reference.astype(np.float64), given.astype(np.float64)
    off = np.abs(got - wanted).max(axis=-1)
    error = np.where(real, np.where(np.isnan(off), np.inf, off), np.nan)
    logs = log_softmax(wanted)[real]
    kl = (np.exp(logs) * (logs - log_softmax(got)[real])).sum(axis=-1)
    agree = wanted[real].argmax(axis=-1) == got[real].argmax(axis=-1)
    kl = np.maximum(kl, 0.0)  # rounding can leave -1e-17
    return Forced(int(real.sum()), float(kl.mean()), float(kl.max()), float(agree.mean()), error)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
