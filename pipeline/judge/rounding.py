"""Rounding after each node, for the modes that model a narrower type.

A kernel of a rounding mode sees float32 in place of float16 and bfloat16, and its results
go back to the type the operator's definition gives them: nearly always the type of its
first floating input.
"""

from __future__ import annotations

from typing import Any

import torch

from pipeline.judge.dtypes import HALF, WIDE
from pipeline.judge.op import Kernel, Op

# Operators that only move or choose values, or that name their result type themselves.
_EXACT = (
    "Identity Reshape Transpose Squeeze Unsqueeze Flatten Expand Concat Split Slice Tile Shape "
    "Size DepthToSpace SpaceToDepth Gather GatherElements GatherND Compress NonZero TensorScatter "
    "Where Trilu Cast CastLike ConstantOfShape EyeLike Equal Greater Less GreaterOrEqual "
    "LessOrEqual And Or Xor Not IsNaN IsInf TopK OneHot Dropout Max Min Relu Neg Abs Pad "
    "If Loop Scan QuantizeLinear ArgMax ArgMin ReverseSequence SequenceConstruct SequenceAt "
    "SequenceEmpty SequenceInsert SequenceErase SequenceLength SplitToSequence "
    "ConcatFromSequence Optional OptionalHasElement OptionalGetElement"
)
EXACT = frozenset(_EXACT.split())
# The input whose type the result has, where that is not the first floating one.
_TYPED_BY = {"RMSNormalization": 1, "SimplifiedLayerNormalization": 1, "DequantizeLinear": 1}
# Statistics keep the stash type, float32 unless the node says otherwise.
_STASHED = {
    "LayerNormalization": (1, 2),
    "SimplifiedLayerNormalization": (1,),
    "SkipLayerNormalization": (1, 2),
    "SkipSimplifiedLayerNormalization": (1, 2),
}


def rounded(op: Op, kernel: Kernel) -> Kernel:
    """Return the kernel with float32 in place of halves inside and its results rounded."""
    if op.kind in EXACT:
        return kernel
    typed_by = _TYPED_BY.get(op.kind)
    stash, stashed = op.held(op.get("stash_type", 1)), _STASHED.get(op.kind, ())
    code = op.get("output_dtype") or op.get("dtype")
    fixed = op.held(code) if code else None

    def call(*inputs: Any) -> Any:
        kinds = [x.dtype for x in inputs if isinstance(x, torch.Tensor) and x.dtype in WIDE]
        if fixed is None and not HALF.intersection(kinds):
            return kernel(*inputs)
        result = kernel(*[_widened(x) for x in inputs])
        target = fixed or (kinds[0] if typed_by is None else inputs[typed_by].dtype)
        if not isinstance(result, tuple):
            return _narrowed(result, target)
        return tuple(_narrowed(y, stash if i in stashed else target) for i, y in enumerate(result))

    return call


def _widened(x: Any) -> Any:
    return x.float() if isinstance(x, torch.Tensor) and x.dtype in HALF else x


def _narrowed(y: Any, dtype: torch.dtype) -> Any:
    if isinstance(y, torch.Tensor) and y.dtype in WIDE and y.dtype != dtype:
        return y.to(dtype)
    return y
