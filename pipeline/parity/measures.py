"""What quantisation costs, in units of the task: KL, agreement, cosine, drop, with intervals.

A quantised candidate is another function than the model, so that no budget of rounding fits it. It
is held to a stated loss against the reference's own outputs. Its own noise plays no part. Rows are
the vectors along the last axis: the scores of one position, the features of one token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["logits", "values"]
Rows = tuple[np.ndarray, np.ndarray]

RESAMPLES = 200
CONFIDENCE = 0.99
MOST_ROWS = 4096
"""Rows that an interval is drawn from; the values themselves use every row."""
LEAST = frozenset({"agreement", "cosine"})
"""Measures with a least value; the others have a largest one."""


@dataclass(frozen=True)
class Measure:
    """One measure of one output.

    Attributes:
        name: "kl" (nats per row, mean), "agreement" (share of rows with the same largest score),
            "cosine" (mean over rows), "drop" (rms of the difference over the rms of the values).
        value: Over all rows; infinite or NaN where the candidate lost values.
        low, high: Its 99 % interval, resampled over rows.
        limit: The most that is allowed, or the least (see LEAST); None binds nothing.
    """

    name: str
    value: float
    low: float
    high: float
    limit: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the value is within its limit; what is no number is not."""
        if self.limit is None:
            return True
        within = self.value >= self.limit if self.name in LEAST else self.value <= self.limit
        return bool(np.isfinite(self.value) and within)

    @property
    def usage(self) -> float:
        """The share of the allowed loss that is used; infinite where values were lost."""
        if self.limit is None:
            return 0.0
        if not np.isfinite(self.value):
            return float("inf")
        lost, most = self.value, self.limit
        if self.name in LEAST:
            lost, most = 1 - self.value, 1 - self.limit
        return 0.0 if lost <= 0 else lost / most if most > 0 else float("inf")


def measure_outputs(
    given: Sequence[np.ndarray], wanted: Sequence[np.ndarray], kind: Kind
) -> tuple[Measure, ...]:
    """Return the measures of one output over several sets of inputs.

    Args:
        given: The candidate's values, one array per set; any real dtype.
        wanted: The reference's, of the same shapes. Rows that are not finite here bind nothing.
        kind: "logits" are scores that a softmax may follow: a constant added to a row changes
            nothing, and all four measures apply. "values" have cosine and drop.

    Examples:
        >>> import numpy as np
        >>> scores = np.array([[2.0, 0.0, -1.0]])
        >>> [round(m.value, 3) for m in measure_outputs([scores + 5], [scores], "logits")]
        [0.0, 1.0, 1.0, 0.0]
    """
    pairs = [_rows(g, w, kind) for g, w in zip(given, wanted, strict=True)]
    columns = [_columns(g, w, kind) for g, w in pairs]
    names = list(columns[0]) if columns else []
    joined = {n: np.concatenate([c[n] for c in columns]) for n in names}
    if not names or not len(joined[names[0]]):
        return ()
    rows = len(joined["error"])
    rng = np.random.default_rng(0)
    picked = rng.permutation(rows)[:MOST_ROWS]
    draws = rng.integers(0, len(picked), (RESAMPLES, len(picked)))
    found = []
    for name, of in _measures(kind).items():
        value = of(joined)
        spread = [of({n: v[picked[draw]] for n, v in joined.items()}) for draw in draws]
        low, high = np.quantile(spread, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        if name == "agreement":
            low, high = wilson(value, rows)
        found.append(Measure(name, value, float(low), float(high)))
    return tuple(found)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 99 % interval of a share of `count` trials; wide even where all agree."""
    z = 2.576
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


Columns = dict[str, np.ndarray]


def _measures(kind: Kind) -> dict[str, Callable[[Columns], float]]:
    values: dict[str, Callable[[Columns], float]] = {
        "cosine": lambda c: float(np.mean(c["cosine"])),
        "drop": _drop,
    }
    if kind == "values":
        return values
    return {
        "kl": lambda c: float(np.mean(c["kl"])),
        "agreement": lambda c: float(np.mean(c["agreement"])),
        **values,
    }


def _drop(columns: Columns) -> float:
    lost, size = float(np.sum(columns["error"])), float(np.sum(columns["size"]))
    return 0.0 if lost == 0 else float(np.sqrt(lost / size)) if size > 0 else float("inf")


def _rows(given: np.ndarray, wanted: np.ndarray, kind: Kind) -> Rows:
    """Return both as float64 rows, without those that the reference itself has not finite."""
    width = wanted.shape[-1] if wanted.ndim else 1
    if not wanted.size:
        return np.zeros((0, 1)), np.zeros((0, 1))
    ours = given.astype(np.float64).reshape(-1, width)
    truth = wanted.astype(np.float64).reshape(-1, width)
    known = np.isfinite(truth).all(-1)
    ours, truth = ours[known], truth[known]
    if kind == "logits":
        ours = ours - ours.mean(-1, keepdims=True)
        truth = truth - truth.mean(-1, keepdims=True)
    return ours, truth


def _columns(ours: np.ndarray, truth: np.ndarray, kind: Kind) -> Columns:
    """Return what each row adds to the measures."""
    with np.errstate(all="ignore"):
        size = np.square(truth).sum(-1)
        mine = np.square(ours).sum(-1)
        norms = np.sqrt(size) * np.sqrt(mine)
        same = np.where((size == 0) & (mine == 0), 1.0, 0.0)
        cosine = np.where(norms == 0, same, (ours * truth).sum(-1) / np.where(norms == 0, 1, norms))
        found = {"error": np.square(ours - truth).sum(-1), "size": size, "cosine": cosine}
        if kind == "logits":
            logs, other = _log_softmax(truth), _log_softmax(ours)
            found["kl"] = np.maximum((np.exp(logs) * (logs - other)).sum(-1), 0.0)
            found["agreement"] = (ours.argmax(-1) == truth.argmax(-1)).astype(np.float64)
    return found


def _log_softmax(rows: np.ndarray) -> np.ndarray:
    shifted = rows - rows.max(-1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result
