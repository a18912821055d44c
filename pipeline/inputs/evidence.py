"""How the graph uses each of its inputs: tables it indexes, fills it steers, angles it makes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import onnx_ir as ir

from pipeline.graph.inference.facts import Facts
from pipeline.graph.inference.in_place import writes_in_place
from pipeline.graph.sizes.dims import Dim
from pipeline.inputs.probe import Probe, step
from pipeline.operators import ATTENTIONS, GATHERS, MASK_INPUT

_MS = "com.microsoft"
_LONGEST_WALK = 2000  # steps; what an input is for shows long before


class Bound(NamedTuple):
    """An index must stay below `size` after `offset + slope * input`."""

    size: Dim
    offset: float
    slope: float
    is_table: bool


@dataclass
class Evidence:
    """What was seen of one input's uses.

    Attributes:
        bounds: What it indexes.
        compared: Numbers it is tested for equality with.
        keeps: The input value that stays visible in an attention, None where it masks nothing.
        masks: Whether it steers or scales other values, or is counted.
        turns: Whether it becomes an angle or a rotary position.
        lengths: Whether it holds key lengths, and by how much less than the length.
        total: Whether it is the total key length itself.
        branches: Whether it picks a branch.
        sizes: Whether it is a shape or a size.
        scores: Whether, as a float, it is added to attention scores.
    """

    bounds: list[Bound] = field(default_factory=list)
    compared: set[int] = field(default_factory=set)
    keeps: int | None = None
    masks: bool = False
    turns: bool = False
    lengths: int | None = None
    total: bool = False
    branches: bool = False
    sizes: bool = False
    scores: bool = False


def evidence_of(value: ir.Value, facts: Facts) -> Evidence:
    """Return what the graph does with an integer or boolean input."""
    found = Evidence()
    todo: list[tuple[ir.Value, Probe]] = [(value, Probe(0.0, 1.0, True))]
    seen: set[tuple[ir.Value, Probe]] = set()
    while todo and len(seen) < _LONGEST_WALK:
        here, probe = todo.pop()
        if (here, probe) in seen:
            continue
        seen.add((here, probe))
        for node, index in _uses(here):
            if _noted(node, index, probe, facts, found):
                continue
            after = step(node, index, probe, facts)
            if after is None:
                continue
            if found.keeps is None:
                found.keeps = after.keeps
            todo.extend((output, after) for output in node.outputs)
    return found


def float_evidence_of(value: ir.Value, facts: Facts) -> Evidence:
    """Return what the graph does with a floating input: only a bias on scores is of note."""
    found = Evidence()
    todo, seen = [value], set()
    views = {"Reshape", "Unsqueeze", "Squeeze", "Expand", "Slice", "Cast", "Identity", "Add"}
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        for node, index in _uses(here):
            summed = node.op_type == "Softmax" and here is not value
            if summed or MASK_INPUT.get(node.op_type) == index:
                found.scores = True
            elif node.op_type in views and index <= 1:
                todo.extend(node.outputs)
    shape = facts.shape(value)
    # Scores reach a Softmax too when a graph begins with them; a bias is narrower than that.
    found.scores = found.scores and shape is not None and len(shape) >= 2
    return found


def _uses(value: ir.Value) -> Iterator[tuple[ir.Node, int]]:
    for usage in value.uses():
        yield usage.node, usage.idx


def _noted(node: ir.Node, index: int, probe: Probe, facts: Facts, found: Evidence) -> bool:
    """Note what a use tells; return whether the walk ends there."""
    kind = node.op_type
    if kind in GATHERS or kind in ("OneHot", "EmbedLayerNormalization"):
        return _noted_index(node, index, probe, facts, found)
    if kind in ("Cos", "Sin"):
        found.turns |= probe.linear
        return True
    if kind == "RotaryEmbedding":
        found.turns = True
        cache = facts.shape(node.inputs[2 if node.domain == _MS else 1])
        if cache:
            found.bounds.append(Bound(cache[0], probe.zero, probe.slope, False))
        return True
    if kind in ATTENTIONS:
        _note_attention(node, index, probe, facts, found)
        return True
    if kind == "TensorScatter":
        if index == 2:
            axis = node.attributes.get_int("axis", -2)
            found.bounds.extend(_room(node.inputs[0], node.inputs[1], axis, axis, facts))
        return index == 2
    if kind == "If":
        found.branches |= index == 0
        return True
    if kind in ("CumSum", "ReduceSum", "ReduceMean", "NonZero") and index == 0:
        found.masks = True
        return kind != "ReduceMean"
    if kind == "Where" and index == 0:
        found.masks = True
    elif kind in ("Equal", "Mul", "And", "Or"):
        _note_pairing(node, index, probe, facts, found)
    elif kind in _SHAPES and index in _SHAPES[kind]:
        found.sizes = True
        return True
    return False


# Inputs that are shapes or sizes.
_SHAPES = {
    "Reshape": (1,), "Expand": (1,), "ConstantOfShape": (0,), "Range": (0, 1, 2),
    "Slice": (1, 2, 3, 4), "Tile": (1,), "TopK": (1,), "Loop": (0,), "Pad": (1,),
}  # fmt: skip


def _note_pairing(node: ir.Node, index: int, probe: Probe, facts: Facts, found: Evidence) -> None:
    other = facts.scalar(node.inputs[1 - index])
    if node.op_type == "Equal":
        if other is not None and probe.linear and probe.slope:
            met = (other - probe.zero) / probe.slope
            if math.isfinite(met):  # a mask times the lowest number is compared with no input
                found.compared.add(round(met))
    elif node.op_type == "Mul":
        found.masks |= other is None and facts.dtype(node.outputs[0]) in _FLOATS
    else:
        found.masks = True


_FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE)


def _noted_index(node: ir.Node, index: int, probe: Probe, facts: Facts, found: Evidence) -> bool:
    kind = node.op_type
    if kind == "EmbedLayerNormalization":
        table = {0: 2, 1: 4, 8: 3}.get(index)
        shape = facts.shape(node.inputs[table]) if table is not None else None
        if shape:
            found.bounds.append(Bound(shape[0], 0.0, 1.0, True))
        found.masks |= index == 7
        return True
    if kind == "OneHot":
        depth = facts.scalar(node.inputs[1])
        if index == 0 and depth is not None and probe.linear:
            found.bounds.append(Bound(Dim.of(int(depth)), probe.zero, probe.slope, False))
        return True
    if index != 1:
        return False
    shape = facts.shape(node.inputs[0])
    if not probe.linear or not probe.slope or not shape:
        return True
    data = node.inputs[0]
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
    table = kind == "Gather" and len(shape) >= 2 and facts.dtype(data) in _FLOATS
    table = table and facts.is_const(data)
    sizes = shape[:1] if kind == "GatherND" else (shape[axis],)
    found.bounds.extend(Bound(size, probe.zero, probe.slope, table) for size in sizes)
    return True


def _note_attention(node: ir.Node, index: int, probe: Probe, facts: Facts, found: Evidence) -> None:
    visible = 1 if probe.one > probe.zero else 0
    if node.op_type == "GroupQueryAttention":
        if index == 5 and writes_in_place(node) and probe.zero:  # lengths count from there
            found.bounds.extend(_room(node.inputs[3], node.inputs[0], 2, 1, facts))
        elif index == 5:
            found.lengths = 1
        found.total |= index == 6
        found.turns |= index == 9
    elif node.op_type == "MultiHeadAttention":
        if index == 4:
            found.keeps = visible
    elif index == 3:
        found.keeps = visible
    elif index == 6 and node.domain != _MS:
        found.lengths = 0


def _room(
    cache: ir.Value | None, new: ir.Value | None, length: int, rows: int, facts: Facts
) -> Iterator[Bound]:
    """Yield what bounds the place in a cache of fixed size from which new tokens are written.

    Args:
        cache: The cache before.
        new: The new tokens.
        length: The cache's axis of positions.
        rows: The new tokens' axis.
        facts: Shapes of both.
    """
    before, added = facts.shape(cache), facts.shape(new)
    if before and added and -len(before) <= length < len(before) and rows < len(added):
        yield Bound(before[length] - added[rows] + 1, 0.0, 1.0, False)
