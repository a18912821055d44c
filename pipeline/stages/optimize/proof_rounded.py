"""Proving that a runtime computes what a rounded product means.

The reference is x W^T + b in float64, W being the numbers that the codes stand for. It is made from
the codes alone, by none of the operators that were written.

1. The codes stand for the weights: their error is at most `WORST_WEIGHTS` of them.
2. On a grid. x consists of whole multiples of a power of two, and each block of it (or the tensor)
   holds the two ends of the range, so that rounding x to 8 bits changes nothing: the result must be
   exact up to float32's own sums. Some rows push one column to its extremes, where a kernel that
   adds in too few bits saturates.
3. Off the grid. The result may be off by no more than rounding x can move it: for each output, the
   sum over K of |w| times half a step of x (a whole step where x has a zero point as well).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from pipeline.fusion.linear.codes import relative_error
from pipeline.fusion.linear.forms import Meaning, TableMeaning
from pipeline.graph.rewriting.regions import Region
from pipeline.stages.optimize.candidate import Candidate
from pipeline.stages.optimize.proof import Certificate

WORST_WEIGHTS = {8: 0.05, 4: 0.35}
ROWS = (1, 2, 19)  # kernels differ by the number of rows
COLUMNS = 2048  # of the reference held at a time
ULP = 2.0**-24
GRID, RANGES = "inputs on the grid of 8 bits", "made-up ranges"


def prove_rounded(region: Region, meaning: Meaning | TableMeaning) -> Certificate:
    """Return the certificate of a rounded site: what was compared, and the first difference."""
    runner = Candidate(region.after)
    if runner.failure:
        return _certificate(region, runner, 0, (0.0, 0.0), runner.failure)
    lost = relative_error(_original(meaning), meaning.codes)
    if lost > WORST_WEIGHTS[meaning.codes.bits]:
        said = f"the codes are {lost:.2g} of the weights off them"
        return _certificate(region, runner, 0, (lost, WORST_WEIGHTS[meaning.codes.bits]), said)
    if isinstance(meaning, TableMeaning):
        return _prove_table(region, runner, meaning)
    if [value.name for value in region.after.graph.inputs] != ["i0"]:
        return _certificate(region, runner, 0, (0.0, 0.0), "it reads something beside x")
    return _prove_product(region, runner, meaning)


def _prove_product(region: Region, runner: Candidate, meaning: Meaning) -> Certificate:
    """Run every set of inputs, then compare all rows at once: the weights are widened once."""
    rank, runs = len(region.shapes[0]), 0
    inputs, slacks, results = [], [], []
    for x, slack in _feeds(meaning):
        try:
            got = runner.run({"i0": x.reshape(*[1] * (rank - 2), *x.shape)})["o0"]
        except Exception as error:  # whatever the runtime says
            return _certificate(region, runner, runs, (0.0, 0.0), f"it fails: {error}"[:300])
        runs += 1
        if got.size != len(x) * meaning.site.columns:
            said = f"it gives {list(got.shape)} for x {list(x.shape)}"
            return _certificate(region, runner, runs, (0.0, 0.0), said)
        inputs.append(x)
        slacks.append(slack)
        results.append(got.reshape(len(x), -1))
    together = [np.concatenate(rows) for rows in (inputs, slacks, results)]
    off, allowed = _compare(meaning, *together)
    why = "" if off <= allowed else f"differs by {off:.3g} where {allowed:.3g} is allowed"
    return _certificate(region, runner, runs, (off, allowed), why)


def _feeds(meaning: Meaning) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield x [rows, K] and how far rounding may move each of its elements."""
    inner = meaning.site.inner
    for rows in ROWS:
        random = np.random.default_rng(rows)
        x = _on_grid(meaning, rows, random)
        yield x, np.zeros_like(x)
        x = random.standard_normal((rows, inner)).astype(np.float32)
        yield x, np.broadcast_to(_steps(meaning, x), x.shape)


def _on_grid(meaning: Meaning, rows: int, random: np.random.Generator) -> np.ndarray:
    """Return x that 8 bits hold exactly, some of its rows at the extremes for one column."""
    inner, columns = meaning.site.inner, meaning.site.columns
    block = meaning.block
    low, high = (-127, 127) if block else (-100, 155)
    x = random.integers(low, high + 1, (rows, inner))
    for row in range(0, rows, 2):  # every other row, the first among them
        weights = meaning.codes.widened(*_one(random.integers(columns)))[0]
        x[row] = np.where(weights > 0, high, low)
    if block:
        x[:, ::block] = high
    else:
        x[0, 0], x[-1, -1] = high, low
    return (x * 2.0**-6).astype(np.float32)


def _one(index: np.integer) -> tuple[int, int]:
    return int(index), int(index) + 1


def _steps(meaning: Meaning, x: np.ndarray) -> np.ndarray:
    """Return how far rounding to 8 bits moves each element at most."""
    if meaning.block is None:
        return np.asarray((max(x.max(), 0.0) - min(x.min(), 0.0)) / 255)
    largest = np.abs(x).reshape(len(x), -1, meaning.block).max(axis=2)
    steps: np.ndarray = (0.51 / 127 * largest).repeat(meaning.block, axis=1)
    return steps


def _compare(
    meaning: Meaning, x: np.ndarray, slack: np.ndarray, got: np.ndarray
) -> tuple[float, float]:
    """Return the error that is largest beside what is allowed there, and that."""
    wide, worst, most = x.astype(np.float64), (0.0, 0.0), -1.0
    sums = ULP * (meaning.site.inner + 16)
    bias = meaning.site.bias
    added = bias.const_value.numpy() if bias is not None and bias.const_value is not None else None
    for at in range(0, meaning.site.columns, COLUMNS):
        weights = meaning.codes.widened(at, at + COLUMNS).T
        want = wide @ weights
        sizes = np.abs(weights)
        allowed = (slack + sums * np.abs(wide)) @ sizes + 1e-30
        if added is not None:
            want = want + added[at : at + COLUMNS]
            allowed = allowed + 4 * ULP * np.abs(want)
        off = np.abs(got[:, at : at + COLUMNS] - want)
        share = np.where(np.isnan(off), np.inf, off / allowed)
        place = np.unravel_index(share.argmax(), share.shape)
        if share[place] > most:
            most, worst = float(share[place]), (float(off[place]), float(allowed[place]))
    return worst


def _prove_table(region: Region, runner: Candidate, meaning: TableMeaning) -> Certificate:
    """Compare rows at both ends and some between."""
    rows = len(meaning.codes.codes)
    places = np.unique(np.r_[0, rows - 1, np.random.default_rng(0).integers(0, rows, 62)])
    shape = region.shapes[0] if region.shapes else ()
    kind = region.after.graph.inputs[0].dtype
    assert kind is not None  # the region declares its inputs
    feed = places.reshape([1] * (len(shape) - 1) + [-1]).astype(kind.numpy())
    try:
        got = runner.run({"i0": feed})["o0"].reshape(len(places), -1)
    except Exception as error:  # whatever the runtime says
        return _certificate(region, runner, 0, (0.0, 0.0), f"it fails: {error}"[:300])
    want = meaning.codes.codes[places] * meaning.codes.scales[places].astype(np.float64)
    off = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
    allowed = 4 * ULP * float(np.abs(want).max())
    why = "" if off <= allowed else f"rows differ by {off:.3g} where {allowed:.3g} is allowed"
    return _certificate(region, runner, 1, (off, allowed), why)


def _original(meaning: Meaning | TableMeaning) -> np.ndarray:
    if isinstance(meaning, Meaning):
        return meaning.site.matrix()
    assert meaning.site.table.const_value is not None  # the finder asked
    table: np.ndarray = meaning.site.table.const_value.numpy()
    return table


def _certificate(
    region: Region, runner: Candidate, runs: int, worst: tuple[float, float], reason: str = ""
) -> Certificate:
    return Certificate(
        hashlib.sha256(region.digest.encode()).hexdigest(), runs, *worst, runner.engine,
        not reason, reason, not runner.failure, (GRID, RANGES) if runs else (),
    )  # fmt: skip
