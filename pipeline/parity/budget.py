"""The error a candidate may make: a small multiple of the error PyTorch itself makes.

For one output, with `noise` the error of PyTorch in the candidate's precision against PyTorch in
float64 and `size` the magnitude of the values:

    allowed rms       2 x max(noise on this case, noise over all cases), at least 4 ulp of size
    allowed quantile  the same with the 99.9 % quantiles
    allowed max       8 x instead of 2 x
    kappa             noise.rms / (ulp x size.rms): how much the model amplifies rounding

A single case can be lucky (a classifier's two logits may come out exactly), hence the noise over
all cases. The rms of n heavy-tailed errors is itself uncertain by a few over the root of n: the
factor 2 is widened by 1 + 4 / sqrt(n), twice at 16 elements. Elements of a row err together, so
that it may be few rows (positions of a text) that average out: if that is more, it is widened by
1 + 3 / sqrt(r) for the r rows that share the noise, up to the factor 8 for a single one.
Below 1000 elements the quantile is the maximum and held to the maximum's factor.
Loud cases (large inputs) amplify rounding so far that one number decides all of the error, and
two right roundings differ as two draws do: they are there to find overflow, and get a factor 32.
An absolute tolerance replaces all of it, and only when it is given explicitly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pipeline.accuracy import Budget, Errors, share

RMS_FACTOR = 2.0
MAX_FACTOR = 8.0
FLOOR_ULPS = 4.0
SMALL_SAMPLE = 4.0
FEW_ROWS = 3.0
LOUD_FACTOR = 32.0
QUANTILE_COUNT = 1000
ULP: dict[str, float] = {"fp32": 2.0**-23, "fp16": 2.0**-10, "bf16": 2.0**-7}
"""Distance of 1.0 to the next number."""


def budget_for(
    noise: Errors,
    pooled: Errors,
    size: Errors,
    ulp: float,
    *,
    loud: bool = False,
    unit: float = 0.0,
) -> Budget:
    """Return what is allowed.

    Args:
        noise: Error of PyTorch on this case, absolute.
        pooled: Its error over all cases, divided by the rms of the values of each.
        size: Magnitude of the reference values of this case.
        ulp: Spacing of the precision at 1.0.
        loud: The case amplifies rounding.
        unit: What the kernel that makes the values is exact to a few ulps of, however small they
            are: 1 for a sigmoid.
    """
    shared = pooled.scaled(size.rms)
    rows = max(1.0, (noise if noise.count else pooled).rows)
    widened = 1 + max(SMALL_SAMPLE / math.sqrt(max(1, size.count)), FEW_ROWS / math.sqrt(rows))
    factor = LOUD_FACTOR if loud else RMS_FACTOR * widened
    most = LOUD_FACTOR if loud else MAX_FACTOR
    largest = max(most * max(noise.max, shared.max), FLOOR_ULPS * ulp * max(size.max, unit))
    quantile = max(
        factor * max(noise.quantile, shared.quantile), FLOOR_ULPS * ulp * max(size.quantile, unit)
    )
    return Budget(
        max(factor * max(noise.rms, shared.rms), FLOOR_ULPS * ulp * max(size.rms, unit)),
        quantile if size.count >= QUANTILE_COUNT else largest,
        largest,
    )


def pool(noises: Iterable[tuple[Errors, Errors]]) -> Errors:
    """Return the noise over all cases in units of each case's rms value.

    Args:
        noises: Pairs (noise, size), one per case.
    """
    relative = [noise.scaled(1 / size.rms) for noise, size in noises if size.rms > 0]
    count = sum(errors.count for errors in relative)
    if not count:
        return Errors()
    squares = sum(errors.count * errors.rms**2 for errors in relative)
    return Errors(
        count,
        (squares / count) ** 0.5,
        max(errors.quantile for errors in relative),
        max(errors.max for errors in relative),
        sum(errors.bad for errors in relative),
        min(errors.rows for errors in relative),
    )


def kappa(pooled: Errors, ulp: float) -> float:
    """Return PyTorch's own error in ulps of the values: the model's amplification of rounding."""
    return pooled.rms / ulp


def within_tolerance(errors: Errors, size: Errors, absolute: float, relative: float) -> float:
    """Return the share of an explicit tolerance used by the largest error."""
    if errors.bad:
        return float("inf")
    return share(errors.max, absolute + relative * size.max)
