"""Reading a network: parse errors as rows, inputs and outputs, and its attentions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.builder.request import ParserRow
from pipeline.records.engine import AttentionRow
from pipeline.records.tensors import TensorSpec


def create_network(trt: ModuleType, builder: Any) -> Any:
    """Return an empty strongly typed network; TensorRT 10 must be told, 11 and RTX are always."""
    flags = getattr(trt, "NetworkDefinitionCreationFlag", None)
    strong = getattr(flags, "STRONGLY_TYPED", None)
    if strong is None or not str(trt.__version__).startswith("10."):
        return builder.create_network(0)
    return builder.create_network(1 << int(strong))


def set_targets(trt: ModuleType, config: Any, targets: Sequence[str]) -> None:
    """Aim a configuration at these compute capabilities, where the flavour can (RTX)."""
    if targets and hasattr(trt, "ComputeCapability"):
        config.num_compute_capabilities = len(targets)
        for i, target in enumerate(targets):
            name = "SM" + target.replace(".", "")
            config.set_compute_capability(getattr(trt.ComputeCapability, name), i)


def parse(
    trt: ModuleType, builder: Any, logger: Any, path: Path
) -> tuple[Any, Any, list[ParserRow]]:
    """Return network, parser (keep it: it owns the weights) and the errors, if any."""
    network = create_network(trt, builder)
    parser = trt.OnnxParser(network, logger)
    good = parser.parse_from_file(str(path))
    errors = [parser.get_error(i) for i in range(parser.num_errors)]
    rows = [
        ParserRow(
            code=str(e.code()).rpartition(".")[2],
            text=e.desc(),
            node=e.node_name() if e.node() >= 0 else "",
            operator=e.node_operator() if e.node() >= 0 else "",
        )
        for e in errors
    ]
    if not good and not rows:
        rows = [ParserRow("UNKNOWN", "the parser refused the file without a reason", "", "")]
    return network, parser, [] if good else rows


def tensors(count: int, get: Callable[[int], Any]) -> list[TensorSpec]:
    """Return the rows of the network's inputs or outputs."""
    found = [get(i) for i in range(count)]
    return [TensorSpec(t.name, dtype_name(t.dtype), shape_of(t)) for t in found]


def attentions(trt: ModuleType, network: Any) -> list[tuple[Any, AttentionRow]]:
    """Return every attention as its input layer and a row describing it."""
    found = []
    for i in range(network.num_layers):
        layer = network.get_layer(i)
        if layer.type == trt.LayerType.ATTENTION_INPUT:
            # get_layer returns the base class; only the derived one knows its attention.
            layer.__class__ = trt.IAttentionInputLayer
            found.append((layer, _describe(trt, layer)))
    return found


def _describe(trt: ModuleType, layer: Any) -> AttentionRow:
    attention = layer.attention
    query, key, mask = attention.get_input(0), attention.get_input(1), attention.mask
    return AttentionRow(
        name=attention.name or layer.name,
        dtype=dtype_name(query.dtype),
        query=shape_of(query),
        key=shape_of(key),
        mask=f"{dtype_name(mask.dtype)} {list(shape_of(mask))}" if mask is not None else "",
        causal=is_causal(trt, attention),
        dedicated=None,
        reason="",
    )


def is_causal(trt: ModuleType, attention: Any) -> bool:
    """Return whether the operator masks the future; 10 has a bool, later ones a kind."""
    if hasattr(attention, "causal_kind"):
        return bool(attention.causal_kind != trt.CausalMaskKind.NONE)
    return bool(attention.causal)


def shape_of(tensor: Any) -> tuple[int, ...]:
    """Return a tensor's shape, () when its rank is not known yet."""
    try:
        return tuple(int(d) for d in tensor.shape)
    except ValueError:
        return ()


def dtype_name(dtype: Any) -> str:
    """Return `float16` and the like, numpy's words where numpy has them."""
    names = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16"}
    short = str(dtype).rpartition(".")[2]
    return names.get(short, short.lower())
