"""Profiles from real traffic: a file of observed lengths becomes ranges of named dims.

The file is JSON `{"seq": [12, 40, ...], "batch": [1, 4]}`, or plain numbers (one dim, the
sequence length). With more than one profile the lengths are split where padding wasted up to a
profile's largest length is least: an exact dynamic program over the distinct lengths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.received_json import parse_json
from pipeline.records.tensors import SizeRange

_DISTINCT_LIMIT = 256


def read_lengths(path: Path, default_dim: str) -> dict[str, list[int]]:
    """Return observed values by named dim; plain numbers belong to `default_dim`.

    Raises:
        UsageError: The file cannot be read or holds anything but lengths of at least 0.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"cannot read lengths: {err}", where=str(path)) from err
    try:
        data = parse_json(text)
    except ValueError:
        data = text.replace(",", " ").split()
    if not isinstance(data, dict):
        data = {default_dim: data if isinstance(data, list) else [data]}
    try:
        found = {str(k): [int(v) for v in values] for k, values in data.items()}
    except (TypeError, ValueError) as err:
        raise UsageError(
            f"lengths must be whole numbers: {err}",
            where=str(path),
            fix='JSON {"seq": [12, 40], "batch": [1, 4]}, or numbers one per line',
        ) from err
    if not any(found.values()) or any(v < 0 for values in found.values() for v in values):
        raise UsageError("no lengths, or negative ones, in the file", where=str(path))
    return {k: values for k, values in found.items() if values}


def ranges_from_lengths(
    lengths: dict[str, list[int]], profiles: int, split: str
) -> tuple[dict[str, SizeRange], ...]:
    """Return one set of ranges per profile; the dim `split` is divided, the others span all.

    The favoured value of each range is the 90th percentile: engines tuned near the top of the
    range lose little below it, the reverse is worse.
    """
    shared = {name: _span(values) for name, values in lengths.items() if name != split}
    if split not in lengths:
        return (shared,)
    groups = _split(sorted(lengths[split]), max(1, profiles))
    return tuple({**shared, split: _span(group)} for group in groups)


def _span(values: Sequence[int]) -> SizeRange:
    ordered = sorted(values)
    return SizeRange(ordered[0], ordered[int(0.9 * (len(ordered) - 1))], ordered[-1])


def _split(ordered: Sequence[int], groups: int) -> list[list[int]]:
    """Return at most `groups` runs of ascending values with the least total padding."""
    counts = Counter(_coarse(v, ordered[-1]) for v in ordered)
    edges = sorted(counts)
    below = [0]
    for edge in edges:
        below.append(below[-1] + counts[edge])
    # cost[end] and cuts[end]: padding and upper edges of the best cover of edges[:end]
    cost: list[float] = [0.0] + [float("inf")] * len(edges)
    cuts: list[tuple[int, ...]] = [()] * len(cost)
    for _ in range(min(groups, len(edges))):
        for end in range(len(edges), 0, -1):
            for start in range(end):
                padded = cost[start] + edges[end - 1] * (below[end] - below[start])
                if padded < cost[end]:
                    cost[end], cuts[end] = padded, (*cuts[start], edges[end - 1])
    runs: list[list[int]] = [[] for _ in cuts[-1]]
    for value in ordered:
        runs[next(i for i, edge in enumerate(cuts[-1]) if value <= edge)].append(value)
    return [run for run in runs if run]


def _coarse(value: int, largest: int) -> int:
    """Round a length up so that there are at most `_DISTINCT_LIMIT` of them."""
    step = -(-max(largest, 1) // _DISTINCT_LIMIT)
    return -(-value // step) * step
