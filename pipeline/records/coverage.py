"""What a comparison ran on: its sets of inputs, what they reached, and what they did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """One set of inputs: how it was made, at which sizes."""

    name: str
    style: str
    seed: int
    sizes: Mapping[str, int]
    traced: bool


@dataclass(frozen=True, kw_only=True)
class CoverageRecord:
    """What the cases reached of one thing that inputs can reach.

    Attributes:
        kind: "rows" of a table that ids read, "size" (least, middle and largest of a dynamic
            size), "boundary" (both sides of a number the graph itself holds against positions
            or sizes), "branches" (both ways of every Where, If and comparison).
        name: The input, the size, the number with its node; empty for branches.
        covered, total: How many were reached, of how many.
        missing: The first that were not, in words.
    """

    kind: str
    name: str
    covered: int
    total: int
    missing: tuple[str, ...] = ()
