"""Gather(W, i)  ->  Cast(Gather(codes, i)) * Gather(scales, i)        W rounded by rows to 8 bits.

Source: ONNX Gather, Cast and Mul.
Exact: lower precision.
Applies when: a float32 table of a megabyte or more is read by index.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.fusion.linear.codes import Codes, round_weights
from pipeline.fusion.linear.forms import TableMeaning
from pipeline.fusion.linear.site import TableSite
from pipeline.fusion.lowering import Exactness
from pipeline.graph.rewriting.emit import Emitter


@dataclass(frozen=True)
class RoundTable:
    """Lowers embeddings to rows of 8 bits."""

    name: str = "round_table"
    targets: frozenset[str] = frozenset({"ort-cpu", "onnx"})
    opset: int = 13
    source: str = "https://onnx.ai/onnx/operators/onnx__Gather.html"
    exact: Exactness = "lower precision"

    def lower(self, site: TableSite, emit: Emitter) -> tuple[ir.Value, ...]:
        """Return the rows, widened."""
        codes = _rounded(site)
        rows = emit.one("Gather", [emit.weight(codes.codes), site.indices], {"axis": 0})
        scales = emit.one("Gather", [emit.weight(codes.scales), site.indices], {"axis": 0})
        return (emit.one("Mul", [emit.one("Cast", [rows], {"to": 1}), scales]),)

    def meaning(self, site: TableSite) -> TableMeaning:
        """Return the rounded table."""
        return TableMeaning(_rounded(site), site)


def _rounded(site: TableSite) -> Codes:
    assert site.table.const_value is not None  # the finder asked
    table = site.table.const_value.numpy()
    return round_weights(table, 8, table.shape[1], signed_scales=False)
