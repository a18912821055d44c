"""The norm site: what every layer norm and RMS norm is, whatever operators spell it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.site import Site


@dataclass(frozen=True)
class Affine:
    """The vector `offset + factor * value`; without a value just the number `offset`."""

    value: ir.Value | None
    factor: float
    offset: float

    @property
    def is_one(self) -> bool:
        """Whether multiplying with it changes nothing."""
        return self.value is None and self.offset == 1.0

    @property
    def is_zero(self) -> bool:
        """Whether adding it changes nothing."""
        return self.value is None and self.offset == 0.0


@dataclass(frozen=True, eq=False)
class NormSite(Site):
    """A norm written out in elementary operators.

    Attributes:
        x: The normalised tensor; the output has its shape and dtype.
        centred: True for LayerNorm, False for RMSNorm.
        axes: The normalised axes from the end, e.g. (-1,), (-2, -1) or (-3,).
        sizes: Their sizes, static.
        epsilon: Added to the mean of squares.
        outer_epsilon: Added to its root.
        weight: What multiplies the normalised tensor.
        bias: What is added to it; zero for RMSNorm.
    """

    x: ir.Value
    centred: bool
    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    epsilon: float
    weight: Affine
    bias: Affine
    outer_epsilon: float = 0.0

    @property
    def operands(self) -> frozenset[ir.Value]:
        """The normalised tensor."""
        return frozenset({self.x})

    @property
    def form(self) -> str:
        """E.g. `RMSNorm over 64`."""
        name = "LayerNorm" if self.centred else "RMSNorm"
        where = "" if trailing(self.axes) else f" on axis {self.axes[0]}"
        return f"{name} over {'x'.join(str(s) for s in self.sizes)}{where}"


def trailing(axes: tuple[int, ...]) -> bool:
    """Return whether the axes are the last ones."""
    return axes == tuple(range(-len(axes), 0))
