"""Four-bit weights whose rounding errors make up for each other on the inputs they will meet.

Columns of W are rounded one after the other. What a column is off by is weighed against the columns
still to come, so that x W^T changes least over the calibration: with H = sum of x x^T and U the
upper Cholesky factor of its inverse, column k's error over U[k, k] is taken from the others along
U[k, k+1:]. A block's scale is searched when its turn comes, each column weighed by its own H[k, k].

**Source**: Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative
Pre-trained Transformers"; the factor is that of section 3.3, step 3.
"""

from __future__ import annotations

import numpy as np

from pipeline.fusion.linear.codes import Codes, round_weights, searched_scales

BITS, LOWEST, HIGHEST = 4, -8, 7
DAMPING = 0.01  # of the mean of H's diagonal: directions that the calibration hardly showed


def round_compensated(
    weights: np.ndarray, moments: np.ndarray, block: int, *, signed_scales: bool
) -> Codes:
    """Return the weights in codes of 4 bits, with a scale for each block along K.

    Args:
        weights: float32 [N, K].
        moments: H [K, K], over the rows x of a calibration. All zeros leave plain rounding.
        block: A divisor of K.
        signed_scales: As in `round_weights`.
    """
    factor = _factor(moments)
    if factor is None:
        return round_weights(weights, BITS, block, signed_scales=signed_scales)
    rows, inner = weights.shape
    left = np.array(weights, dtype=np.float32)
    codes = np.empty((rows, inner), dtype=np.int8)
    scales = np.empty((rows, inner // block), dtype=np.float32)
    shown = moments.diagonal().astype(np.float32) + np.float32(DAMPING * moments.trace() / inner)
    for number, start in enumerate(range(0, inner, block)):
        stop = start + block
        part, off = left[:, start:stop], np.empty((rows, block), dtype=np.float32)
        scale = searched_scales(
            np.ascontiguousarray(part), -LOWEST, signed_scales, shown[start:stop]
        )
        for column in range(block):
            at = start + column
            whole = np.rint(part[:, column] / scale).clip(LOWEST, HIGHEST)
            codes[:, at] = whole
            off[:, column] = (part[:, column] - whole * scale) / factor[at, at]
            part[:, column + 1 :] -= np.outer(off[:, column], factor[at, at + 1 : stop])
        scales[:, number] = scale
        left[:, stop:] -= off @ factor[start:stop, stop:]
    return Codes(codes, scales, BITS, block)


def _factor(moments: np.ndarray) -> np.ndarray | None:
    """Return U with U^T U the inverse of H, damped; None where H shows nothing."""
    damped = np.array(moments, dtype=np.float64)
    mean = float(damped.trace()) / len(damped)
    if not np.isfinite(damped).all() or mean <= 0:
        return None
    damped[np.diag_indices_from(damped)] += DAMPING * mean
    lower = np.linalg.cholesky(np.linalg.inv(damped))
    return np.asarray(lower.T, dtype=np.float32)
