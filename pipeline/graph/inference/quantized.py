"""Quantize, dequantize, and the recurrent operators."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.graph.inference.call import Call, Infer, Info
from pipeline.graph.sizes.dims import Dim

UINT8, FLOAT = ir.DataType.UINT8, ir.DataType.FLOAT


def _chosen(call: Call) -> ir.DataType | None:
    """Return the output type the node asks for; 0 is none."""
    return call.type_attr("output_dtype", None) if call.int_attr("output_dtype") else None


def _quantize(call: Call) -> Sequence[Info]:
    return [Info(call.shape(0), _chosen(call) or call.dtype(2) or UINT8)]


def _dequantize(call: Call) -> Sequence[Info]:
    return [Info(call.shape(0), _chosen(call) or call.dtype(1))]


def _dynamic_quantize(call: Call) -> Sequence[Info]:
    return [Info(call.shape(0), UINT8), Info((), FLOAT), Info((), UINT8)]


def _recurrent(call: Call) -> Sequence[Info]:
    """Infer RNN, GRU and LSTM: [length, directions, batch, hidden] and the last states."""
    x = call.shape(0)
    hidden, dtype = Dim.of(call.int_attr("hidden_size")), call.dtype(0)
    directions = Dim.of(2 if call.text_attr("direction", "forward") == "bidirectional" else 1)
    if x is None or len(x) != 3:
        return [Info(call.fresh(4), dtype), Info(call.fresh(3), dtype), Info(call.fresh(3), dtype)]
    if call.int_attr("layout"):
        batch, length = x[0], x[1]
        state = Info((batch, directions, hidden), dtype)
        return [Info((batch, length, directions, hidden), dtype), state, state]
    state = Info((directions, x[1], hidden), dtype)
    return [Info((x[0], directions, x[1], hidden), dtype), state, state]


def _gather_block_quantized(call: Call) -> Sequence[Info]:
    x, indices = call.shape(0), call.shape(1)
    if x is None or indices is None or call.int_attr("bits", 4) != 8:
        rank = None if x is None or indices is None else len(x) + len(indices) - 1
        return [Info(None if rank is None else call.fresh(rank), call.dtype(2))]
    axis = call.int_attr("gather_axis")
    return [Info((*x[:axis], *indices, *x[axis + 1 :]), call.dtype(2))]


TABLE: dict[str, Infer] = {
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic_quantize,
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _recurrent),
}
CONTRIB: dict[str, Infer] = {
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "GatherBlockQuantized": _gather_block_quantized,
}
