"""What becomes of an input that holds 0, and of one that holds 1, on its way through a graph.

Following the two values through casts, comparisons and fills with constants tells a mask's
polarity and an index's offset without any name: where one of the two ends at -1e9 and the other
at 0, the first is the masked one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts

FILL = -1e3  # at and below this a value is meant to vanish in a softmax


class Probe(NamedTuple):
    """The pair of values a tensor holds for an input of zeros and one of ones.

    Attributes:
        zero: Value where the input is 0.
        one: Value where the input is 1.
        linear: Whether everything between is affine, so that the pair tells all other values.
    """

    zero: float
    one: float
    linear: bool

    @property
    def slope(self) -> float:
        """How much the value grows with the input."""
        return self.one - self.zero

    @property
    def keeps(self) -> int | None:
        """The input value that stays visible, None while the pair tells no mask."""
        low, high = sorted((self.zero, self.one))
        if not (low <= FILL < high):
            return None
        return 1 if self.one > self.zero else 0


_Pair = Callable[[float, float], float]


def _divide(a: float, b: float) -> float:
    return a / b if b else math.nan


_ARITHMETIC: dict[str, _Pair] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b if a and b else 0.0,
    "Div": _divide,
}
_CHOICE: dict[str, _Pair] = {
    "Equal": lambda a, b: float(a == b),
    "Greater": lambda a, b: float(a > b),
    "GreaterOrEqual": lambda a, b: float(a >= b),
    "Less": lambda a, b: float(a < b),
    "LessOrEqual": lambda a, b: float(a <= b),
    "And": lambda a, b: float(bool(a) and bool(b)),
    "Or": lambda a, b: float(bool(a) or bool(b)),
    "Xor": lambda a, b: float(bool(a) != bool(b)),
    "Min": min,
    "Max": max,
    "Mod": lambda a, b: math.fmod(a, b) if b else math.nan,
}
# What an unknown operand is taken to be, so that the probe's own value shows.
_NEUTRAL = {"Add": 0.0, "Sub": 0.0, "Mul": 1.0, "Div": 1.0, "And": 1.0, "Or": 0.0}
# Operators that hand on the elements of the inputs listed (all of them for None).
_CARRIES: dict[str, tuple[int, ...] | None] = {
    "Identity": (0,), "Unsqueeze": (0,), "Squeeze": (0,), "Reshape": (0,), "Transpose": (0,),
    "Expand": (0,), "Slice": (0,), "Flatten": (0,), "Tile": (0,), "Gather": (0,),
    "GatherND": (0,), "GatherElements": (0,), "Pad": (0,), "Split": (0,), "Concat": None,
    "Trilu": (0,), "Clip": (0,), "Dropout": (0,), "ScatterND": (0, 2), "ScatterElements": (0, 2),
    "ReduceMax": (0,), "ReduceMin": (0,),
}  # fmt: skip
_FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE)


def step(node: ir.Node, index: int, probe: Probe, facts: Facts) -> Probe | None:
    """Return what a node makes of a probe that enters at an input, None where it is lost."""
    kind = node.op_type
    if kind in _CARRIES:
        carried = _CARRIES[kind]
        return probe if carried is None or index in carried else None
    if kind == "Cast":
        return _cast(node, probe)
    if kind == "Not":
        return Probe(float(not probe.zero), float(not probe.one), False)
    if kind == "Neg":
        return Probe(-probe.zero, -probe.one, probe.linear)
    if kind == "Where":
        return _where(node, index, probe, facts)
    if len(node.inputs) == 2 and (kind in _ARITHMETIC or kind in _CHOICE):
        return _pairwise(node, index, probe, facts)
    if kind in ("MatMul", "Einsum") and probe.linear:
        return probe  # an outer product of positions and frequencies
    return None


def _cast(node: ir.Node, probe: Probe) -> Probe:
    if ir.DataType(node.attributes["to"].as_int()) == ir.DataType.BOOL:
        return Probe(float(probe.zero != 0), float(probe.one != 0), False)
    return probe


def _pairwise(node: ir.Node, index: int, probe: Probe, facts: Facts) -> Probe | None:
    kind = node.op_type
    other = facts.scalar(node.inputs[1 - index])
    if other is None:
        if kind not in _NEUTRAL:
            return None
        if kind in ("Sub", "Div") and index == 1:
            return Probe(-probe.zero, -probe.one, probe.linear) if kind == "Sub" else None
        # A fixed vector, such as rotary frequencies, scales; a computed one may switch.
        scales = kind in ("Add", "Sub") or facts.is_const(node.inputs[1 - index])
        return probe if scales else probe._replace(linear=False)
    rule = _ARITHMETIC.get(kind) or _CHOICE[kind]
    pair = [rule(v, other) if index == 0 else rule(other, v) for v in (probe.zero, probe.one)]
    keeps_line = kind in _ARITHMETIC and not (kind == "Div" and index == 1)
    return Probe(pair[0], pair[1], probe.linear and keeps_line)


def _where(node: ir.Node, index: int, probe: Probe, facts: Facts) -> Probe | None:
    if index > 0:
        return probe
    yes, no = (facts.scalar(value) for value in node.inputs[1:3])
    # Scores beside a fill stand at 0.
    pair = [(yes if v else no) or 0.0 for v in (probe.zero, probe.one)]
    return Probe(pair[0], pair[1], False) if pair[0] != pair[1] else None
