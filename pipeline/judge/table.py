"""Every operator the judge runs itself; what is missing here goes to onnx.reference."""

from __future__ import annotations

from pipeline.judge.op import Table
from pipeline.judge.ops import (
    activation,
    attention,
    casting,
    contrib_attention,
    control,
    convolution,
    creation,
    elementwise,
    group_query_attention,
    indexing,
    layout,
    matmul,
    norm,
    quantize,
    recurrent,
    reduction,
    resize,
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
    **contrib_attention.TABLE,
    **group_query_attention.TABLE,
    **quantize.TABLE,
    **convolution.TABLE,
    **resize.TABLE,
    **recurrent.TABLE,
    **control.TABLE,
}
