"""Weights rounded to integers: the codes, their scales, and the numbers they stand for.

    w[n, k]  ~  codes[n, k] * scales[n, k // block]

Rounding is to nearest. Codes of four bits and less take the scale, among some that clip the
largest weights of a block, whose squared error is smallest; eight bits never gain by clipping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FACTORS = np.linspace(0.65, 1.0, 8, dtype=np.float32)
BLOCKS = (128, 64, 32, 16)


@dataclass(frozen=True, eq=False)
class Codes:
    """A rounded matrix.

    Attributes:
        codes: int8 [N, K], of which `bits` are used.
        scales: float32 [N, K / block].
        bits: 8 or 4.
        block: How many weights along K share a scale; K where a whole row does.
    """

    codes: np.ndarray
    scales: np.ndarray
    bits: int
    block: int

    def widened(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Return the rows `first` to `last` as the float64 numbers [rows, K] they stand for."""
        scales = self.scales[first:last].astype(np.float64)
        return self.codes[first:last] * scales.repeat(self.block, axis=1)


def block_for(inner: int, wanted: int) -> int | None:
    """Return the largest block up to `wanted` that divides K, None where none of 16 up does."""
    return next((size for size in BLOCKS if size <= wanted and inner % size == 0), None)


def round_weights(weights: np.ndarray, bits: int, block: int, *, signed_scales: bool) -> Codes:
    """Return the weights [N, K] rounded to nearest, with a scale for each block along K.

    Args:
        weights: float32.
        bits: 8 or 4.
        block: A divisor of K.
        signed_scales: Whether a scale may be negative, which lets -8, the code that has no
            counterpart, stand for the largest weight whatever its sign.
    """
    rows, inner = weights.shape
    grouped = np.ascontiguousarray(weights, dtype=np.float32).reshape(-1, block)
    if bits == 8:
        scales = _positive(np.abs(grouped).max(axis=1) / np.float32(127))
        codes = _rounded(grouped, scales, -127, 127)
    else:
        scales = searched_scales(grouped, 2 ** (bits - 1), signed_scales)
        codes = _rounded(grouped, scales, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Codes(codes.reshape(rows, inner), scales.reshape(rows, inner // block), bits, block)


def relative_error(weights: np.ndarray, codes: Codes) -> float:
    """Return the root mean square of the rounding errors over that of the weights."""
    size = float(np.square(weights, dtype=np.float64).sum())
    off = sum(
        float(np.square(weights[at : at + 1024] - codes.widened(at, at + 1024)).sum())
        for at in range(0, len(weights), 1024)
    )
    return float(np.sqrt(off / size)) if size else 0.0


def searched_scales(
    grouped: np.ndarray, most: int, signed: bool, importance: np.ndarray | None = None
) -> np.ndarray:
    """Return, per block, the scale whose squared error is smallest among those tried.

    Args:
        grouped: [blocks, block].
        most: Codes go from -most to most - 1.
        signed: Whether a scale may be negative.
        importance: [block], what an error in each place counts; the same where absent.
    """
    places = np.abs(grouped).argmax(axis=1)
    largest = np.take_along_axis(grouped, places[:, None], axis=1)[:, 0]
    bases = [np.abs(largest) / np.float32(most - 1)]
    if signed:
        bases.append(largest / np.float32(-most))
    best = _positive(bases[0])
    least = np.full(len(grouped), np.inf, dtype=np.float32)
    for base in bases:
        for factor in FACTORS:
            scales = _positive(base * factor)
            codes = _rounded(grouped, scales, -most, most - 1).astype(np.float32)
            errors = np.square(grouped - codes * scales[:, None])
            off = errors.sum(axis=1) if importance is None else errors @ importance
            better = off < least
            best, least = np.where(better, scales, best), np.where(better, off, least)
    return best


def _positive(scales: np.ndarray) -> np.ndarray:
    """Return scales without zeros: blocks of zeros stand for zeros under any scale."""
    return np.where(scales == 0, np.float32(1), scales).astype(np.float32)


def _rounded(grouped: np.ndarray, scales: np.ndarray, low: int, high: int) -> np.ndarray:
    whole: np.ndarray = np.rint(grouped / scales[:, None]).clip(low, high).astype(np.int8)
    return whole
