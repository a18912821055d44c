"""Runs the generation comparison over the texts, in batches, variant by variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import UsageError
from pipeline.parity.budget import MAX_FACTOR
from pipeline.parity.generation import (
    Divergence,
    Forced,
    compare_forced,
    divergences,
    teacher_forced,
    together,
)
from pipeline.parity.limits import Limits, limits_for
from pipeline.parity.texts import Texts
from pipeline.parity.ways import FORMATS
from pipeline.records.export import GenerationSpec
from pipeline.records.generation import ForcedRecord, GenerationRow, SampleText
from pipeline.records.tensors import TensorSpec
from pipeline.stages.runners.base import Runner
from pipeline.stages.runners.decoding import Decoder, Generated, greedy
from pipeline.types import Progress

BATCH = 40
SHOWN = 8
OpenParts = Callable[[], dict[str, Runner]]


@dataclass
class Batch:
    """Texts that run together, and what the reference made of them."""

    ids: np.ndarray
    mask: np.ndarray
    first: int
    expected: Generated = field(default_factory=lambda: Generated([], []))
    logits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))


@dataclass
class GenerationParity:
    """Compares greedy generation of variants with the float64 reference.

    Attributes:
        inputs: What the decoding part takes.
        special: Ids of start, end and padding.
        max_new: Longest generation.
        limits: What the user allows a quantised variant to lose.
        noise: Precision -> largest logit error allowed, from PyTorch's own.
    """

    texts: Sequence[str]
    encoder: Texts
    inputs: Sequence[TensorSpec]
    special: GenerationSpec
    max_new: int
    has_encoder: bool
    limits: Limits = field(default_factory=Limits)
    batches: list[Batch] = field(default_factory=list)
    noise: dict[str, float] = field(default_factory=dict)

    def reference(self, open_parts: OpenParts, progress: Progress) -> None:
        """Generate with the reference and keep tokens and logits."""
        with ExitStack() as stack:
            decoder = self._decoder(stack, open_parts)
            for first in range(0, len(self.texts), BATCH):
                progress.step("generation: the reference", first, len(self.texts))
                chunk = self.texts[first : first + BATCH]
                ids, mask = self.encoder.encode(chunk, left=not self.has_encoder)
                batch = Batch(ids, mask, first)
                batch.expected = self._greedy(decoder, batch)
                batch.logits = self._forced(decoder, batch)
                self.batches.append(batch)

    def torch(self, precision: str, open_parts: OpenParts, progress: Progress) -> GenerationRow:
        """Return what became of every text on PyTorch itself; its errors set the allowed ones."""
        with ExitStack() as stack:
            decoder = self._decoder(stack, open_parts)
            errors = [self._compared(decoder, batch).largest_error for batch in self.batches]
        self.noise[precision] = MAX_FACTOR * max(errors, default=0.0)
        return self.candidate(f"torch {precision}", precision, open_parts, progress)

    def candidate(
        self, name: str, precision: str, open_parts: OpenParts, progress: Progress
    ) -> GenerationRow:
        """Return what became of every text on one variant."""
        found: list[Divergence] = []
        forced: list[ForcedRecord] = []
        allowed = self.noise.get(precision, 0.0)
        with ExitStack() as stack:
            decoder = self._decoder(stack, open_parts)
            for batch in self.batches:
                progress.step(f"generation: {name}", batch.first, len(self.texts))
                forced.append(self._compared(decoder, batch).record())
                got = self._greedy(decoder, batch)
                found += divergences(batch.expected, got, allowed, batch.first)
        ties = sum(d.near_tie for d in found)
        whole = together(forced)
        if precision in FORMATS:
            passed, why = held(whole, limits_for(precision, self.limits))
        else:
            passed, why = ties == len(found), ""
        return GenerationRow(
            name=name,
            passed=passed,
            skipped=why,
            texts=len(self.texts),
            equal=len(self.texts) - len(found),
            near_ties=ties,
            failed=len(found) - ties,
            divergences=tuple(d.record(self.texts[d.row]) for d in found[:SHOWN]),
            forced=whole,
        )

    def samples(self) -> tuple[SampleText, ...]:
        """Return the first texts with the reference's output."""
        rows = [(self.texts[b.first + r], t) for b in self.batches for r, t in _rows(b)]
        return tuple(
            SampleText(text=text, output=self.encoder.decode(tokens))
            for text, tokens in rows[:SHOWN]
        )

    def _decoder(self, stack: ExitStack, open_parts: OpenParts) -> Decoder:
        parts = open_parts()
        for runner in parts.values():
            stack.enter_context(runner)
        return Decoder(parts, self.inputs, self.special.pad or 0)

    @property
    def _start(self) -> int | None:
        if not self.has_encoder:
            return None
        if self.special.start is None:
            raise UsageError(
                "no token is known that a text starts with",
                where="generation",
                fix="give the checkpoint a decoder_start_token_id or a bos_token_id",
            )
        return self.special.start

    def _greedy(self, decoder: Decoder, batch: Batch) -> Generated:
        return greedy(
            decoder,
            batch.ids,
            batch.mask,
            start=self._start,
            end=self.special.ends,
            max_new=self.max_new,
        )

    def _compared(self, decoder: Decoder, batch: Batch) -> Forced:
        return compare_forced(batch.logits, self._forced(decoder, batch), batch.expected.tokens)

    def _forced(self, decoder: Decoder, batch: Batch) -> np.ndarray:
        return teacher_forced(decoder, batch.ids, batch.mask, self._start, batch.expected.tokens)


def held(forced: ForcedRecord | None, limits: Limits) -> tuple[bool, str]:
    """Return whether a quantised variant's distributions are within their limits, and how far.

    Its texts part where it likes: what counts is the loss where it reads the reference's tokens.
    """
    if forced is None:
        return True, ""
    if forced.kl_mean is None or forced.agreement is None:
        return False, "its logits are not finite"
    kept = limits.kl is None or forced.kl_mean <= limits.kl
    kept &= limits.agreement is None or forced.agreement >= limits.agreement
    least = "" if limits.agreement is None else f" (at least {limits.agreement:g})"
    most = "" if limits.kl is None else f" (at most {limits.kl:g})"
    return kept, f"KL {forced.kl_mean:.3g}{most}, agreement {forced.agreement:.3g}{least}"


def _rows(batch: Batch) -> list[tuple[int, list[int]]]:
    return list(enumerate(batch.expected.tokens))
