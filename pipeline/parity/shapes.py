"""Which sizes to compare at: never the ones the exporter saw, small enough to run quickly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pipeline.records.tensors import SizeRange

LARGEST = 96
"""No size grows beyond this unless its minimum is larger: parity is about values, not scale."""

BATCHES = (1, 3, 2)
FRACTIONS = (0.0, 0.45, 0.93)
"""Where in its range a size is taken."""


def choose_shapes(
    dims: Mapping[str, SizeRange], seen: Mapping[str, int], sums: Iterable[str] = ()
) -> list[dict[str, int]]:
    """Return three assignments of sizes, different from each other and from the example's.

    The first is the smallest legal one: lengths of 1 and an empty past find more faults than any
    other shape. In the other two all sizes differ (equal ones would hide exchanged axes) and none
    is what the exporter traced, where the ranges allow.

    Args:
        dims: Every dynamic size.
        seen: The sizes traced or declared as typical.
        sums: Expressions such as "past + seq" that occur as sizes. A sum stays within the
            largest range of its terms: both count positions of the same table.
    """
    shapes: list[dict[str, int]] = []
    for index in range(len(BATCHES)):
        shape: dict[str, int] = {}
        for name in sorted(dims):
            taken = {*shape.values(), seen.get(name, -1)} if index else set()
            shape[name] = _pick(name, dims[name], index, taken)
        for expression in sums:
            _shrink(shape, dims, [term.strip() for term in expression.split("+")])
        if shape not in shapes and shape != dict(seen):
            shapes.append(shape)
    return shapes


def is_batch(name: str) -> bool:
    """Return whether a size counts independent rows."""
    return name == "batch" or name.endswith("batch_size")


def _pick(name: str, limits: SizeRange, index: int, taken: Collection[int]) -> int:
    if is_batch(name):
        return min(max(BATCHES[index], limits.min), limits.max)
    top = max(limits.min, min(limits.max, LARGEST))
    wanted = limits.min + int((top - limits.min) * FRACTIONS[index])
    # The nearest free value, first downwards: towards the cheap end.
    nearby = sorted(range(limits.min, limits.max + 1), key=lambda v: (abs(v - wanted), v))
    return next((value for value in nearby[:64] if value not in taken), wanted)


def _shrink(shape: dict[str, int], dims: Mapping[str, SizeRange], terms: list[str]) -> None:
    known = [term for term in terms if term in shape]
    limit = max((dims[term].max for term in known), default=0)
    for term in sorted(known, key=lambda t: -shape[t]):
        excess = sum(shape[t] for t in known) - limit
        if excess > 0:
            # Halving first keeps both terms in play instead of exhausting the largest.
            shape[term] = max(dims[term].min, min(shape[term] - excess, limit // 2))
