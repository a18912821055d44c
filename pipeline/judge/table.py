"""Every operator the judge runs itself; what is missing here goes to onnx.reference."""

from __future__ import annotations

from pipeline.judge.op import Table
from pipeline.judge.ops import (
    activation,
    attention,
    casting,
    control,
    creation,
    elementwise,
    indexing,
    layout,
    matmul,
    norm,
    reduction,
    rotary,
)

TABLE: Table = {
    **elementwise.TABLE,
    **activation.TABLE,
    **casting.TABLE,
    **layout.TABLE,
    **indexing.TABLE,
    **reduction.TABLE,
    **creation.TABLE,
    **matmul.TABLE,
    **norm.TABLE,
    **rotary.TABLE,
    **attention.TABLE,
    **control.TABLE,
}
