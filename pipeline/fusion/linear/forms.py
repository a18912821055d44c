"""What each precision means for products with stored weights: the table, and what it asks of one.

docs/concepts/precision.md shows the same table. Everything else (norms, softmax, attention,
activations, residual sums, routers' choices) stays float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from pipeline.fusion.linear import gptq
from pipeline.fusion.linear.codes import Codes, block_for, round_weights
from pipeline.fusion.linear.site import LinearSite, TableSite
from pipeline.fusion.refusal import WRITTEN, Kind, Refusal


@dataclass(frozen=True)
class Form:
    """How weights are rounded: symmetric, to nearest.

    Attributes:
        bits: 8 or 4.
        block: Weights along K that share a scale, shrunk to what divides K; 0 is a whole row.
        signed_scales: Whether scales may be negative. TensorRT wants them positive.
    """

    bits: int
    block: int
    signed_scales: bool = False


PER_ROW = Form(8, 0)
EIGHT = Form(8, 128)
FOUR = Form(4, 64, signed_scales=True)
FOUR_POSITIVE = Form(4, 64)

# precision -> what products and what heads are rounded to; heads of int4 models stay at 8 bits,
# since a head of 4 bits adds half as much loss again as all other products together.
WEIGHTS = {"int8-weights": (EIGHT, EIGHT), "int8": (EIGHT, EIGHT), "int4": (FOUR, EIGHT)}


@dataclass(frozen=True, eq=False)
class Meaning:
    """What a lowered product has to compute, whatever operators say it.

    Attributes:
        codes: The rounded weights.
        site: The product; its x and bias stay as they are.
        block: x may be rounded to 8 bits with one scale per row and block of so many; None where
            it is rounded as a whole tensor.
    """

    codes: Codes
    site: LinearSite
    block: int | None


@dataclass(frozen=True, eq=False)
class TableMeaning:
    """What a lowered table has to give: for each index a row of the rounded weights."""

    codes: Codes
    site: TableSite


@runtime_checkable
class Rounding(Protocol):
    """A lowering that changes weights on purpose, and says what the result has to compute."""

    def meaning(self, site: Any) -> Meaning | TableMeaning:
        """Return what its form of a site means; its proof is that the runtime computes that."""


@lru_cache(maxsize=1)
def rounded(site: LinearSite, form: Form) -> Codes | None:
    """Return the weights of a product in a form, None where no block divides K."""
    block = form.block and block_for(site.inner, form.block)
    if block is None:
        return None
    if site.moments is not None and form.bits == gptq.BITS:
        return gptq.round_compensated(
            site.matrix(), site.moments, block or site.inner, signed_scales=form.signed_scales
        )
    return round_weights(
        site.matrix(), form.bits, block or site.inner, signed_scales=form.signed_scales
    )


def cannot(site: LinearSite) -> Refusal:
    """Return the refusal of a product whose K no block divides."""
    said = f"K is {site.inner}, which no block of 16, 32, 64 or 128 divides"
    return Refusal(site.anchor, site.form, WRITTEN, said, site.anchor, kind=Kind.UNSUPPORTED)
