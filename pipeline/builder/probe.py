"""Whether an attention has a dedicated kernel, asked of the builder through its public API.

Each distinct form (dtype, head count and size, which axes are dynamic, mask, causal) is built
alone with decomposition forbidden: success means a dedicated kernel, refusal means GEMM, softmax
and GEMM. The engine's format is not read. Forms are built in turn in this same child.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from pipeline.builder.network import create_network, set_targets
from pipeline.records.engine import AttentionRow

_RANGES = ((1, 2, 4), (1, 8, 8), (1, 64, 128), (1, 64, 128))
"""min, opt, max for a dynamic batch, head count, length and key length."""
_HEADS = 8
_TYPES = {"float32": "FLOAT", "float16": "HALF", "bfloat16": "BF16", "bool": "BOOL"}
_SIZES = (9, 256)
"""Head sizes for which kernels have been seen."""


def probe(
    trt: ModuleType,
    builder: Any,
    rows: Sequence[AttentionRow],
    targets: Sequence[str],
    errors: list[str],
) -> Iterator[AttentionRow]:
    """Yield every row with `dedicated` and `reason` filled in.

    Args:
        trt: The bindings.
        builder: A builder of theirs.
        rows: The network's attentions.
        targets: Compute capabilities the answer must hold for.
        errors: Where the builder's logger puts its error lines; read after each form.
    """
    answers: dict[tuple[object, ...], tuple[bool | None, str]] = {}
    for row in rows:
        form = (row.dtype, row.query, row.key, row.mask, row.causal)
        if form not in answers:
            errors.clear()
            built = _build_alone(trt, builder, row, targets)
            answers[form] = _answer(row, built, errors)
        dedicated, reason = answers[form]
        yield replace(row, dedicated=dedicated, reason=reason)


def _answer(row: AttentionRow, built: bool, errors: Sequence[str]) -> tuple[bool | None, str]:
    if built:
        return True, ""
    if any("dedicated kernel" in line for line in errors):
        return False, f"{_why(row)}: it runs as GEMM, softmax, GEMM"
    return None, "the probe failed: " + (errors[0] if errors else "the builder gave no reason")


def _why(row: AttentionRow) -> str:
    """Return what is known to stand in the way; the builder itself gives no reason."""
    if row.dtype == "float32":
        return "no dedicated kernel for float32"
    if row.query[3] > 0 and not _SIZES[0] <= row.query[3] <= _SIZES[1]:
        return f"no dedicated kernel for head size {row.query[3]}, only {_SIZES[0]} to {_SIZES[1]}"
    return "no dedicated kernel for this form on these targets"


def _build_alone(trt: ModuleType, builder: Any, row: AttentionRow, targets: Sequence[str]) -> bool:
    network = create_network(trt, builder)
    config = builder.create_builder_config()
    set_targets(trt, config, targets)
    profile = builder.create_optimization_profile()
    heads = _heads(row.query, row.key)
    kind = getattr(trt.DataType, _TYPES[row.dtype])
    query = _input(network, profile, "q", kind, _fixed(row.query, heads[0]), length_axis=2)
    keys = _fixed(row.key, heads[1])
    key = _input(network, profile, "k", kind, keys, length_axis=3)
    value = _input(network, profile, "v", kind, keys, length_axis=3)
    attention = _add(trt, network, (query, key, value), row.causal)
    if row.mask:
        dtype, _, dims = row.mask.partition(" ")
        shape = tuple(int(d) for d in dims.strip("[]").split(","))
        if len(shape) == 4 and shape[1] < 0:
            shape = _fixed(shape, heads[0])
        mask_kind = getattr(trt.DataType, _TYPES[dtype])
        attention.mask = _input(network, profile, "mask", mask_kind, shape, length_axis=2)
    attention.decomposable = False
    network.mark_output(attention.get_output(0))
    if config.add_optimization_profile(profile) < 0:
        return False
    return builder.build_serialized_network(network, config) is not None


def _heads(query: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, int]:
    """Return head counts; where the network leaves both open they are taken to be equal."""
    known = next((n for n in (query[1], key[1]) if n > 0), _HEADS)
    return (query[1] if query[1] > 0 else known, key[1] if key[1] > 0 else known)


def _fixed(shape: tuple[int, ...], heads: int) -> tuple[int, ...]:
    """Return [batch, heads, length, size] with the head count set; the builder insists on one."""
    return (shape[0], heads if shape[1] < 0 else shape[1], *shape[2:])


def _add(trt: ModuleType, network: Any, inputs: tuple[Any, Any, Any], causal: bool) -> Any:
    softmax = trt.AttentionNormalizationOp.SOFTMAX
    if hasattr(network, "add_attention_v2"):
        kinds = trt.CausalMaskKind
        return network.add_attention_v2(
            *inputs, softmax, kinds.UPPER_LEFT if causal else kinds.NONE
        )
    return network.add_attention(*inputs, softmax, causal)


def _input(
    network: Any, profile: Any, name: str, dtype: Any, shape: tuple[int, ...], length_axis: int
) -> Any:
    """Add one probe input; dynamic axes get ranges that agree between Q, K, V and the mask."""
    order = (0, 1, length_axis, 3)[4 - len(shape) :]
    ends: list[list[int]] = [[], [], []]
    for axis, size in enumerate(shape):
        values = _RANGES[order[axis]] if size < 0 else (size, size, size)
        for end, value in zip(ends, values, strict=True):
            end.append(value)
    tensor = network.add_input(name, dtype, shape)
    if any(size < 0 for size in shape):
        profile.set_shape(name, *(tuple(e) for e in ends))
    return tensor
