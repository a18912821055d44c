"""Element types against targets: what each compute capability can run (strongly typed)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import onnx_ir as ir

from pipeline.builder.seen import Finding, Seen

_T = ir.DataType
_NEVER = {
    _T.UINT4: "UINT4",
    _T.FLOAT8E5M2: "FP8 E5M2",
    _T.FLOAT8E8M0: "E8M0",
    _T.FLOAT8E4M3FNUZ: "FP8 E4M3FNUZ",
    _T.FLOAT8E5M2FNUZ: "FP8 E5M2FNUZ",
    _T.STRING: "text",
    _T.COMPLEX64: "complex numbers",
    _T.COMPLEX128: "complex numbers",
}
_SINCE = {
    _T.BFLOAT16: ((8, 0), "bfloat16"),
    _T.INT4: ((8, 0), "INT4"),
    _T.FLOAT8E4M3FN: ((8, 9), "FP8 E4M3"),
    _T.FLOAT4E2M1: ((12, 0), "FP4 E2M1"),
}
_FIX = "drop those targets from --computeCapabilities, or choose another --precision"


def check_types(seen: Seen, targets: Sequence[str]) -> Iterator[Finding]:
    """Yield one finding per type that some target, or the parser, cannot take."""
    reported: set[ir.DataType] = set()
    capabilities = [tuple(int(p) for p in t.split(".")) for t in targets]
    for value, finding in _values(seen):
        dtype = seen.dtype(value)
        if dtype is None or dtype in reported:
            continue
        reported.add(dtype)
        if dtype in _NEVER:
            yield finding(f"the parser has no type for {_NEVER[dtype]}", "")
        elif dtype in _SINCE:
            since, word = _SINCE[dtype]
            short = [t for t, c in zip(targets, capabilities, strict=True) if c < since]
            if short:
                yield finding(f"{', '.join(short)} cannot run {word}", _FIX)
    if (7, 5) in capabilities:
        yield from _float32_products(seen)


def _float32_products(seen: Seen) -> Iterator[Finding]:
    """Turing has no float32 GEMM in this compiler; the first product is enough to say so."""
    for node in seen.nodes:
        if node.op_type not in ("MatMul", "Gemm", "Attention"):
            continue
        if seen.dtype(node.inputs[0]) == _T.FLOAT:
            yield seen.finding(
                "error", node, "7.5 cannot run float32 matrix products", "drop 7.5, or fp16"
            )
            return


def _values(seen: Seen) -> Iterator[tuple[ir.Value, Callable[[str, str], Finding]]]:
    """Yield every value, and what makes an error about it from words and a remedy."""
    for value in (*seen.model.graph.inputs, *seen.model.graph.initializers.values()):
        yield value, partial(_about_value, value)
    for node in seen.nodes:
        for value in node.outputs:
            yield value, partial(seen.finding, "error", node)


def _about_value(value: ir.Value, what: str, fix: str) -> Finding:
    return Finding("error", what, value.name or "", "", fix)
