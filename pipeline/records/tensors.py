"""What graphs and engines take and give, and the sizes that may change: used by several records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SizeRange:
    """Smallest, typical and largest value of a dimension."""

    min: int
    opt: int
    max: int


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: Of the value.
        dtype: numpy's word for its type: float32, int64, bool, bfloat16, ...
        shape: A number per axis, or the name of a size that may change ("batch", "past + seq");
            None where the graph does not tell, -1 where an engine only says that it changes.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


def axes_of(values: Sequence[TensorSpec], size: str) -> dict[str, int]:
    """Return which axis of each input or output is the named size; others are left out."""
    return {value.name: value.shape.index(size) for value in values if size in value.shape}
