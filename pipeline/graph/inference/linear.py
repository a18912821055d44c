"""Matrix products: MatMul, Gemm, Einsum and their quantized and fused forms."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.graph.inference.call import Call, Dims, Infer, Info
from pipeline.graph.sizes.dims import Dim

INT32 = ir.DataType.INT32


def matmul_shape(call: Call, left: Dims | None, right: Dims | None) -> Dims | None:
    """Return numpy's matmul shape; the summed sizes are equal."""
    if not left or not right:
        return None
    inner = right[-2] if len(right) > 1 else right[0]
    call.unifier.unify(left[-1], inner)
    batch = call.unifier.broadcast(left[:-2], right[:-2])
    if batch is None:
        return None
    rows = left[-2:-1] if len(left) > 1 else ()
    columns = right[-1:] if len(right) > 1 else ()
    return call.unifier.resolve((*batch, *rows, *columns))


def _matmul(call: Call) -> Sequence[Info]:
    return [Info(matmul_shape(call, call.shape(0), call.shape(1)), call.dtype(0))]


def _matmul_integer(call: Call) -> Sequence[Info]:
    return [Info(matmul_shape(call, call.shape(0), call.shape(1)), INT32)]


def _q_linear_matmul(call: Call) -> Sequence[Info]:
    return [Info(matmul_shape(call, call.shape(0), call.shape(3)), call.dtype(7))]


def _matmul_integer_to_float(call: Call) -> Sequence[Info]:
    return [Info(matmul_shape(call, call.shape(0), call.shape(1)), call.dtype(2))]


def _dynamic_quantize_matmul(call: Call) -> Sequence[Info]:
    return [Info(matmul_shape(call, call.shape(0), call.shape(1)), call.dtype(0))]


def _swap(shape: Dims | None, swap: bool) -> Dims | None:
    if shape is None or not swap or len(shape) < 2:
        return shape
    return (*shape[:-2], shape[-1], shape[-2])


def _fused_matmul(call: Call) -> Sequence[Info]:
    if call.int_attr("transBatchA") or call.int_attr("transBatchB"):
        return [Info(None, call.dtype(0))]
    left = _swap(call.shape(0), bool(call.int_attr("transA")))
    right = _swap(call.shape(1), bool(call.int_attr("transB")))
    return [Info(matmul_shape(call, left, right), call.dtype(0))]


def _gemm(call: Call) -> Sequence[Info]:
    left = _swap(call.shape(0), bool(call.int_attr("transA")))
    right = _swap(call.shape(1), bool(call.int_attr("transB")))
    if left is None or right is None or len(left) != 2 or len(right) != 2:
        return [Info(call.fresh(2), call.dtype(0))]
    return [Info(matmul_shape(call, left, right), call.dtype(0))]


def _matmul_nbits(call: Call) -> Sequence[Info]:
    x = call.shape(0)
    shape = None if not x else (*x[:-1], Dim.of(call.int_attr("N")))
    return [Info(shape, call.dtype(0))]


def _einsum(call: Call) -> Sequence[Info]:
    equation = call.text_attr("equation").replace(" ", "")
    shapes = [call.shape(i) for i in range(len(call.node.inputs))]
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if any(s is None for s in shapes) or len(terms) != len(shapes):
        return [Info(None, call.dtype(0))]
    sizes: dict[str, Dim] = {}
    extra: Dims = ()
    for term, shape in zip(terms, shapes, strict=True):
        assert shape is not None
        labels, dots = _labels(term, len(shape))
        if labels is None:
            return [Info(None, call.dtype(0))]
        extra = call.unifier.broadcast(extra, shape[dots]) or ()
        named = (*shape[: dots.start], *shape[dots.stop :])
        for label, dim in zip(labels, named, strict=True):
            sizes[label] = call.unifier.broadcast_dim(sizes.get(label, dim), dim)
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        once = sorted(c for c in set(letters) if letters.count(c) == 1)
        right = ("..." if "..." in left else "") + "".join(once)
    shape = _einsum_output(right, sizes, extra)
    return [Info(call.unifier.resolve(shape), call.dtype(0))]


def _labels(term: str, rank: int) -> tuple[str | None, slice]:
    """Return a term's letters, and the axes its ellipsis stands for."""
    head, dots, tail = term.partition("...")
    hidden = rank - len(head) - len(tail)
    if hidden < 0 or (hidden and not dots):
        return None, slice(0, 0)
    return head + tail, slice(len(head), len(head) + hidden)


def _einsum_output(term: str, sizes: dict[str, Dim], extra: Dims) -> Dims | None:
    head, dots, tail = term.partition("...")
    if any(c not in sizes for c in head + tail):
        return None
    middle = extra if dots else ()
    return (*(sizes[c] for c in head), *middle, *(sizes[c] for c in tail))


TABLE: dict[str, Infer] = {
    "MatMul": _matmul,
    "MatMulInteger": _matmul_integer,
    "QLinearMatMul": _q_linear_matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
}
CONTRIB: dict[str, Infer] = {
    "FusedMatMul": _fused_matmul,
    "TransposeMatMul": _fused_matmul,
    "FusedGemm": _gemm,
    "MatMulNBits": _matmul_nbits,
    "MatMulBnb4": _matmul_nbits,
    "MatMulIntegerToFloat": _matmul_integer_to_float,
    "DynamicQuantizeMatMul": _dynamic_quantize_matmul,
}
