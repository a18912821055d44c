"""Operators that make tensors out of shapes and constants."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.graph.inference.call import INTS_LIMIT, Call, Infer, Info
from pipeline.graph.inference.consts import info_of_array
from pipeline.graph.sizes.dims import Dim, product
from pipeline.graph.sizes.signs import is_nonnegative

INT64, FLOAT = ir.DataType.INT64, ir.DataType.FLOAT


def _shape(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    if x is None:
        return [Info(call.fresh(1), INT64)]
    end = call.attr("end")
    ints = x[call.int_attr("start") : end if isinstance(end, int) else None]
    return [Info((Dim.of(len(ints)),), INT64, ints)]


def _size(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    return [Info((), INT64, None if x is None else (product(x),))]


def _constant(call: Call) -> Sequence[Info]:
    output = call.node.outputs[0]
    array = call.outer.small_const(output)
    if array is not None:
        return [info_of_array(array, ir.DataType.from_numpy(array.dtype))]
    tensor = call.attr("value")
    if isinstance(tensor, ir.TensorProtocol):
        return [Info(tuple(Dim.of(int(d)) for d in tensor.shape.numpy()), tensor.dtype)]
    return [Info()]


def _constant_of_shape(call: Call) -> Sequence[Info]:
    tensor = call.attr("value")
    known = tensor if isinstance(tensor, ir.TensorProtocol) else None
    dtype = FLOAT if known is None else known.dtype
    target = call.ints(0)
    if target is None:
        return [Info(None, dtype)]
    shape = tuple(call.size(d) for d in target)
    length = 1 if not shape else shape[0].const if len(shape) == 1 else None
    if length is None or length > INTS_LIMIT:
        return [Info(shape, dtype)]
    value = 0.0 if known is None else float(known.numpy().reshape(-1)[0])
    if value != value or value != int(value):
        return [Info(shape, dtype)]
    return [Info(shape, dtype, (Dim.of(int(value)),) * length)]


def _range(call: Call) -> Sequence[Info]:
    parts = [call.known_ints(i) for i in range(3)]
    dtype = call.dtype(0) or call.dtype(1)
    if any(p is None or len(p) != 1 for p in parts):
        length = _const_range_length(call)
        return [Info(call.fresh(1) if length is None else (Dim.of(length),), dtype)]
    start, limit, delta = (p[0] for p in parts if p is not None)
    step = delta.const
    if step is None or step == 0 or any(s[0] == "?" for d in (start, limit) for s in d.symbols):
        return [Info(call.fresh(1), dtype)]
    span = limit - start if step > 0 else start - limit
    span = span if is_nonnegative(span) else span.maximum(0)
    count = (span + abs(step) - 1) // abs(step)
    number = count.const
    ints = None
    if number is not None and number <= INTS_LIMIT:
        ints = tuple(start + i * step for i in range(number))
    return [Info((count,), dtype, ints)]


def _const_range_length(call: Call) -> int | None:
    """Return the length of a range between constants that are no integers."""
    arrays = [call.array(i) for i in range(3)]
    if any(a is None or a.size != 1 for a in arrays):
        return None
    start, limit, delta = (float(a.reshape(-1)[0]) for a in arrays if a is not None)
    if not delta or abs(limit - start) > 2**40:
        return None
    return max(-int((start - limit) // delta), 0)


def _eye_like(call: Call) -> Sequence[Info]:
    return [Info(call.shape(0), call.type_attr("dtype", call.dtype(0)))]


def _random(call: Call) -> Sequence[Info]:
    shape = call.ints_attr("shape")
    known = None if shape is None else tuple(Dim.of(d) for d in shape)
    return [Info(known, call.type_attr("dtype", FLOAT))]


def _random_like(call: Call) -> Sequence[Info]:
    return _eye_like(call)


def _multinomial(call: Call) -> Sequence[Info]:
    x, count = call.shape(0), Dim.of(call.int_attr("sample_size", 1))
    dtype = call.type_attr("dtype", ir.DataType.INT32)
    return [Info(None if x is None else (x[0], count), dtype)]


TABLE: dict[str, Infer] = {
    "Shape": _shape,
    "Size": _size,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "EyeLike": _eye_like,
    "RandomNormal": _random,
    "RandomUniform": _random,
    "RandomNormalLike": _random_like,
    "RandomUniformLike": _random_like,
    "Multinomial": _multinomial,
}
