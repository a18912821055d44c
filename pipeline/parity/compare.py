"""Runs reference, PyTorch's own rounding and the candidates on the same cases.

Everything runs one after the other and is closed before the next opens, so that at most one
copy of the weights is in memory; what stays are the reference's outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.accuracy import Errors, compare, magnitude, measured, usage
from pipeline.errors import BadModelError, PipelineError
from pipeline.parity.budget import ULP, budget_for, kappa, pool, within_tolerance
from pipeline.parity.results import Case, OutputResult, histogram
from pipeline.stages.runners.base import Runner

AMPLIFYING = ("large",)
EXTREME = ("large", "holes", "masked-rows")
Arrays = Mapping[str, np.ndarray]
Open = Callable[[], Runner]


@dataclass(frozen=True)
class Tolerance:
    """An explicit tolerance that replaces the budget."""

    absolute: float = 0.0
    relative: float = 0.0


@dataclass
class Measured:
    """Errors of one runner: output -> one entry per case.

    Attributes:
        sizes: Magnitude of the reference on the same cases.
        histograms: Output -> counts over all cases.
        problems: Output -> the first thing that made values incomparable.
        dtypes: Output -> its type.
    """

    errors: dict[str, list[Errors]] = field(default_factory=dict)
    sizes: dict[str, list[Errors]] = field(default_factory=dict)
    histograms: dict[str, np.ndarray] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    dtypes: dict[str, np.dtype] = field(default_factory=dict)


def run_cases(runner: Runner, cases: Sequence[Case]) -> list[dict[str, np.ndarray]]:
    """Return the outputs on every case."""
    return [runner.run(case.feeds) for case in cases]


def measure(runner: Runner, cases: Sequence[Case], references: Sequence[Arrays]) -> Measured:
    """Return the errors of a runner against the reference's outputs.

    A case the runtime fails on is a problem of every output, not an error of ours: the reference
    has computed it.
    """
    found = Measured()
    for case, reference in zip(cases, references, strict=True):
        given: Arrays = {}
        try:
            given = runner.run(case.feeds)
        except BadModelError as err:
            for name in reference:
                found.problems.setdefault(name, f"{err.what} (case {case.name})")
        for name, wanted in reference.items():
            _add(found, name, given.get(name), wanted, case)
    return found


def _add(
    found: Measured, name: str, given: np.ndarray | None, wanted: np.ndarray, case: Case
) -> None:
    size = magnitude(wanted)
    found.sizes.setdefault(name, []).append(size)
    errors = found.errors.setdefault(name, [])
    if given is None or given.shape != wanted.shape:
        shape = "nothing" if given is None else f"shape {list(given.shape)}"
        found.problems.setdefault(
            name, f"{shape} instead of shape {list(wanted.shape)} on case {case.name}"
        )
        errors.append(compare(given, wanted))
        return
    found.dtypes[name] = given.dtype
    raw, seen = measured(given, wanted)
    errors.append(seen)
    if _loud(case):
        return
    counts = histogram(raw, size.rms)
    found.histograms[name] = found.histograms.get(name, np.zeros_like(counts)) + counts


def judge_outputs(
    candidate: Measured,
    noise: Measured | None,
    cases: Sequence[Case],
    precision: str,
    tolerance: Tolerance | None,
) -> tuple[OutputResult, ...]:
    """Return the verdict on each output.

    Args:
        candidate: Its errors.
        noise: PyTorch's errors in the candidate's precision; None where there is none, then
            only the floor of a few ulps is allowed.
        cases: The cases both ran.
        precision: Of the candidate; decides the ulp.
        tolerance: Replaces the budget when given.
    """
    return tuple(
        _judge(name, candidate, noise, cases, precision, tolerance) for name in candidate.errors
    )


def _judge(
    name: str,
    candidate: Measured,
    noise: Measured | None,
    cases: Sequence[Case],
    precision: str,
    tolerance: Tolerance | None,
) -> OutputResult:
    ulp = ULP.get(precision, ULP["fp32"])
    sizes, errors = candidate.sizes[name], candidate.errors[name]
    noises = [Errors()] * len(errors) if noise is None else noise.errors[name]
    pools = _pools(noises, sizes, cases)
    shares = [
        usage(
            _excused(got, own, case, precision),
            budget_for(own, pools[_loud(case)], size, ulp, loud=_loud(case)),
        )
        if tolerance is None
        else within_tolerance(got, size, tolerance.absolute, tolerance.relative)
        for got, own, size, case in zip(errors, noises, sizes, cases, strict=True)
    ]
    worst = int(np.argmax(shares))
    return OutputResult(
        output=name,
        usage=shares[worst],
        worst_case=cases[worst].name,
        errors=_pools(errors, sizes, cases)[False],
        noise=None if noise is None else pools[False],
        kappa=None if noise is None else kappa(pools[False], ulp),
        histogram=_counts(candidate, name),
        noise_histogram=() if noise is None else _counts(noise, name),
        problem=candidate.problems.get(name, ""),
    )


def _pools(
    errors: Sequence[Errors], sizes: Sequence[Errors], cases: Sequence[Case]
) -> dict[bool, Errors]:
    """Return the errors over ordinary cases (False) and over amplifying ones (True).

    Large inputs amplify rounding by orders of magnitude: their noise must not excuse the rest.
    """
    entries = list(zip(errors, sizes, cases, strict=True))
    return {
        loud: pool((error, size) for error, size, case in entries if _loud(case) is loud)
        for loud in (False, True)
    }


def _loud(case: Case) -> bool:
    return case.style in AMPLIFYING


def _counts(measured: Measured, name: str) -> tuple[int, ...]:
    return tuple(map(int, measured.histograms.get(name, ())))


def _excused(got: Errors, own: Errors, case: Case, precision: str) -> Errors:
    """Return the errors without the elements that PyTorch loses as well.

    Extreme inputs leave the range of float32; then there is no value to be close to. An ordinary
    input that overflows in 16 bits is no excuse: that precision does not fit the model.
    """
    if got.bad and got.bad <= own.bad and (precision == "fp32" or case.style in EXTREME):
        return replace(got, bad=0)
    return got


def check_types(
    measured: Measured, declared: Mapping[str, np.dtype], allowed: Sequence[np.dtype]
) -> None:
    """Note as a problem each output whose type is neither the reference's nor an allowed one.

    Args:
        measured: Changed in place.
        declared: The reference graph's own output types.
        allowed: Further floating types: the precision the candidate promises.
    """
    for name, dtype in measured.dtypes.items():
        wanted = declared.get(name, dtype)
        if dtype != wanted and dtype not in allowed:
            measured.problems.setdefault(name, f"type {dtype} instead of {wanted}")


def attempt(opened: Open) -> tuple[Runner | None, str]:
    """Return the runner, or None and why this environment cannot run it."""
    try:
        return opened(), ""
    except PipelineError as err:
        if err.exit_code == 3:
            return None, f"{err.what} {err.fix}".strip()
        raise
