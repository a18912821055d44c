"""Claims on graphs: their type, their fused attentions, their interface; read from the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir

from pipeline.artifacts import Artifact
from pipeline.claims.ledger import judge
from pipeline.graph.files.model_file import load_model
from pipeline.graph.inference.facts import Facts
from pipeline.operators import ATTENTIONS
from pipeline.records.claim import Claim
from pipeline.records.export import ExportedPart, ExportRecord
from pipeline.records.optimize import GraphRecord, OptimizedPart, OptimizeRecord
from pipeline.types import ROUNDED

PRODUCTS = ATTENTIONS | {"MatMul", "Gemm", "Conv", "FusedMatMul"}
ROUNDED_PRODUCTS = frozenset({"MatMulNBits", "MatMulInteger", "MatMulIntegerToFloat"})
_TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_WORDS = {"FLOAT": "float32", "FLOAT16": "float16", "BFLOAT16": "bfloat16", "DOUBLE": "float64"}


def graph_claims(artifact: Artifact, exported: ExportRecord | None) -> Iterator[Claim]:
    """Yield the claims of one `optimize.<variant>` artifact, part by part."""
    record = OptimizeRecord.of(artifact)
    for name, part in record.parts.items():
        model = load_model(artifact.path(part.file))
        stem = Path(part.file).stem
        if record.precision in ROUNDED:
            yield rounded_claim(stem, model, record.precision, part, part.file)
        else:
            yield precision_claim(stem, model, record.precision, part, part.file)
        yield from _fused(stem, model, part)
        known = exported.parts.get(name) if exported is not None else None
        if known is not None:
            yield from _interface(stem, model, known, part.file)
    for gate in record.gates:
        yield judge(
            f"--require {gate.gate}",
            gate.found >= gate.wanted,
            f"{gate.found} fused, {gate.wanted} wanted",
        )


def precision_claim(
    name: str, model: ir.Model, precision: str, part: OptimizedPart, file: str
) -> Claim:
    """Return whether the matrix products have the promised type, islands aside."""
    counts = product_types(model)
    wanted = _TYPES.get(precision, precision)
    excused = sum(
        island.count * sum(n for op, n in island.operators.items() if op in PRODUCTS)
        for island in (part.typing.islands if part.typing is not None else ())
    )
    others = sum(n for dtype, n in counts.items() if dtype != wanted)
    found = ", ".join(f"{n} in {dtype}" for dtype, n in counts.most_common()) or "none"
    evidence = f"matrix products: {found}"
    if excused:
        evidence += f"; {excused} of them in float32 islands, listed with their reasons"
    return judge(f"{name} is {precision}", others <= excused, evidence, file)


def rounded_claim(
    name: str, model: ir.Model, precision: str, part: GraphRecord, file: str = ""
) -> Claim:
    """Return whether as many products as promised read rounded weights, the rest being told."""
    promised = sum(
        site.state == "fused" for site in part.sites
        if site.construct == "linear" and not site.anchor.startswith("Gather ")
    )  # fmt: skip
    found = sum(_reads_codes(node) for node in model.graph.all_nodes())
    left = part.count("linear").plain + part.count("linear").refused
    evidence = f"{found} products with rounded weights, {promised} promised"
    if left:
        evidence += f"; {left} sites stay float32, listed with their reasons"
    return judge(f"{name} is {precision}", found >= promised, evidence, file)


def _reads_codes(node: ir.Node) -> bool:
    """Whether a node is a product with stored integers, itself or through their widening."""
    if node.op_type in ROUNDED_PRODUCTS:
        return node.inputs[1] is not None and node.inputs[1].is_initializer()
    if node.op_type != "MatMul" or len(node.inputs) < 2 or node.inputs[1] is None:
        return False
    wide = node.inputs[1].producer()
    if wide is None or wide.op_type != "DequantizeLinear" or wide.inputs[0] is None:
        return False
    return wide.inputs[0].is_initializer()


def product_types(model: ir.Model) -> Counter[str]:
    """Return how many matrix products and attentions run in each floating type."""
    facts: Facts | None = None
    counts: Counter[str] = Counter()
    for node in model.graph.all_nodes():
        if node.op_type not in PRODUCTS or node.inputs[0] is None:
            continue
        dtype = node.inputs[0].dtype
        if dtype is None:
            facts = facts or Facts(model)
            dtype = facts.dtype(node.inputs[0])
        if dtype is None or dtype.is_floating_point():
            counts[_WORDS.get(dtype.name, dtype.name) if dtype else "unknown"] += 1
    return counts


def _fused(name: str, model: ir.Model, part: OptimizedPart) -> Iterator[Claim]:
    promised = part.count("attention").fused
    if promised:
        found = sum(n.op_type in ATTENTIONS for n in model.graph.all_nodes())
        evidence = f"{found} attention operators in the file"
        yield judge(f"{name}: {promised} attentions fused", found >= promised, evidence, part.file)


def _interface(name: str, model: ir.Model, known: ExportedPart, file: str) -> Iterator[Claim]:
    weights = model.graph.initializers
    for kind, told, values in (
        ("inputs", known.inputs, model.graph.inputs),
        ("outputs", known.outputs, model.graph.outputs),
    ):
        wanted = [entry.name for entry in told]
        if not wanted:
            continue
        found = [v.name for v in values if kind == "outputs" or v.name not in weights]
        lost = sorted(set(wanted) ^ {str(n) for n in found})
        evidence = f"{len(found)} {kind}" + (f"; not the same: {', '.join(lost)}" if lost else "")
        yield judge(f"{name}: {kind} keep their names", not lost, evidence, file)
