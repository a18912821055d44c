"""Runs reference, PyTorch's own rounding and the candidates on the same cases.

Everything runs one after the other and is closed before the next opens, so that at most one
copy of the weights is in memory; what stays are the reference's outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.accuracy import Budget, Errors, compare, magnitude, measured, share, usage
from pipeline.errors import BadModelError, PipelineError
from pipeline.parity.budget import ULP, budget_for, kappa, pool, within_tolerance
from pipeline.parity.limits import Limits, judged, limits_for
from pipeline.parity.results import Case, OutputResult, histogram
from pipeline.parity.ways import FORMATS
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
        known: Output -> elements whose reference is finite, and all elements, over all cases.
        kept: Output -> the values themselves and the reference's, on the ordinary cases.
    """

    errors: dict[str, list[Errors]] = field(default_factory=dict)
    sizes: dict[str, list[Errors]] = field(default_factory=dict)
    histograms: dict[str, np.ndarray] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    dtypes: dict[str, np.dtype] = field(default_factory=dict)
    known: dict[str, tuple[int, int]] = field(default_factory=dict)
    kept: dict[str, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)


def run_cases(runner: Runner, cases: Sequence[Case]) -> list[dict[str, np.ndarray]]:
    """Return the outputs on every case."""
    return [runner.run(case.feeds) for case in cases]


def measure(
    runner: Runner,
    cases: Sequence[Case],
    references: Sequence[Arrays],
    keep: Collection[str] = (),
) -> Measured:
    """Return the errors of a runner against the reference's outputs.

    Args:
        runner: What is measured.
        cases: What it is run on.
        references: The reference's outputs on each.
        keep: Outputs whose values are kept.

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
            value = given.get(name)
            if name not in keep or case.style in EXTREME or value is None:
                continue
            if value.shape == wanted.shape:
                found.kept.setdefault(name, []).append((value, wanted))
    return found


def _add(
    found: Measured, name: str, given: np.ndarray | None, wanted: np.ndarray, case: Case
) -> None:
    size = magnitude(wanted)
    found.sizes.setdefault(name, []).append(size)
    finite, every = found.known.get(name, (0, 0))
    found.known[name] = finite + size.count, every + wanted.size
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


@dataclass(frozen=True)
class Allowed:
    """What outputs are held to.

    Attributes:
        precisions: Of each output.
        noises: Precision -> PyTorch's errors in it; where one is missing only the floor of a few
            ulps is allowed.
        tolerance: Replaces the budget when given.
        limits: What the user allows quantised outputs to lose.
        units: Of outputs whose kernel errs by ulps of something larger than the values.
    """

    precisions: Mapping[str, str]
    noises: Mapping[str, Measured] = field(default_factory=dict)
    tolerance: Tolerance | None = None
    limits: Limits = field(default_factory=Limits)
    units: Mapping[str, float] = field(default_factory=dict)


def judge_outputs(
    candidate: Measured, cases: Sequence[Case], allowed: Allowed
) -> tuple[OutputResult, ...]:
    """Return the verdict on each output.

    Args:
        candidate: Its errors.
        cases: The cases it ran.
        allowed: What each output is held to.
    """
    found = []
    for name in candidate.errors:
        precision = allowed.precisions.get(name, "fp32")
        if precision in FORMATS and allowed.tolerance is None:
            found.append(_lossy(name, candidate, cases, precision, allowed.limits))
        else:
            noise = allowed.noises.get(precision)
            found.append(_judge(name, candidate, noise, cases, precision, allowed))
    return tuple(found)


def _lossy(
    name: str, candidate: Measured, cases: Sequence[Case], precision: str, limits: Limits
) -> OutputResult:
    """Return the verdict on a quantised output: what it loses against the reference."""
    sizes, errors = candidate.sizes[name], candidate.errors[name]
    kept = candidate.kept.get(name, [])
    measures = judged(
        name, [g for g, _ in kept], [w for _, w in kept], limits_for(precision, limits)
    )
    shares = [
        usage(_excused(got, Errors(), case, precision), Budget(math.inf, math.inf, math.inf))
        for got, case in zip(errors, cases, strict=True)
    ]
    drops = [share(got.rms, size.rms) for got, size in zip(errors, sizes, strict=True)]
    worst = int(np.argmax(np.maximum(shares, drops)))
    return OutputResult(
        output=name,
        usage=max([shares[worst], *(m.usage for m in measures)]),
        worst_case=cases[worst].name,
        errors=_pools(errors, sizes, cases)[False],
        noise=None,
        kappa=None,
        histogram=_counts(candidate, name),
        problem=candidate.problems.get(name, "") or _unknown(candidate, name),
        precision=precision,
        measures=measures,
    )


def _unknown(candidate: Measured, name: str) -> str:
    """Return that there is nothing to compare with, empty where there is."""
    finite, every = candidate.known[name]
    if finite or not every:
        return ""
    return (
        f"nothing finite is left to compare: none of the {every} values of the reference is a "
        "finite number; look for NaN or infinity in the weights"
    )


def _judge(
    name: str,
    candidate: Measured,
    noise: Measured | None,
    cases: Sequence[Case],
    precision: str,
    allowed: Allowed,
) -> OutputResult:
    tolerance, unit = allowed.tolerance, allowed.units.get(name, 0.0)
    ulp = ULP.get(precision, ULP["fp32"])
    sizes, errors = candidate.sizes[name], candidate.errors[name]
    noises = [Errors()] * len(errors) if noise is None else noise.errors[name]
    pools = _pools(noises, sizes, cases)
    shares = [
        usage(
            _excused(got, own, case, precision),
            budget_for(case.apart(own), pools[_loud(case)], size, ulp, loud=_loud(case), unit=unit),
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
        problem=candidate.problems.get(name, "") or _unknown(candidate, name),
        precision=precision,
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
