"""What became of generated texts: equal token for token, apart at a near-tie, or failed."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.records.record import Finite


@dataclass(frozen=True, kw_only=True)
class DivergenceRecord:
    """The first place where a text differs from the reference's.

    Attributes:
        row: Number of the text.
        step: Number of the token.
        expected, got: The two tokens; None where one of them had ended.
        margin: The reference's best logit minus its second best there; None where it had ended.
        noise: Largest logit error allowed in the candidate's precision.
        near_tie: Whether rounding alone can have decided.
        text: The text.
    """

    row: int
    step: int
    expected: int | None
    got: int | None
    margin: Finite | None
    noise: Finite
    near_tie: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class ForcedRecord:
    """Distributions where every model reads the reference's own tokens.

    Attributes:
        positions: How many were compared.
        kl_mean, kl_max: Divergence from the reference in nats; None where it is not finite.
        agreement: Share of positions with the same most likely token.
        logit_error_max: Largest absolute error of a logit; None where it is not finite.
    """

    positions: int
    kl_mean: Finite | None
    agreement: Finite | None
    kl_max: Finite | None
    logit_error_max: Finite | None


@dataclass(frozen=True, kw_only=True)
class GenerationRow:
    """One variant's texts.

    Attributes:
        name: The variant, or "torch fp32" and the like.
        passed: None where nothing was judged.
        skipped: Why not.
        texts, equal, near_ties: How many there are, are equal, part where rounding can decide.
        failed: How many part elsewhere; None where it did not run.
        divergences: The first of them; None where it did not run.
        forced: None where it did not run.
    """

    name: str
    passed: bool | None
    skipped: str
    texts: int
    equal: int
    near_ties: int
    failed: int | None = None
    divergences: tuple[DivergenceRecord, ...] | None = None
    forced: ForcedRecord | None = None


@dataclass(frozen=True, kw_only=True)
class SampleText:
    """A text and what the reference made of it."""

    text: str
    output: str


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """All variants on all texts.

    Attributes:
        texts: How many.
        candidates: PyTorch itself first, in each precision.
        samples: The first texts with the reference's output.
    """

    texts: int
    candidates: tuple[GenerationRow, ...]
    samples: tuple[SampleText, ...]
