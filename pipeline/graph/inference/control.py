"""Control flow: If, Loop and Scan; their bodies are inferred with what is known outside."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pipeline.graph.inference.call import UNKNOWN, Call, Dims, Infer, Info
from pipeline.graph.sizes.dims import Dim

INT64, BOOL = ir.DataType.INT64, ir.DataType.BOOL


def _merged(call: Call, left: Info, right: Info) -> Info:
    """Return what holds whichever of the two a value is."""
    dtype = left.dtype if left.dtype == right.dtype else None
    if left.shape is None or right.shape is None or len(left.shape) != len(right.shape):
        return Info(None, dtype)
    pairs = zip(left.shape, right.shape, strict=True)
    shape = tuple(a if a == b else call.unifier.fresh() for a, b in pairs)
    return Info(shape, dtype, left.ints if left.ints == right.ints else None)


def _if(call: Call) -> Sequence[Info]:
    condition = call.known_ints(0)
    then, other = call.attr("then_branch"), call.attr("else_branch")
    if not isinstance(then, ir.Graph) or not isinstance(other, ir.Graph):
        return [UNKNOWN] * len(call.node.outputs)
    left = call.outer.infer_body(then, [])
    right = call.outer.infer_body(other, [])
    if condition is not None and condition[0].is_const:
        return left if condition[0].const else right
    return [_merged(call, a, b) for a, b in zip(left, right, strict=False)]


def _body_outputs(
    call: Call, body: ir.Graph, fixed: list[Info], states: list[Info]
) -> tuple[list[Info], list[Info]]:
    """Return the states after all turns, and the body's other outputs in one turn.

    A size that changes from one turn to the next is left open; after a few tries, so is the rank.
    """
    loop = call.node.op_type == "Loop"
    skip, varying = int(loop), set[Dim]()
    for attempt in range(4):
        inputs = [*fixed, *states] if loop else [*states, *fixed]
        outputs = call.outer.infer_body(body, inputs)
        after = outputs[skip : skip + len(states)]
        if len(after) < len(states):
            break
        kept = [_kept(call, a, b, varying) for a, b in zip(states, after, strict=True)]
        if kept == states:
            break
        states = kept if attempt < 2 else [Info(None, s.dtype) for s in kept]
    final = [
        Info(_reopened(call, s.shape, varying), s.dtype) if s.shape is not None else s
        for s in states
    ]
    return final, outputs[skip + len(states) :]


def _kept(call: Call, before: Info, after: Info, varying: set[Dim]) -> Info:
    """Return what holds in every turn, given one turn's start and end."""
    dtype = before.dtype if before.dtype == after.dtype else None
    if before.shape is None or after.shape is None or len(before.shape) != len(after.shape):
        return Info(None, dtype)
    dims = []
    for a, b in zip(before.shape, after.shape, strict=True):
        if a != b and a not in varying:
            a = call.unifier.fresh()
            varying.add(a)
        dims.append(a)
    return Info(tuple(dims), dtype)


def _reopened(call: Call, shape: Dims, varying: set[Dim]) -> Dims:
    """Return the shape after the last turn: what varies by turn has yet another size then."""
    return tuple(call.unifier.fresh() if d in varying else d for d in shape)


def _loop(call: Call) -> Sequence[Info]:
    body = call.attr("body")
    if not isinstance(body, ir.Graph):
        return [UNKNOWN] * len(call.node.outputs)
    states = [call.info(i)._replace(ints=None) for i in range(2, len(call.node.inputs))]
    fixed = [Info((), INT64), Info((), BOOL)]
    final, rest = _body_outputs(call, body, fixed, states)
    trips = call.known_ints(0)
    endless = call.has(1) or trips is None or any(s[0] == "?" for s in trips[0].symbols)
    scanned = []
    for each in rest:
        count = call.unifier.fresh() if endless or trips is None else trips[0].maximum(0)
        scanned.append(Info(None if each.shape is None else (count, *each.shape), each.dtype))
    return [*final, *scanned]


def _scan(call: Call) -> Sequence[Info]:
    body, count = call.attr("body"), call.int_attr("num_scan_inputs")
    unknown = [UNKNOWN] * len(call.node.outputs)
    if not isinstance(body, ir.Graph) or call.version < 9:
        return unknown
    state_count = len(call.node.inputs) - count
    axes = call.ints_attr("scan_input_axes") or [0] * count
    states = [call.info(i)._replace(ints=None) for i in range(state_count)]
    fixed, length = [], None
    for i in range(count):
        x = call.info(state_count + i)
        if not x.shape:
            fixed.append(Info(None, x.dtype))
            continue
        axis = axes[i] % len(x.shape)
        length = x.shape[axis] if length is None else call.unifier.unify(length, x.shape[axis])
        fixed.append(Info((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype))
    final, scanned = _body_outputs(call, body, fixed, states)
    places = call.ints_attr("scan_output_axes") or [0] * len(scanned)
    pairs = zip(scanned, places, strict=False)
    return [*final, *(_stacked(call, each, length, axis) for each, axis in pairs)]


def _stacked(call: Call, each: Info, length: Dim | None, axis: int) -> Info:
    if each.shape is None:
        return Info(None, each.dtype)
    axis = axis % (len(each.shape) + 1)
    count = length if length is not None else call.unifier.fresh()
    return Info((*each.shape[:axis], count, *each.shape[axis:]), each.dtype)


TABLE: dict[str, Infer] = {"If": _if, "Loop": _loop, "Scan": _scan}
