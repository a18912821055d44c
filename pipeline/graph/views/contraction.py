"""MatMul, Gemm, FusedMatMul and two-operand Einsum, read as one labelled contraction."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts

BROADCAST = "..."


@dataclass(frozen=True)
class Contraction:
    """A product of two tensors with a label on every axis.

    Attributes:
        node: The operator.
        operands: The two factors of the product.
        labels: The labels of each operand's axes; a label of both that the output lacks is summed.
            Those of leading axes that only broadcast begin with BROADCAST.
        out: The labels of the output's axes.
        scale: A constant the operator multiplies in itself.
    """

    node: ir.Node
    operands: tuple[ir.Value, ir.Value]
    labels: tuple[tuple[str, ...], tuple[str, ...]]
    out: tuple[str, ...]
    scale: float = 1.0

    @property
    def summed(self) -> list[str]:
        """The labels the product sums over."""
        left, right = self.labels
        return [label for label in left if label in right and label not in self.out]

    def own(self, operand: int) -> list[str]:
        """Return the labels of the output that one operand has alone.

        Axes that broadcast only count where it has no other: a tensor of more batch axes than the
        other owns those, too.
        """
        mine, other = self.labels[operand], self.labels[1 - operand]
        alone = [label for label in self.out if label in mine and label not in other]
        return [label for label in alone if not label.startswith(BROADCAST)] or alone


def contraction_of(node: ir.Node, facts: Facts) -> Contraction | None:
    """Return the node as a contraction, or None when it is none (or its ranks are unknown)."""
    if len(node.inputs) < 2 or node.inputs[0] is None or node.inputs[1] is None:
        return None
    pair = (node.inputs[0], node.inputs[1])
    shapes = tuple(facts.shape(value) for value in pair)
    if shapes[0] is None or shapes[1] is None:
        return None
    ranks = (len(shapes[0]), len(shapes[1]))
    match node.domain, node.op_type:
        case "", "MatMul":
            return _matmul(node, pair, ranks, (False, False))
        case "com.microsoft", "FusedMatMul":
            return _fused_matmul(node, pair, ranks)
        case "", "Gemm":
            return _gemm(node, pair)
        case "", "Einsum":
            return _einsum(node, pair, ranks)
    return None


def _matmul(
    node: ir.Node,
    pair: tuple[ir.Value, ir.Value],
    ranks: tuple[int, int],
    flipped: tuple[bool, bool],
    scale: float = 1.0,
) -> Contraction | None:
    if min(ranks) < 2:
        return None
    left, right = (_leading(rank - 2) for rank in ranks)
    a = ("k", "m") if flipped[0] else ("m", "k")
    b = ("n", "k") if flipped[1] else ("k", "n")
    batch = max(left, right, key=len)
    return Contraction(node, pair, (left + a, right + b), (*batch, "m", "n"), scale)


def _fused_matmul(
    node: ir.Node, pair: tuple[ir.Value, ir.Value], ranks: tuple[int, int]
) -> Contraction | None:
    if any(node.attributes.get_int(name, 0) for name in ("transBatchA", "transBatchB")):
        return None
    return _matmul(node, pair, ranks, _flipped(node), node.attributes.get_float("alpha", 1.0))


def _gemm(node: ir.Node, pair: tuple[ir.Value, ir.Value]) -> Contraction | None:
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        return None
    return _matmul(node, pair, (2, 2), _flipped(node), node.attributes.get_float("alpha", 1.0))


def _flipped(node: ir.Node) -> tuple[bool, bool]:
    a, b = (bool(node.attributes.get_int(name, 0)) for name in ("transA", "transB"))
    return a, b


def _einsum(
    node: ir.Node, pair: tuple[ir.Value, ir.Value], ranks: tuple[int, int]
) -> Contraction | None:
    terms, arrow, result = node.attributes["equation"].as_string().replace(" ", "").partition("->")
    texts = terms.split(",")
    if len(node.inputs) != 2 or len(texts) != 2 or not arrow:
        return None
    left, right = (_labels(text, rank) for text, rank in zip(texts, ranks, strict=True))
    if left is None or right is None:
        return None
    widest = max(sum(x.startswith(BROADCAST) for x in labels) for labels in (left, right))
    out = _labels(result, len(result.replace(BROADCAST, "")) + widest)
    if out is None or (BROADCAST not in result and widest):
        return None
    shared, held = set(left) & set(right), set(left) | set(right)
    if (set(left) ^ set(right)) - set(out) or not set(out) <= held or not shared - set(out):
        return None
    return Contraction(node, pair, (left, right), out)


def _labels(text: str, rank: int) -> tuple[str, ...] | None:
    """Return one label per axis of an einsum's term, None where they do not fit its rank."""
    before, dots, after = text.partition(BROADCAST)
    open_axes = rank - len(before) - len(after)
    if open_axes < 0 or (open_axes and not dots) or len({*before, *after}) < len(before + after):
        return None
    return (*before, *_leading(open_axes), *after)


def _leading(count: int) -> tuple[str, ...]:
    """Return labels of axes that are aligned from the right and broadcast."""
    return tuple(f"{BROADCAST}{i}" for i in range(count, 0, -1))
