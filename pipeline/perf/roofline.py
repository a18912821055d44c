"""What the graph costs at least: FLOPs and bytes counted per operator, against measured peaks.

An operator needs at least max(FLOPs / peak FLOPs, bytes / peak bandwidth). The sum over the graph
is the time it would take with every operator at its limit; time measured can be below that
only where operators are fused without the graph saying so. Bytes are what an operator reads and
writes; a lookup counts the rows it touches, a pure relabelling of a tensor counts nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from pipeline.operators import ATTENTIONS, GATHERS, RESHAPES
from pipeline.records.perf import ConstructLimit

if TYPE_CHECKING:
    import onnx_ir as ir

    from pipeline.graph.inference.facts import Facts

Shape = tuple[int, ...]

NORMS = {
    "LayerNormalization": 8, "SkipLayerNormalization": 9, "EmbedLayerNormalization": 10,
    "RMSNormalization": 5, "SimplifiedLayerNormalization": 5,
    "SkipSimplifiedLayerNormalization": 6, "GroupNormalization": 8,
}  # fmt: skip
ACTIVATIONS = {
    "Gelu": 10, "FastGelu": 10, "BiasGelu": 11, "QuickGelu": 6, "Swish": 6, "Relu": 1,
    "Sigmoid": 5, "Tanh": 6, "Erf": 8, "Silu": 6,
}  # fmt: skip
LOOKUPS = GATHERS | {"Slice", "GatherBlockQuantized"}
RELABEL = RESHAPES | {"Identity", "Shape", "Constant", "Size", "ConstantOfShape", "Range"}
MOVES = {"Transpose", "Concat", "Split", "Expand", "Cast", "Pad", "Tile", "Where", "TensorScatter"}
SOFTMAX_FLOPS = 5


@dataclass(frozen=True)
class Tensor:
    """Shape and bytes per element of one operand; `fixed` when it is a weight."""

    shape: Shape
    width: float
    fixed: bool = False

    @property
    def bytes(self) -> float:
        """Size in memory."""
        return prod(self.shape) * self.width


@dataclass(frozen=True)
class Cost:
    """FLOPs and bytes of one operator or of many."""

    construct: str
    flops: float
    bytes: float

    def limit_ms(self, peaks: Peaks) -> float:
        """Return the least time at these peaks."""
        return max(self.flops / peaks.flops, self.bytes / peaks.bytes) * 1e3


@dataclass(frozen=True)
class Peaks:
    """Best rates seen in this run.

    Attributes:
        flops: Multiply and add count as two, per second, in the precision measured.
        bytes: Read plus written, per second, at a working set like the model's.
    """

    flops: float
    bytes: float
    precision: str = "fp32"
    working_set_bytes: int = 0


def node_cost(
    op: str,
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
    attributes: Mapping[str, float],
) -> Cost:
    """Return what one operator computes and moves.

    Args:
        op: Operator type.
        inputs: Its operands, None where an optional one is absent.
        outputs: Its results.
        attributes: Its numeric attributes.
    """
    present = [tensor for tensor in inputs if tensor is not None]
    moved = sum(t.bytes for t in present) + sum(t.bytes for t in outputs)
    elements = float(prod(outputs[0].shape))
    if op in RELABEL:
        return Cost("layout", 0.0, 0.0)
    if op in LOOKUPS:
        fixed = bool(present and present[0].fixed)
        return Cost("embedding" if fixed else "layout", 0.0, 2 * sum(t.bytes for t in outputs))
    if op in ATTENTIONS:
        return Cost("attention", attention_flops(present, outputs, attributes), moved)
    if op in ("MatMul", "FusedMatMul", "Gemm", "MatMulNBits", "DynamicQuantizeMatMul"):
        linear = op not in ("MatMul", "FusedMatMul") or any(t.fixed for t in present)
        inner = attributes.get("K") or inner_size(present[0].shape, attributes)
        return Cost("linear" if linear else "attention", 2 * elements * inner, moved)
    if op == "Conv":
        return Cost("linear", 2 * elements * prod(present[1].shape[1:]), moved)
    if op == "Softmax":
        return Cost("attention", SOFTMAX_FLOPS * elements, moved)
    if op in NORMS:
        return Cost("norm", NORMS[op] * elements, moved)
    if op in ACTIVATIONS:
        return Cost("activation", ACTIVATIONS[op] * elements, moved)
    if op == "RotaryEmbedding":
        return Cost("rotary", 6 * elements, moved)
    return Cost("layout" if op in MOVES else "other", 0.0 if op in MOVES else elements, moved)


def inner_size(left: Shape, attributes: Mapping[str, float]) -> int:
    """Return the summed dimension of a product, read off its left operand."""
    return left[-2] if attributes.get("transA") and len(left) > 1 else left[-1]


def attention_flops(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], attributes: Mapping[str, float]
) -> float:
    """Return the FLOPs of both products; half of them when later keys are never seen.

    The keys' count is read off the present or past cache where there is one.
    """
    query, key = inputs[0].shape, inputs[1].shape if len(inputs) > 1 else inputs[0].shape
    caches = [t.shape for t in outputs[1:] if len(t.shape) == 4]
    keys = max([key[-2], *(shape[2] for shape in caches)])
    width = query[-1] * (query[1] if len(query) == 4 else 1)
    causal = attributes.get("is_causal") or attributes.get("unidirectional")
    square = causal and query[-2] == keys
    return 4.0 * query[0] * query[-2] * keys * width * (0.5 if square else 1.0)


def total(costs: Iterable[Cost]) -> dict[str, Cost]:
    """Return the sums by construct, the costliest first."""
    sums: dict[str, Cost] = {}
    for cost in costs:
        before = sums.get(cost.construct, Cost(cost.construct, 0.0, 0.0))
        sums[cost.construct] = Cost(
            cost.construct, before.flops + cost.flops, before.bytes + cost.bytes
        )
    return dict(sorted(sums.items(), key=lambda item: -item[1].flops))


@dataclass(frozen=True)
class Limits:
    """The least time of a graph, in all and per construct; nothing is measured yet."""

    flops: float
    bytes: float
    limit_ms: float
    constructs: tuple[ConstructLimit, ...]


def limits(costs: Collection[Cost], peaks: Peaks) -> Limits:
    """Return the table of the report: per construct and in total, with the least time."""
    least: dict[str, float] = {}
    for cost in costs:
        least[cost.construct] = least.get(cost.construct, 0.0) + cost.limit_ms(peaks)
    rows = tuple(
        ConstructLimit(
            construct=name,
            flops=cost.flops,
            bytes=cost.bytes,
            limit_ms=least[name],
            bound="compute" if cost.flops / peaks.flops > cost.bytes / peaks.bytes else "memory",
            measured_ms=None,
        )
        for name, cost in total(costs).items()
        if cost.flops or cost.bytes
    )
    return Limits(
        flops=sum(cost.flops for cost in costs),
        bytes=sum(cost.bytes for cost in costs),
        limit_ms=sum(least.values()),
        constructs=rows,
    )


def count(facts: Facts, model: ir.Model, sizes: Mapping[str, int]) -> tuple[dict[str, Cost], int]:
    """Return each node's cost at these sizes by name, and how many could not be counted."""
    costs: dict[str, Cost] = {}
    unknown = 0
    for node in model.graph.all_nodes():
        outputs = [tensor_of(facts, value, sizes) for value in node.outputs if value.name]
        inputs = [None if v is None else tensor_of(facts, v, sizes) for v in node.inputs]
        known = [tensor for tensor in outputs if tensor is not None]
        if not known or len(known) < len(outputs):
            unknown += 1
            continue
        numbers = {
            name: float(attribute.value)
            for name, attribute in node.attributes.items()
            if isinstance(attribute.value, int | float)
        }
        name = node.name or f"node {len(costs)}"
        costs[name] = node_cost(node.op_type, inputs, known, numbers)
    return costs, unknown


def tensor_of(facts: Facts, value: ir.Value, sizes: Mapping[str, int]) -> Tensor | None:
    """Return a value's concrete shape and width, None when the graph does not tell."""
    shape, dtype = facts.shape(value), facts.dtype(value)
    if shape is None or dtype is None:
        return None
    try:
        numbers = tuple(dim.evaluate(sizes) for dim in shape)
    except KeyError:
        return None
    return Tensor(numbers, dtype.itemsize, facts.is_const(value))
