"""The error a candidate may make: a small multiple of the error PyTorch itself makes.

For one output, with `noise` the error of PyTorch in the candidate's precision against PyTorch in
float64 and `size` the magnitude of the values:

    allowed rms       2 x max(noise on this case, noise over all cases), at least 4 ulp of size
    allowed quantile  the same with the 99.9 % quantiles
    allowed max       8 x instead of 2 x
    kappa             noise.rms / (ulp x size.rms): how much the model amplifies rounding

A single case can be lucky (a classifier's two logits may come out exactly), hence the noise over
all cases. The rms of n heavy-tailed errors is itself uncertain by a few over the root of n, so
the factor 2 is widened by 1 + 4 / sqrt(n): twice at 16 elements, one part in a hundred at 160000.
Where a few rows (positions of a text) have most of the noise, it is rows that would have to
average out: the factor is widened by three standard errors of the mean over rows instead, if that
is more, which is the factor of the maximum at most. Rows that err alike widen nothing.
Below 1000 elements the quantile is the maximum and held to the maximum's factor.
An absolute tolerance replaces all of it, and only when it is given explicitly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pipeline.parity.measure import Errors
from pipeline.types import Json

RMS_FACTOR = 2.0
MAX_FACTOR = 8.0
FLOOR_ULPS = 4.0
SMALL_SAMPLE = 4.0
STANDARD_ERRORS = 3.0
QUANTILE_COUNT = 1000
ULP: dict[str, float] = {"fp32": 2.0**-23, "fp16": 2.0**-10, "bf16": 2.0**-7}
"""Distance of 1.0 to the next number."""


@dataclass(frozen=True)
class Budget:
    """The largest errors allowed on one output of one case."""

    rms: float
    quantile: float
    max: float

    def to_json(self) -> dict[str, Json]:
        """Return the fields by name."""
        return dict(asdict(self))


def budget_for(noise: Errors, pooled: Errors, size: Errors, ulp: float) -> Budget:
    """Return what is allowed.

    Args:
        noise: Error of PyTorch on this case, absolute.
        pooled: Its error over all cases, divided by the rms of the values of each.
        size: Magnitude of the reference values of this case.
        ulp: Spacing of the precision at 1.0.
    """
    shared = pooled.scaled(size.rms)
    uneven = STANDARD_ERRORS * (noise if noise.count else pooled).unevenness
    factor = RMS_FACTOR * (1 + max(SMALL_SAMPLE / math.sqrt(max(1, size.count)), uneven))
    largest = max(MAX_FACTOR * max(noise.max, shared.max), FLOOR_ULPS * ulp * size.max)
    quantile = max(factor * max(noise.quantile, shared.quantile), FLOOR_ULPS * ulp * size.quantile)
    return Budget(
        max(factor * max(noise.rms, shared.rms), FLOOR_ULPS * ulp * size.rms),
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
        max(errors.unevenness for errors in relative),
    )


def kappa(pooled: Errors, ulp: float) -> float:
    """Return PyTorch's own error in ulps of the values: the model's amplification of rounding."""
    return pooled.rms / ulp


def usage(errors: Errors, allowed: Budget) -> float:
    """Return the largest share of the budget used, 1.0 being all of it; infinite when lost."""
    if errors.bad:
        return float("inf")
    pairs = (
        (errors.rms, allowed.rms),
        (errors.quantile, allowed.quantile),
        (errors.max, allowed.max),
    )
    return max(_share(got, limit) for got, limit in pairs)


def within_tolerance(errors: Errors, size: Errors, absolute: float, relative: float) -> float:
    """Return the share of an explicit tolerance used by the largest error."""
    if errors.bad:
        return float("inf")
    return _share(errors.max, absolute + relative * size.max)


def _share(got: float, limit: float) -> float:
    if got == 0.0:
        return 0.0
    return got / limit if limit > 0 else float("inf")
