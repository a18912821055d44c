"""How far an array is from its float64 reference, and whether that is within a budget.

Parity and a bundle on another machine measure with these very functions. Needs numpy alone.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.types import Json

QUANTILE = 0.999


@dataclass(frozen=True)
class Errors:
    """Absolute errors of one array, over the elements whose reference is finite.

    Attributes:
        count: Elements compared.
        rms: Root mean square error.
        quantile: The 99.9 % quantile, an element of the sample (never interpolated).
        max: Largest error.
        bad: Elements that are NaN or infinite where the reference is finite, or whose infinity
            differs from the reference's. A NaN in the reference binds nothing.
        rows: Rows along the last axis that share the error: all of them where they err alike, 1
            where one has it all; infinite without an error.
    """

    count: int = 0
    rms: float = 0.0
    quantile: float = 0.0
    max: float = 0.0
    bad: int = 0
    rows: float = math.inf

    def scaled(self, factor: float) -> Errors:
        """Return the same errors in another unit."""
        return replace(
            self,
            rms=self.rms * factor,
            quantile=self.quantile * factor,
            max=self.max * factor,
        )

    def to_json(self) -> dict[str, Json]:
        """Return the fields by name."""
        return asdict(self) | {"rows": None if math.isinf(self.rows) else self.rows}


@dataclass(frozen=True)
class Budget:
    """The largest errors allowed on one output of one case."""

    rms: float
    quantile: float
    max: float

    def to_json(self) -> dict[str, Json]:
        """Return the fields by name."""
        return dict(asdict(self))


def usage(errors: Errors, allowed: Budget) -> float:
    """Return the largest share of the budget used, 1.0 being all of it; infinite when lost."""
    if errors.bad:
        return math.inf
    pairs = (
        (errors.rms, allowed.rms),
        (errors.quantile, allowed.quantile),
        (errors.max, allowed.max),
    )
    return max(share(got, limit) for got, limit in pairs)


def share(got: float, limit: float) -> float:
    """Return an error over what is allowed; nothing is 0 of anything, something infinite of 0."""
    if got == 0.0:
        return 0.0
    return got / limit if limit > 0 else math.inf


def spread(values: np.ndarray) -> Errors:
    """Return rms, quantile and maximum of magnitudes; used for errors and for reference values."""
    if values.size == 0:
        return Errors()
    values = np.abs(values.astype(np.float64, copy=False)).ravel()
    top = float(values.max())
    # Squares of tiny or huge values leave float64's range unless scaled first.
    rms = top * float(np.sqrt(np.mean((values / top) ** 2))) if top > 0 else 0.0
    index = min(values.size - 1, int(np.ceil(QUANTILE * values.size)) - 1)
    return Errors(values.size, rms, float(np.partition(values, index)[index]), top)


def measured(candidate: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, Errors]:
    """Return the absolute errors where both are finite, flat, and what they come to.

    Args:
        candidate: Any real dtype, bfloat16 included.
        reference: float64 (or integer), same shape.
    """
    given = candidate.astype(np.float64)
    wanted = reference.astype(np.float64)
    finite = np.isfinite(wanted)
    good = finite & np.isfinite(given)
    lost = int(np.count_nonzero(finite & ~np.isfinite(given)))
    infinite = np.isinf(wanted)
    lost += int(np.count_nonzero(infinite & ~_as_infinite(given, wanted, candidate.dtype)))
    errors = np.zeros_like(wanted)
    np.subtract(given, wanted, out=errors, where=good)
    errors = np.abs(errors)
    flat = errors[good]
    return flat, replace(spread(flat), bad=lost, rows=sharing_rows(errors))


def compare(candidate: np.ndarray | None, reference: np.ndarray) -> Errors:
    """Return the errors of a candidate array against its reference.

    Args:
        candidate: Any real dtype; None where there is none. One of another shape is lost whole.
        reference: float64 (or integer).
    """
    if candidate is None or candidate.shape != reference.shape:
        return Errors(count=reference.size, bad=reference.size)
    return measured(candidate, reference)[1]


def sharing_rows(errors: np.ndarray) -> float:
    """Return how many rows share the squared error: (sum of r)^2 / sum of r^2 (see Errors).

    Elements of a row err together, so that it is rows that average out, each by its share.
    """
    top = float(errors.max()) if errors.ndim > 1 and errors.size else 0.0
    if top == 0.0:
        return math.inf
    rows = np.square(errors / top).sum(axis=-1)
    return float(rows.sum() ** 2 / np.square(rows).sum())


def magnitude(reference: np.ndarray) -> Errors:
    """Return rms, quantile and maximum of the finite reference values."""
    values = reference.astype(np.float64)
    return spread(values[np.isfinite(values)])


def _as_infinite(given: np.ndarray, wanted: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A mask value may be the type's lowest number instead of minus infinity: same meaning."""
    if not np.issubdtype(dtype, np.floating):
        lowest = np.inf
    else:
        lowest = float(np.finfo(dtype).max) / 4
    same: np.ndarray = (np.sign(given) == np.sign(wanted)) & (np.abs(given) >= lowest)
    return same
