"""What a comparison found, as frozen data; verdicts are read off it, formatting is elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.accuracy import Errors
from pipeline.parity.measures import Measure
from pipeline.parity.metamorphic import Check
from pipeline.records.coverage import CaseRecord
from pipeline.records.parity import (
    CandidateRecord,
    CheckRecord,
    ErrorRecord,
    MeasureRecord,
    OutputRecord,
)

EDGES = np.linspace(-12.0, 2.0, 57)
"""Edges of the error histograms: decades of the error over the rms of the values, in quarters."""


@dataclass(frozen=True)
class Case:
    """One set of inputs.

    Attributes:
        name: Unique within a part.
        style: How inputs were made: a style of `pipeline.inputs`, or "text".
        sizes: The dynamic sizes.
        feeds: The inputs; floats are exact in every precision compared.
        traced: Whether these sizes are the ones the exporter saw.
        hidden: Mask -> the rows of its batch in which it hides every position.
    """

    name: str
    style: str
    sizes: Mapping[str, int]
    feeds: Mapping[str, np.ndarray] = field(repr=False)
    seed: int = 0
    traced: bool = False
    hidden: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def apart(self, own: Errors) -> Errors:
        """Return PyTorch's error on this case with only those rows that are draws of their own.

        Positions of one long text sum over the same keys and share what that sum rounds: in a
        walk through a table only texts are independent of each other.
        """
        if self.style != "rows":
            return own
        texts = max((array.shape[0] for array in self.feeds.values() if array.ndim), default=1)
        return replace(own, rows=min(own.rows, texts))


@dataclass(frozen=True)
class OutputResult:
    """One output of one candidate, over all cases.

    Attributes:
        usage: Largest share of the budget used in any case; 1.0 is all of it.
        worst_case: Where.
        errors: The candidate's error over all cases, in units of each case's rms value.
        noise: PyTorch's own error in the same precision and units; None without a reference of
            that precision.
        kappa: `noise` in ulps: how much the model amplifies rounding.
        histogram, noise_histogram: Counts of elements between EDGES, exact zeros left out.
        problem: In words, when values could not even be compared.
        precision: What it was held to.
        exempt: Elements that bind nothing: they belong to a row whose mask hides everything.
        measures: What a quantised output is held to in place of the budget.
    """

    output: str
    usage: float
    worst_case: str
    errors: Errors
    noise: Errors | None
    kappa: float | None
    histogram: tuple[int, ...] = ()
    noise_histogram: tuple[int, ...] = ()
    problem: str = ""
    precision: str = ""
    exempt: int = 0
    measures: tuple[Measure, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every case stayed within its budget."""
        within = self.usage <= 1.0 and all(measure.passed for measure in self.measures)
        return not self.problem and within

    def record(self) -> OutputRecord:
        """Return the fields and the verdict."""
        return OutputRecord(
            output=self.output,
            passed=self.passed,
            usage=finite(self.usage),
            worst_case=self.worst_case,
            errors=error_record(self.errors),
            noise=None if self.noise is None else error_record(self.noise),
            kappa=None if self.kappa is None else finite(self.kappa),
            histogram=self.histogram,
            noise_histogram=self.noise_histogram,
            problem=self.problem,
            precision=self.precision,
            exempt=self.exempt,
            measures=tuple(measure_record(measure) for measure in self.measures),
        )


@dataclass(frozen=True)
class CandidateResult:
    """One candidate of one part.

    Attributes:
        describe: What really ran.
        checks: The checks that need no reference, each with the share of the budget it used.
        skipped: Why it was not run, empty when it was.
    """

    name: str
    part: str
    precision: str
    file: str
    describe: Mapping[str, str]
    outputs: tuple[OutputResult, ...]
    checks: tuple[tuple[Check, float], ...] = ()
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether every output and check passed; a candidate that could not run did not fail."""
        return all(o.passed for o in self.outputs) and all(used <= 1.0 for _, used in self.checks)

    def record(self) -> CandidateRecord:
        """Return the fields and the verdict."""
        return CandidateRecord(
            name=self.name,
            part=self.part,
            precision=self.precision,
            file=self.file,
            passed=None if self.skipped else self.passed,
            skipped=self.skipped,
            describe=self.describe,
            outputs=tuple(output.record() for output in self.outputs),
            checks=tuple(_check(check, used) for check, used in self.checks),
        )


def measure_record(measure: Measure) -> MeasureRecord:
    """Return a measure with None for what is not finite."""
    return MeasureRecord(
        name=measure.name,
        value=finite(measure.value),
        low=finite(measure.low),
        high=finite(measure.high),
        limit=measure.limit,
        passed=measure.passed,
    )


def _check(check: Check, used: float) -> CheckRecord:
    return CheckRecord(
        name=check.name,
        output=check.output,
        bitwise=check.bitwise,
        errors=error_record(check.errors),
        skipped=check.skipped,
        usage=finite(used),
        passed=used <= 1.0,
    )


def case_record(case: Case) -> CaseRecord:
    """Return what the report says of a case: everything but the inputs themselves."""
    return CaseRecord(
        name=case.name, style=case.style, seed=case.seed, sizes=case.sizes, traced=case.traced
    )


def error_record(errors: Errors) -> ErrorRecord:
    """Return errors with None for what is not finite: JSON has no other number for it."""
    return ErrorRecord(
        count=errors.count,
        rms=finite(errors.rms),
        quantile=finite(errors.quantile),
        max=finite(errors.max),
        bad=errors.bad,
        rows=finite(errors.rows),
    )


def histogram(errors: np.ndarray, unit: float) -> np.ndarray:
    """Return counts of errors between EDGES, in units of `unit`; zeros are left out."""
    seen = errors[errors > 0]
    if not seen.size or unit <= 0:
        return np.zeros(EDGES.size - 1, np.int64)
    decades = np.clip(np.log10(seen) - np.log10(unit), EDGES[0], EDGES[-1])
    return np.histogram(decades, EDGES)[0]


def finite(value: float) -> float | None:
    """Return the number, None where it is infinite or none."""
    return value if math.isfinite(value) else None
