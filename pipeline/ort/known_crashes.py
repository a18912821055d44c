"""Rewrites of ONNX Runtime that crash the process on some graphs, so that they are left out."""

from __future__ import annotations

from pathlib import Path

from pipeline.onnx_bytes import weight_types

# Seen with 1.32.0: NchwcTransformer, which serves float32 convolutions, ends the process with
# SIGSEGV while loading Transpose<perm=[1, 0, 2]> -> MatMul in float16.
HALF = ("NchwcTransformer",)
_FLOAT16 = 10  # of TensorProto.DataType


def crashing_rewrites(path: Path) -> tuple[str, ...]:
    """Return the rewrites that may crash on this file: some for a graph with float16 weights.

    A file that cannot be read as a model has none; the runtime will say what is wrong with it.
    """
    try:
        return HALF if _FLOAT16 in weight_types(path) else ()
    except (OSError, ValueError):
        return ()
