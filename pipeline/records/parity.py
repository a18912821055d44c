"""What a comparison says: the verdict, every error it rests on, and where a failure began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pipeline.records.coverage import CaseRecord, CoverageRecord
from pipeline.records.generation import GenerationResult
from pipeline.records.record import Finite, Place, Record


@dataclass(frozen=True, kw_only=True)
class ErrorRecord:
    """Errors of one output over all cases, in units of the values' rms; see `accuracy.Errors`.

    Attributes:
        rms, quantile, max: None where the unit is too small for a number.
        bad: Elements lost: not finite where the reference is.
        rows: Rows that share the error; None without an error.
    """

    count: int
    rms: Finite | None
    quantile: Finite | None
    max: Finite | None
    bad: int
    rows: Finite | None


@dataclass(frozen=True, kw_only=True)
class MeasureRecord:
    """What quantisation costs one output, in one measure of the task.

    Attributes:
        name: "kl", "agreement", "cosine" or "drop"; see `pipeline.parity.measures`.
        value: Over all rows of the ordinary cases; None where values were lost.
        low, high: Its 99 % interval; None where there is none.
        limit: The most that is allowed, for agreement and cosine the least; None binds nothing.
    """

    name: str
    value: Finite | None
    low: Finite | None
    high: Finite | None
    limit: Finite | None
    passed: bool


@dataclass(frozen=True, kw_only=True)
class OutputRecord:
    """One output of one candidate, over all cases.

    Attributes:
        usage: Largest share of the budget used in any case; None is beyond all measure.
        worst_case: Where.
        errors: The candidate's.
        noise: PyTorch's own in the same precision; None where it has none.
        kappa: `noise` in ulps.
        histogram, noise_histogram: Counts of errors between the result's edges.
        problem: In words, when values could not even be compared.
        precision: What its way through the graph computes in, or what was declared.
        exempt: Elements that bind nothing: they belong to a row whose mask hides everything.
        measures: What a quantised output is held to in place of the budget; empty for others.
    """

    output: str
    passed: bool
    usage: Finite | None
    worst_case: str
    errors: ErrorRecord
    noise: ErrorRecord | None
    kappa: Finite | None
    histogram: tuple[int, ...]
    noise_histogram: tuple[int, ...]
    problem: str
    precision: str = ""
    exempt: int = 0
    measures: tuple[MeasureRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckRecord:
    """One check that needs no reference, on one output.

    Attributes:
        bitwise: Whether the two sides were equal to the last bit.
        errors: How far apart they were.
        skipped: Why it binds nothing, empty when it does.
        usage: Share of the noise used; None is beyond all measure.
    """

    name: str
    output: str
    bitwise: bool
    errors: ErrorRecord
    skipped: str
    usage: Finite | None
    passed: bool


@dataclass(frozen=True, kw_only=True)
class CandidateRecord:
    """One graph or engine of one part.

    Attributes:
        name: The variant, or the file's name.
        precision: What it computes in.
        file: Its name.
        passed: None where it did not run.
        skipped: Why it did not run, empty when it did.
        describe: What really ran; empty when nothing did.
    """

    name: str
    part: str
    precision: str
    file: str
    passed: bool | None
    skipped: str
    describe: Mapping[str, str]
    outputs: tuple[OutputRecord, ...]
    checks: tuple[CheckRecord, ...]


@dataclass(frozen=True, kw_only=True)
class PartComparison:
    """One part of the model: what it was compared on, and every candidate.

    Attributes:
        coverage: What the cases reached, and what they did not.
    """

    cases: tuple[CaseRecord, ...]
    candidates: tuple[CandidateRecord, ...]
    coverage: tuple[CoverageRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ParityRule:
    """What was allowed: multiples of PyTorch's own error, or an explicit tolerance.

    Attributes:
        rms, max, loud: Factors on the errors of PyTorch; `loud` on cases that amplify rounding.
        floor_ulps: The least that is allowed.
        absolute, relative: The tolerance that replaced them; None where it did not.
    """

    rms: Finite | None = None
    max: Finite | None = None
    loud: Finite | None = None
    floor_ulps: Finite | None = None
    absolute: Finite | None = None
    relative: Finite | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless all of the one kind are given and none of the other."""
        derived = [self.rms, self.max, self.loud, self.floor_ulps]
        given = [self.absolute, self.relative]
        whole, empty = (derived, given) if self.absolute is None else (given, derived)
        if None in whole or any(value is not None for value in empty):
            raise ValueError("A rule has four factors, or an absolute and a relative tolerance")


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Where a failed candidate leaves the budget, on its worst case.

    Attributes:
        candidate, part: Which failed.
        stage: "graph" when the graph means something else, "kernels" or "runtime optimizer" when
            only the runtime computes something else, else who is in doubt.
        compared: Tensors that both graphs name.
        usage: Share of the budget used by the first tensor beyond it; None where there is none,
            or it is beyond all measure.
        before: The last good tensor.
        tensor, node, module, rewrite: The first bad one, what makes it, its place in the model,
            the rewrite behind it; None where no tensor can be named.
        hint: What to do where no tensor can be named.
    """

    candidate: str
    part: str
    stage: str
    compared: int
    usage: Finite | None
    before: str | None = None
    tensor: str | None = None
    node: str | None = None
    module: str | None = None
    rewrite: str | None = None
    hint: str | None = None


@dataclass(frozen=True, kw_only=True)
class ParityResult(Record):
    """A whole comparison, as `parity/parity.json` holds it.

    Attributes:
        passed: Whether something was compared, and nothing failed.
        reference: In words.
        rule: What was allowed.
        edges: Of the histograms: decades of the error over the values' rms.
        parts: By name.
        generation: None where the model generates no text, or none was asked for.
        bisect: Where each failed graph departs.
        notes: What a reader must know.

    Examples:
        >>> from pipeline import ParityOptions, ParityRecord, compare_parity
        >>> made = compare_parity(ParityOptions("model.onnx", ("fused.onnx",), seeds=1))
        >>> ParityRecord.of(made).result.parts["model"].candidates[0].passed
        True
    """

    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "parity"

    passed: bool
    reference: str
    rule: ParityRule
    edges: tuple[Finite, ...]
    parts: Mapping[str, PartComparison]
    generation: GenerationResult | None
    bisect: tuple[Departure, ...]
    notes: tuple[str, ...]

    def candidates(self) -> Iterator[CandidateRecord]:
        """Yield the candidates of all parts."""
        for part in self.parts.values():
            yield from part.candidates


@dataclass(frozen=True, kw_only=True)
class CandidateSummary:
    """A candidate's verdict, and the largest share of what was allowed that any output used.

    Attributes:
        why: What failed, in words; empty where the numbers say it all.
        measures: The worst of each measure over its quantised outputs.
    """

    name: str
    part: str
    precision: str
    passed: bool | None
    skipped: str
    usage: Finite | None
    why: str = ""
    measures: tuple[MeasureRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GenerationSummary:
    """A variant's verdict on generated texts."""

    name: str
    passed: bool | None
    skipped: str
    texts: int
    equal: int
    near_ties: int


@dataclass(frozen=True, kw_only=True)
class ParityRecord(Record):
    """The facts of the stage `parity`: what a reader needs first.

    Attributes:
        file: Where the whole result lies; None for a comparison of files.
        coverage: Part -> what its cases reached.
        result: The whole result of a comparison of files; None in a folder.

    Examples:
        >>> from pipeline import ParityOptions, ParityRecord, compare_parity
        >>> made = compare_parity(ParityOptions("model.onnx", ("fused.onnx",), seeds=1))
        >>> [(one.name, one.passed) for one in ParityRecord.of(made).candidates]
        [('fused.onnx', True)]
    """

    FORMAT: ClassVar[int] = 2
    COMMAND: ClassVar[str] = "parity"

    file: Place | None = None
    passed: bool
    reference: str
    candidates: tuple[CandidateSummary, ...]
    generation: tuple[GenerationSummary, ...]
    bisect: tuple[Departure, ...]
    notes: tuple[str, ...]
    coverage: Mapping[str, tuple[CoverageRecord, ...]] = field(default_factory=dict)
    result: ParityResult | None = None
