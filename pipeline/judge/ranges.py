"""Ranges of every value in a run, kept as numbers and not as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.judge.dtypes import WIDE


@dataclass
class Range:
    """What one value was seen to hold, over all elements and runs.

    Attributes:
        low: Smallest finite element.
        high: Largest finite element.
        tiny: Smallest magnitude that is not zero, infinity where all are zero.
        infinite: How many elements were infinite.
        undefined: How many elements were NaN.
        count: How many elements were seen.
    """

    low: float = float("inf")
    high: float = float("-inf")
    tiny: float = float("inf")
    infinite: int = 0
    undefined: int = 0
    count: int = 0

    @property
    def largest(self) -> float:
        """Largest finite magnitude, 0 where nothing finite was seen."""
        return max(abs(self.low), abs(self.high)) if self.low <= self.high else 0.0

    def add(self, tensor: torch.Tensor) -> None:
        """Widen the range by a tensor's elements."""
        self.count += tensor.numel()
        if not tensor.numel():
            return
        low, high = (float(bound) for bound in torch.aminmax(tensor))
        # NaN and inf show in the extremes, so the usual tensor needs one pass less.
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            finite = torch.isfinite(tensor)
            self.undefined += int(torch.isnan(tensor).sum())
            self.infinite += int(torch.isinf(tensor).sum())
            tensor = tensor[finite]
            if not tensor.numel():
                return
            low, high = (float(bound) for bound in torch.aminmax(tensor))
        self.low, self.high = min(self.low, low), max(self.high, high)
        size = tensor.abs()
        size = size[size > 0]
        if size.numel():
            self.tiny = min(self.tiny, float(size.min()))


class RangeTracer:
    """An observer for `Judge.run` that collects the range of every floating value.

    Example:
        >>> tracer = RangeTracer()
        >>> judge.run(feeds, observe=tracer)                            # doctest: +SKIP
        >>> tracer.ranges["logits"].largest                             # doctest: +SKIP
    """

    def __init__(self) -> None:
        self.ranges: dict[str, Range] = {}

    def __call__(self, name: str, tensor: torch.Tensor) -> None:
        """Take in one value."""
        if tensor.dtype in WIDE:
            self.ranges.setdefault(name, Range()).add(tensor)
