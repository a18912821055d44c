"""What the builder would refuse or die of, found on the graph in milliseconds and named.

The builder's own messages often lack the node (attention without a kernel), come after minutes, or
never come (a crash). Everything here is checked on the graph alone; no TensorRT is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import onnx_ir as ir

from pipeline.builder.preflight_attention import (
    check_attention,
    check_rotary,
    check_shared_operands,
)
from pipeline.builder.preflight_types import check_types
from pipeline.builder.seen import Finding, Seen
from pipeline.errors import BadModelError

_KNOWN_OPSET = 26
_PRODUCED = "`pipeline optimize --target tensorrt` writes the standard form"

_REFUSED_STANDARD = {
    "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv", "DFT",
    "Unique", "Compress", "BitwiseAnd", "BitwiseOr", "BitwiseNot", "BitwiseXor", "BitShift", "Det",
    "SequenceConstruct", "SequenceAt", "SequenceEmpty", "SequenceInsert", "SplitToSequence",
    "ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement", "StringSplit",
    "StringNormalizer", "NonZero", "FlexAttention", "SwiGLU",
}  # fmt: skip
_REFUSED_CONTRIB = {
    "Attention", "SkipLayerNormalization", "EmbedLayerNormalization", "FastGelu", "BiasGelu",
    "QuickGelu", "FusedMatMul", "PackedMultiHeadAttention", "PackedAttention", "QAttention", "MoE",
    "QMoE", "GroupQueryAttention", "MatMulNBits", "DecoderMaskedMultiHeadAttention",
    "FusedGemm", "FusedConv", "BiasSplitGelu", "LongformerAttention",
}  # fmt: skip


def preflight(seen: Seen, targets: Sequence[str], folder: Path | None = None) -> list[Finding]:
    """Return everything the builder would refuse, errors first.

    Args:
        seen: The model and what is known of its values.
        targets: Compute capabilities the plan is for; empty checks no hardware.
        folder: Where external data lies; None skips that check.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _check_opset(seen.model),
        lambda: _check_operators(seen),
        lambda: check_attention(seen),
        lambda: check_shared_operands(seen),
        lambda: check_rotary(seen),
        lambda: check_types(seen, targets),
        lambda: _check_external(seen.model, folder),
    ]
    found = [finding for check in checks for finding in check()]
    return sorted(found, key=lambda f: f.level != "error")


def refuse(findings: Sequence[Finding], where: str) -> None:
    """Raise for the first error among the findings, with the number of others.

    Raises:
        BadModelError: There is at least one error.
    """
    errors = [f for f in findings if f.level == "error"]
    if errors:
        first = errors[0]
        others = f" ({len(errors) - 1} more findings like it)" if len(errors) > 1 else ""
        place = ", ".join(filter(None, [where, first.node and f"node {first.node}", first.path]))
        raise BadModelError(first.what + others, where=place, fix=first.fix)


def _check_opset(model: ir.Model) -> Iterator[Finding]:
    opset = model.opset_imports.get("", 0) or 0
    if opset > _KNOWN_OPSET:
        yield Finding(
            "warning",
            f"opset {opset} is newer than the parser knows ({_KNOWN_OPSET}); it will not say so",
            fix="export with --opset 23",
        )


def _check_operators(seen: Seen) -> Iterator[Finding]:
    functions = {(f.domain, f.name) for f in seen.model.functions.values()}
    for node in seen.nodes:
        if (node.domain, node.op_type) in functions:
            continue
        if node.domain in ("", "ai.onnx") and node.op_type in _REFUSED_STANDARD:
            yield seen.finding("error", node, f"the parser has no operator {node.op_type}")
        elif node.domain == "com.microsoft" and node.op_type in _REFUSED_CONTRIB:
            yield seen.finding(
                "error", node, f"the parser has no com.microsoft {node.op_type}", _PRODUCED
            )
        else:
            yield from _check_form(seen, node)


def _check_form(seen: Seen, node: ir.Node) -> Iterator[Finding]:
    """Forms of operators that are otherwise fine."""
    if node.domain not in ("", "ai.onnx"):
        return
    if node.op_type == "LayerNormalization":
        if any(o.uses() or o.is_graph_output() for o in node.outputs[1:]):
            yield seen.finding(
                "error", node, "LayerNormalization's Mean and InvStdDev outputs are used"
            )
    elif node.op_type in ("ScatterND", "ScatterElements"):
        reduction = node.attributes.get_string("reduction", "none")
        if node.op_type == "ScatterND" and reduction != "none":
            yield seen.finding("error", node, f"ScatterND with reduction={reduction}")
    elif (
        node.op_type == "TensorScatter"
        and node.attributes.get_string("mode", "linear") == "circular"
    ):
        yield seen.finding("error", node, "TensorScatter with mode=circular")


def _check_external(model: ir.Model, folder: Path | None) -> Iterator[Finding]:
    if folder is None:
        return
    sizes: dict[str, int | None] = {}
    for graph in (model.graph, *model.graph.subgraphs()):
        for value in graph.initializers.values():
            tensor = value.const_value
            if not isinstance(tensor, ir.ExternalTensor):
                continue
            name = str(tensor.location)
            if name not in sizes:
                path = folder / name
                sizes[name] = path.stat().st_size if path.is_file() else None
            size, end = sizes[name], (tensor.offset or 0) + (tensor.length or tensor.nbytes)
            if size is None or end > size:
                problem = "is missing" if size is None else f"has {size} bytes, {end} are needed"
                yield Finding(
                    "error",
                    f"the weights file {name} {problem}",
                    node=value.name or "",
                    fix="external data must lie beside the .onnx under the name it records",
                )
                return
