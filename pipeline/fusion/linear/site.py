"""Linear sites: products of a computed value with a constant matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from pipeline.fusion.site import Site


@dataclass(frozen=True, eq=False)
class LinearSite(Site):
    """x W^T + b with a stored W.

    Attributes:
        x: [..., K], float32.
        weight: The initializer; [K, N], or [N, K] where `by_rows`.
        by_rows: Whether a row of it makes one output, as torch stores it.
        bias: [N] constant, None without one.
        head: Whether nothing but the graph's outputs is made of the result.
        noise: What rounding x to 8 bits with one scale per tensor would err on the inputs it was
            watched on, over the size of a typical row; None where nobody looked.
        moments: [K, K], the sum of x x^T over a calibration; None without one.
    """

    x: ir.Value
    weight: ir.Value
    by_rows: bool
    bias: ir.Value | None
    head: bool
    inner: int
    columns: int
    noise: float | None = None
    moments: np.ndarray | None = None

    @property
    def form(self) -> str:
        """E.g. `576 -> 1536 + bias`."""
        what = "head, " if self.head else ""
        return f"{what}{self.inner} -> {self.columns}" + (" + bias" if self.bias else "")

    @property
    def operands(self) -> frozenset[ir.Value]:
        """What is multiplied."""
        return frozenset({self.x})

    def matrix(self) -> np.ndarray:
        """Return the weights as [N, K], read from where they lie."""
        assert self.weight.const_value is not None  # the finder asked
        stored = self.weight.const_value.numpy()
        return stored if self.by_rows else stored.T


@dataclass(frozen=True, eq=False)
class TableSite(Site):
    """Rows taken from a stored table by index: an embedding.

    Attributes:
        table: [V, D], float32, an initializer.
        indices: Whole numbers.
    """

    table: ir.Value
    indices: ir.Value

    @property
    def form(self) -> str:
        """E.g. `table of 49152 x 576`."""
        assert self.table.const_value is not None
        rows, width = self.table.const_value.shape
        return f"table of {rows} x {width}"

    @property
    def operands(self) -> frozenset[ir.Value]:
        """What says which rows."""
        return frozenset({self.indices})
