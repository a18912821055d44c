"""Checks that need no reference: how outputs must change when inputs change in a known way.

repeated runs    the same inputs give the same bits
identical rows   a batch of one row repeated gives that row's output in every place
permuted rows    permuting the batch permutes the outputs
padded rows      a row in a padded batch gives, where it is not padding, what it gives alone
chunked prefill  a prompt fed in pieces through the cache gives what it gives at once

Kernels may order sums by position, so equality is up to the noise of the precision, not bitwise;
whether it was bitwise is kept as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.accuracy import Errors, compare

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Arrays], dict[str, np.ndarray]]
Axes = Mapping[str, int]
"""Name of an input or output -> the axis in question; names without that axis are absent."""


@dataclass(frozen=True)
class Check:
    """One check on one output.

    Attributes:
        bitwise: Whether the two sides were equal to the last bit.
        errors: How far apart they were.
        skipped: Why it could not be made, empty when it was.
    """

    name: str
    output: str
    bitwise: bool
    errors: Errors
    skipped: str = ""


def repeated_runs(run: Run, feeds: Arrays, runs: int = 4) -> list[Check]:
    """Return how far outputs come from those of the first run, of the run that is furthest off."""
    first = {name: np.array(array) for name, array in run(feeds).items()}
    worst: dict[str, Check] = {}
    for _ in range(runs - 1):
        for name, array in run(feeds).items():
            check = difference("repeated runs", name, array, first[name])
            known = worst.get(name)
            if known is None or (not check.bitwise, check.errors.max, check.errors.bad) > (
                not known.bitwise,
                known.errors.max,
                known.errors.bad,
            ):
                worst[name] = check
    return list(worst.values())


def identical_rows(run: Run, feeds: Arrays, batch: Axes, copies: int = 4) -> list[Check]:
    """Return how the rows of a batch of copies differ from the first one."""
    first = {name: take(array, batch.get(name), [0]) for name, array in feeds.items()}
    outputs = run({n: take(a, batch.get(n), [0] * copies) for n, a in first.items()})
    checks = []
    for name, array in outputs.items():
        if name in batch:
            head = take(array, batch[name], [0] * copies)
            checks.append(difference("identical rows", name, array, head))
    return checks


def permuted_rows(run: Run, feeds: Arrays, batch: Axes) -> list[Check]:
    """Return how the outputs of a permuted batch differ from the permuted outputs."""
    rows = max(array.shape[batch[name]] for name, array in feeds.items() if name in batch)
    order = [*range(1, rows), 0]
    direct = run(feeds)
    moved = run({name: take(array, batch.get(name), order) for name, array in feeds.items()})
    return [
        difference("permuted rows", name, moved[name], take(direct[name], batch[name], order))
        for name in direct
        if name in batch
    ]


def padded_rows(
    run: Run, feeds: Arrays, batch: Axes, length: Axes, lengths: Sequence[int]
) -> list[Check]:
    """Return how each row of a right-padded batch differs from the same row alone.

    Args:
        run: The candidate.
        feeds: A batch whose row i is real up to lengths[i] and padded behind.
        batch: The axis of rows.
        length: The axis of positions that the mask covers, of inputs and outputs.
        lengths: Real positions of each row.
    """
    together = run(feeds)
    alone = []
    for row, real in enumerate(lengths):
        cut = {n: take(a, batch.get(n), [row]) for n, a in feeds.items()}
        alone.append(run({n: head(a, length.get(n), real) for n, a in cut.items()}))
    checks = []
    for name in together:
        if name not in batch:
            continue
        rows = [
            head(take(together[name], batch[name], [row]), length.get(name), real)
            for row, real in enumerate(lengths)
        ]
        pairs = list(zip(rows, (one[name] for one in alone), strict=True))
        flat = [
            np.concatenate([side.ravel() for side in sides]) for sides in zip(*pairs, strict=True)
        ]
        checks.append(difference("padded rows", name, flat[0], flat[1]))
    return checks


def difference(check: str, output: str, given: np.ndarray, wanted: np.ndarray) -> Check:
    """Return the check that two arrays agree; another shape counts as everything lost."""
    if given.shape != wanted.shape:
        return Check(check, output, False, Errors(count=wanted.size, bad=wanted.size))
    bitwise = given.tobytes() == wanted.tobytes()
    return Check(check, output, bitwise, compare(given, wanted))


def take(array: np.ndarray, axis: int | None, rows: Sequence[int]) -> np.ndarray:
    """Return these rows along an axis, the array itself when it has none."""
    return array if axis is None else np.take(array, rows, axis=axis)


def head(array: np.ndarray, axis: int | None, count: int) -> np.ndarray:
    """Return the first positions along an axis, the array itself when it has none."""
    return array if axis is None else np.take(array, range(count), axis=axis)


def chunked_prefill(run: Run, feeds: Arrays, new: Axes, past: Axes, both: Axes) -> list[Check]:
    """Return how feeding positions in two pieces differs from feeding them at once.

    Args:
        run: The candidate; gives present.N.* for past_key_values.N.*.
        feeds: Inputs with an empty past and at least two new positions.
        new: The axis of new positions, of inputs and outputs.
        past: The axis of cached positions, of inputs.
        both: The axis of cached and new positions together, of inputs (a mask).
    """
    length = next(feeds[name].shape[axis] for name, axis in new.items() if name in feeds)
    cut = (length + 1) // 2
    whole = run(feeds)
    first = run({n: head(head(a, new.get(n), cut), both.get(n), cut) for n, a in feeds.items()})
    rest = {n: take(a, new.get(n), range(cut, length)) for n, a in feeds.items()}
    for name in past:
        rest[name] = first[name.replace("past_key_values.", "present.")]
    second = run(rest)
    checks = []
    for name in (n for n in whole if n in new):
        joined = np.concatenate([first[name], second[name]], axis=new[name])
        checks.append(difference("chunked prefill", name, joined, whole[name]))
    return checks
