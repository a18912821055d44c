"""What typing did, as data."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from pipeline.records.optimize import IslandRecord, TypingRecord


@dataclass(frozen=True)
class Island:
    """A connected region that stays float32.

    Attributes:
        path: Module path of its first node.
        operators: How often each operator occurs in it.
        reasons: Why, the distinct ones; empty when it only saves Casts.
    """

    path: str
    operators: dict[str, int]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class TypingReport:
    """The typed graph in numbers.

    Attributes:
        precision: What was asked for.
        low_nodes: Nodes that compute on the low type.
        high_nodes: Nodes that stay float32.
        islands: Those, by region.
        casts: Cast nodes added between them.
        casts_removed: Cast nodes of the original that changed nothing any more.
        masks: Constants that were made to survive the type: name to (old, new).
        inputs: Type of each floating graph input.
        outputs: Type of each floating graph output.
        ranged: Whether ranges of real or synthetic runs were known.
    """

    precision: str
    low_nodes: int = 0
    high_nodes: int = 0
    islands: tuple[Island, ...] = ()
    casts: int = 0
    casts_removed: int = 0
    masks: dict[str, tuple[float, float]] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    ranged: bool = False

    def record(self) -> TypingRecord:
        """Return what belongs in a manifest; islands with equal reasons are counted together."""
        alike: Counter[tuple[tuple[str, ...], tuple[tuple[str, int], ...]]] = Counter()
        first: dict[object, str] = {}
        for island in self.islands:
            form = (island.reasons, tuple(sorted(island.operators.items())))
            alike[form] += 1
            first.setdefault(form, island.path)
        return TypingRecord(
            precision=self.precision,
            low_nodes=self.low_nodes,
            high_nodes=self.high_nodes,
            casts=self.casts,
            casts_removed=self.casts_removed,
            ranged=self.ranged,
            masks={
                name: (old if math.isfinite(old) else None, new)
                for name, (old, new) in self.masks.items()
            },
            inputs=self.inputs,
            outputs=self.outputs,
            islands=tuple(
                IslandRecord(
                    count=count,
                    first=first[reasons, operators],
                    operators=dict(operators),
                    reasons=reasons,
                )
                for (reasons, operators), count in alike.most_common()
            ),
        )
