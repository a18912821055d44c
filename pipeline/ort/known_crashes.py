"""Rewrites of ONNX Runtime that crash the process on some graphs, so that they are left out."""

from __future__ import annotations

from pathlib import Path

# Seen with 1.32.0: NchwcTransformer, which serves float32 convolutions, ends the process with
# SIGSEGV while loading Transpose<perm=[1, 0, 2]> -> MatMul in float16.
HALF = ("NchwcTransformer",)


def crashing_rewrites(path: Path) -> tuple[str, ...]:
    """Return the rewrites that may crash on this file: some for a graph with float16 weights.

    A file that cannot be read as a model has none; the runtime will say what is wrong with it.
    """
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # of the file system or of protobuf, whose errors share no public base
        return ()
    half = any(x.data_type == onnx.TensorProto.FLOAT16 for x in model.graph.initializer)
    return HALF if half else ()
