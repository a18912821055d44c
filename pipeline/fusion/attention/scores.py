"""From a Softmax up to the product of queries and keys, and what happens on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.views.contraction import Contraction, contraction_of
from pipeline.graph.views.view import is_layout

StepKind = Literal["layout", "scale", "row_scale", "add", "keep", "gate", "cap", "floor", "sink"]
MAX_STEPS = 32


@dataclass(frozen=True)
class Step:
    """One node between the product and the softmax, seen from the product.

    Attributes:
        kind: What it does to the scores. `gate` multiplies them by a mask of zeros and ones,
            which a later `add` must push down where it is zero.
        node: The node (the last one for a soft-cap).
        other: The operand that is not the scores: bias, condition, row scale or sink.
        number: The scale, the fill value, the cap or the sign of a bias.
        inverted: For `keep`: the condition is True where scores are *dropped*.
    """

    kind: StepKind
    node: ir.Node
    other: ir.Value | None = None
    number: float = 1.0
    inverted: bool = False


@dataclass(frozen=True)
class Path:
    """The product and the steps from it to the softmax, in that order."""

    product: Contraction
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Break:
    """Why no path was found: the deepest node reached and the condition that failed there."""

    depth: int
    node: ir.Node | None
    reason: str


def find_path(value: ir.Value, facts: Facts, depth: int = 0) -> Path | Break:
    """Return the way from `value` up to a product of two tensors, or where it ends."""
    node = value.producer()
    if node is None:
        return Break(depth, None, "the scores come from outside, not from a product of two tensors")
    if depth > MAX_STEPS:
        return Break(depth, node, f"no product of two tensors within {MAX_STEPS} operators")
    product = contraction_of(node, facts)
    if product is not None:
        if any(is_projection_weight(x, facts) for x in product.operands):
            return Break(
                depth, node, "the scores are a projection by a weight, not queries times keys"
            )
        return Path(product, ())
    options = [s for i in range(len(node.inputs)) if (s := _step(node, i, facts)) is not None]
    if not options:
        return Break(
            depth, node, f"{node.op_type} between queries*keys and the softmax is not understood"
        )
    found: list[Path] = []
    breaks: list[Break] = []
    for source, step in options:
        result = find_path(source, facts, depth + 1)
        if isinstance(result, Path):
            found.append(Path(result.product, (*result.steps, step)))
        else:
            breaks.append(result)
    if found:
        return min(found, key=_reluctance)
    return max(breaks, key=lambda b: b.depth)


def _reluctance(path: Path) -> tuple[int, int]:
    """Prefer the operand whose product spans rows and keys: no axis inserted, few steps."""
    widened = sum(s.node.op_type in ("Unsqueeze", "Expand") for s in path.steps)
    return widened, len(path.steps)


def _step(node: ir.Node, i: int, facts: Facts) -> tuple[ir.Value, Step] | None:
    """Return (scores operand, step) when input i of the node can carry the scores."""
    value = node.inputs[i]
    if value is None or node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type == "Concat":
        return _sink(node, i)
    if i == 0 and (is_layout(node, facts) or _is_transparent(node, facts)):
        return value, Step("layout", node)
    match node.op_type:
        case "Mul" | "Div":
            return _scale(node, i, facts)
        case "Add" | "Sub":
            return _bias(node, i, facts)
        case "Where":
            return _where(node, i, facts)
        case "Max" | "Clip":
            low = node.inputs[1 - i] if len(node.inputs) == 2 and i < 2 else None
            number = facts.scalar(low) if low is not None else None
            return (value, Step("floor", node, number=number)) if number is not None else None
    return None


def _is_transparent(node: ir.Node, facts: Facts) -> bool:
    if node.op_type == "Dropout":
        return True
    if node.op_type != "Cast" or node.inputs[0] is None:
        return False
    kinds = (facts.dtype(node.inputs[0]), facts.dtype(node.outputs[0]))
    return all(kind is not None and kind.is_floating_point() for kind in kinds)


def _scale(node: ir.Node, i: int, facts: Facts) -> tuple[ir.Value, Step] | None:
    value, other = node.inputs[i], node.inputs[1 - i]
    assert value is not None
    if other is None or (node.op_type == "Div" and i == 1):
        return None
    cap = _soft_cap(node, value, other, facts)
    if cap is not None:
        return cap
    number = facts.scalar(other)
    if number is not None:
        if node.op_type == "Div" and number == 0.0:
            return None
        factor = 1.0 / number if node.op_type == "Div" else number
        return value, Step("scale", node, number=factor)
    shape = facts.shape(other)
    if node.op_type == "Mul" and shape is not None and (not shape or shape[-1] == 1):
        return value, Step("row_scale", node, other)
    return (value, Step("gate", node, other)) if node.op_type == "Mul" else None


def _soft_cap(
    node: ir.Node, value: ir.Value, other: ir.Value, facts: Facts
) -> tuple[ir.Value, Step] | None:
    """Match cap * tanh(x / cap), the division written either way."""
    tanh = value.producer()
    cap = facts.scalar(other)
    if node.op_type != "Mul" or tanh is None or tanh.op_type != "Tanh" or not cap:
        return None
    inner = tanh.inputs[0].producer() if tanh.inputs[0] is not None else None
    if inner is None or inner.op_type not in ("Mul", "Div"):
        return None
    for j in (0, 1):
        scores, divisor = inner.inputs[j], inner.inputs[1 - j]
        number = facts.scalar(divisor) if divisor is not None else None
        if scores is None or not number or (inner.op_type == "Div" and j == 1):
            continue
        if inner.op_type == "Mul":
            number = 1.0 / number
        if math.isclose(number, cap, rel_tol=1e-5):
            return scores, Step("cap", node, number=cap)
    return None


def _bias(node: ir.Node, i: int, facts: Facts) -> tuple[ir.Value, Step] | None:
    value, other = node.inputs[i], node.inputs[1 - i]
    assert value is not None
    if other is None:
        return None
    if node.op_type == "Add":
        return value, Step("add", node, other)
    if i == 1:
        return None
    producer = other.producer()
    if producer is not None and producer.op_type == "ReduceMax" and producer.inputs[0] is value:
        return value, Step("floor", node, number=-math.inf)
    return value, Step("add", node, other, number=-1.0)


def _where(node: ir.Node, i: int, facts: Facts) -> tuple[ir.Value, Step] | None:
    condition, value = node.inputs[0], node.inputs[i]
    other = node.inputs[3 - i] if i else None
    fill = facts.scalar(other) if other is not None else None
    if condition is None or value is None or fill is None:
        return None
    return value, Step("keep", node, condition, number=fill, inverted=i == 2)


def _sink(node: ir.Node, i: int) -> tuple[ir.Value, Step] | None:
    """Match Concat(scores, sink) on the last axis."""
    value, axis = node.inputs[0], node.attributes["axis"].as_int()
    if i or value is None or len(node.inputs) != 2 or node.inputs[1] is node.inputs[0]:
        return None
    rank = len(value.shape) if value.shape is not None else None
    if axis not in (-1, 3) or (axis == 3 and rank not in (4, None)):
        return None
    return value, Step("sink", node, node.inputs[1])


def is_projection_weight(value: ir.Value, facts: Facts) -> bool:
    """Whether the value is a constant matrix: an operand of a projection, not keys or queries."""
    shape = facts.shape(value)
    if shape is None or sum(dim != 1 for dim in shape) > 2:
        return False
    while (node := value.producer()) is not None:
        if not (is_layout(node, facts) or node.op_type in ("Cast", "DequantizeLinear")):
            return node.op_type == "Constant"
        source = node.inputs[0]
        assert source is not None
        value = source
    return value.is_initializer() or value.const_value is not None
