"""What each precision can hold, and which operators need more than that.

The low type is for the operators that cost time and memory: matrix products, attention and what
flows between them. Reductions, exponentials, roots and angles stay float32, since their results
cancel, grow or wrap. Native normalizations compute in float32 inside (stash_type 1), so they may
take and give the low type without a Cast. What is left goes wherever it saves Casts.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.errors import UsageError
from pipeline.operators import ATTENTIONS, CONTROL_FLOW, NORMS, QUANTISERS, RANDOM

FLEXIBLE = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
"""Element types that typing may exchange for one another."""


@dataclass(frozen=True)
class Limits:
    """What a low type holds.

    Attributes:
        dtype: The type.
        largest: Its largest finite number.
        normal: Its smallest number with full precision.
        exact: All whole numbers up to here are exact.
        mask: The magnitude masks get: two of them and the scores still add up to a finite sum.
    """

    dtype: ir.DataType
    largest: float
    normal: float
    exact: int
    mask: float


LIMITS = {
    "fp16": Limits(ir.DataType.FLOAT16, 65504.0, 2.0**-14, 2**11, 30000.0),
    "bf16": Limits(ir.DataType.BFLOAT16, 3.3895313892515355e38, 2.0**-126, 2**8, 1.5e38),
}

MARGIN = 4.0
"""Ranges are seen on some inputs; others may go this much further."""

HEAVY = ATTENTIONS | {
    "MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "FusedMatMul", "PackedAttention",
    "RotaryEmbedding",
}  # fmt: skip
"""Worth the low type by themselves."""

WIDE_INSIDE = NORMS | {"GroupNormalization"}
"""They compute in float32 whatever the type at their ends."""

SENSITIVE = {
    **dict.fromkeys(("Softmax", "LogSoftmax", "Exp", "Log", "Hardmax"), "exponentials"),
    **dict.fromkeys(
        ("ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2", "ReduceL1", "ReduceProd",
         "ReduceLogSumExp", "CumSum", "GlobalAveragePool", "AveragePool"),
        "a reduction",
    ),
    **dict.fromkeys(("Pow", "Sqrt", "Reciprocal", "LpNormalization"), "a root or power"),
    **dict.fromkeys(("InstanceNormalization", "BatchNormalization"), "a normalization"),
    **dict.fromkeys(("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Mod"), "angles"),
}  # fmt: skip
"""They stay float32, and why."""

OPAQUE = CONTROL_FLOW | QUANTISERS | RANDOM | {
    "SequenceMap", "Resize", "Upsample", "NonMaxSuppression", "STFT", "DFT", "MelWeightMatrix",
    "HannWindow", "HammingWindow", "BlackmanWindow", "RoiAlign", "EyeLike", "MatMulNBits",
    "SequenceConstruct", "SequenceAt", "ConcatFromSequence", "SplitToSequence",
}  # fmt: skip
"""Left as they are in the file, at float32: their inputs have types of their own."""


def limits_of(precision: str) -> Limits | None:
    """Return the low type of a precision, None for fp32.

    Raises:
        UsageError: The precision is not one that a graph can be typed to.
    """
    if precision == "fp32":
        return None
    if precision not in LIMITS:
        raise UsageError(
            f"--precision {precision} is not available yet",
            fix="fp32, fp16, bf16, int8, int8-weights or int4; graphs quantized elsewhere "
            "(Q/DQ) are built as they are",
        )
    return LIMITS[precision]
