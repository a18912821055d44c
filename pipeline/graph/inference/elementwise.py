"""Elementwise operators: shapes broadcast, small integer contents are computed symbolically."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx_ir as ir

from pipeline.graph.inference.call import INTS_LIMIT, Call, Dims, Infer, Info, grid
from pipeline.graph.inference.floor_division import floor_quotient
from pipeline.graph.sizes.dims import ONE, ZERO, Dim
from pipeline.graph.sizes.signs import is_nonnegative

Entry = Callable[..., "Dim | None"]
BOOL = ir.DataType.BOOL


def same_as_input(call: Call) -> Sequence[Info]:
    """Infer an operator whose output has the shape and type of its first input."""
    return [Info(call.shape(0), call.dtype(0))]


def to_bool(call: Call) -> Sequence[Info]:
    """Infer a predicate on each element."""
    return [Info(call.shape(0), BOOL)]


def identity(call: Call) -> Sequence[Info]:
    """Infer an operator that passes its first input on."""
    return [call.info(0)]


def dropout(call: Call) -> Sequence[Info]:
    """Infer Dropout with its optional mask."""
    return [call.info(0), Info(call.shape(0), BOOL)]


def clip(call: Call) -> Sequence[Info]:
    """Infer Clip; integer contents are followed when both bounds are."""
    x = call.info(0)
    ints = x.ints
    for index, pick in ((1, Dim.maximum), (2, Dim.minimum)):
        if call.has(index) and ints is not None:
            bound = call.known_ints(index)
            ints = None if bound is None else tuple(pick(d, bound[0]) for d in ints)
    return [Info(x.shape, x.dtype, ints if "min" not in call.node.attributes else None)]


def cast(call: Call) -> Sequence[Info]:
    """Infer Cast; integer contents survive."""
    x = call.info(0)
    target = call.type_attr("to", None)
    ints = x.ints
    if target == BOOL and ints is not None:
        ints = _each(ints, (ZERO,), partial(_not_equal, call.unifier.nonnegative))
    return [Info(x.shape, target, ints)]


def cast_like(call: Call) -> Sequence[Info]:
    """Infer CastLike."""
    x = call.info(0)
    return [Info(x.shape, call.dtype(1), x.ints if call.dtype(1) != BOOL else None)]


def where(call: Call) -> Sequence[Info]:
    """Infer Where; contents are followed where the condition is known or does not matter."""
    shape = call.unifier.broadcast(call.shape(0), call.shape(1), call.shape(2))
    grids = [call.grid(i) for i in range(3)]
    ints = _entries(call, grids, shape, _pick)
    return [Info(shape, call.dtype(1) or call.dtype(2), ints)]


def _pick(condition: Dim, yes: Dim, no: Dim) -> Dim | None:
    if yes == no or condition == ONE:
        return yes
    return no if condition == ZERO else None


def _entries(
    call: Call, grids: Sequence[np.ndarray | None], shape: Dims | None, entry: Entry
) -> Dims | None:
    """Return the contents computed entry by entry; an open entry among others is a fresh one."""
    if shape is None or any(g is None for g in grids):
        return None
    arrays = [g for g in grids if g is not None]
    try:
        spread = np.broadcast_arrays(*arrays)
    except ValueError:
        return None
    if spread[0].size > INTS_LIMIT:
        return None
    found = [entry(*operands) for operands in zip(*(a.flat for a in spread), strict=True)]
    if found and all(d is None for d in found):
        return None
    return tuple(call.unifier.fresh_integer() if d is None else d for d in found)


def _each(left: Dims, right: Dims, entry: Entry) -> Dims | None:
    """Return the entries of equally long contents, or of one with a single number."""
    wide = right * len(left) if len(right) == 1 else right
    found = [entry(a, b) for a, b in zip(left, wide, strict=False)]
    return tuple(d for d in found if d is not None) if None not in found else None


def _combine(entry: Entry | None, boolean: bool) -> Infer:
    def infer(call: Call) -> Sequence[Info]:
        infos = [call.info(i) for i in range(len(call.node.inputs))]
        shape = call.unifier.broadcast(*(i.shape for i in infos))
        dtype = BOOL if boolean else next((i.dtype for i in infos if i.dtype is not None), None)
        if entry is None or shape is None or any(i.ints is None for i in infos):
            return [Info(shape, dtype)]
        ints = infos[0].ints
        if len(infos) == 2:
            ints = _entries(call, [grid(i) for i in infos], shape, entry)
        elif len(infos) > 2:
            ints = None
        return [Info(shape, dtype, ints)]

    return infer


def _divide(call: Call) -> Sequence[Info]:
    entry = _exact_divide if call.dtype(0) is None or _is_float(call) else _integer_divide
    return _combine(entry, False)(call)


def _subtract(call: Call) -> Sequence[Info]:
    (info,) = _combine(lambda a, b: a - b, False)(call)
    if info.ints is None or any(s.startswith("?") for d in info.ints for s in d.symbols):
        info = info._replace(ints=floor_quotient(call) or info.ints)
    return [info]


def _is_float(call: Call) -> bool:
    dtype = call.dtype(0)
    return dtype is not None and dtype.is_floating_point()


def _exact_divide(left: Dim, right: Dim) -> Dim | None:
    return left.exact_div(right) if right != ZERO else None


def _integer_divide(left: Dim, right: Dim) -> Dim | None:
    if right == ZERO:
        return None
    exact = left.exact_div(right)
    if exact is not None:
        return exact
    # Integers are divided towards zero, a floor only where both are at least zero.
    return left // right if is_nonnegative(left) and is_nonnegative(right) else None


def _modulo(left: Dim, right: Dim) -> Dim | None:
    return left % right if is_nonnegative(right - 1) else None


Sign = Callable[[Dim], bool]  # whether a dim is known to be at least 0


def _less(known: Sign, left: Dim, right: Dim) -> Dim | None:
    if known(right - left - 1):
        return ONE
    return ZERO if known(left - right) else None


def _less_equal(known: Sign, left: Dim, right: Dim) -> Dim | None:
    return _less(known, left, right + 1)


def _equal(known: Sign, left: Dim, right: Dim) -> Dim | None:
    if left == right:
        return ONE
    return ZERO if known(left - right - 1) or known(right - left - 1) else None


def _greater(known: Sign, left: Dim, right: Dim) -> Dim | None:
    return _less(known, right, left)


def _greater_equal(known: Sign, left: Dim, right: Dim) -> Dim | None:
    return _less_equal(known, right, left)


def _not_equal(known: Sign, left: Dim, right: Dim) -> Dim | None:
    found = _equal(known, left, right)
    return None if found is None else ONE - found


def _compare(decide: Callable[[Sign, Dim, Dim], Dim | None]) -> Infer:
    def infer(call: Call) -> Sequence[Info]:
        return _combine(partial(decide, call.unifier.nonnegative), True)(call)

    return infer


def _power(left: Dim, right: Dim) -> Dim | None:
    exponent = right.const
    if exponent is None or not 0 <= exponent <= 8:
        return None
    result = ONE
    for _ in range(exponent):
        result = result * left
    return result


def _negate(call: Call) -> Sequence[Info]:
    x = call.info(0)
    return [Info(x.shape, x.dtype, None if x.ints is None else tuple(-d for d in x.ints))]


def _not(call: Call) -> Sequence[Info]:
    x = call.info(0)
    return [Info(x.shape, BOOL, None if x.ints is None else tuple(ONE - d for d in x.ints))]


def _round(call: Call) -> Sequence[Info]:
    """Infer Floor, Ceil, Round: integers stay, and a quotient of integers is rounded."""
    x = call.info(0)
    ints = x.ints
    value = call.node.inputs[0]
    producer = None if value is None else value.producer()
    if producer is not None and producer.op_type == "Div":
        ints = _rounded_quotient(call, producer) or ints
    return [Info(x.shape, x.dtype, ints)]


def _rounded_quotient(call: Call, division: ir.Node) -> Dims | None:
    operands = [call.outer.info_of(v).ints for v in division.inputs]
    if operands[0] is None or operands[1] is None or call.node.op_type == "Round":
        return None
    if not all(is_nonnegative(d - 1) for d in operands[1]):
        return None
    if call.node.op_type == "Floor":
        return _each(operands[0], operands[1], lambda a, b: a // b)
    return _each(operands[0], operands[1], lambda a, b: -((-a) // b))


UNARY = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Celu", "Cos", "Cosh", "Elu", "Erf",
    "Exp", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "LeakyRelu", "Log", "LogSoftmax",
    "Mish", "Reciprocal", "Relu", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax",
    "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "BitwiseNot",
    "PRelu", "LpNormalization", "MeanVarianceNormalization", "Bernoulli", "CumSum", "Trilu",
    "ReverseSequence", "CumProd",
)  # fmt: skip

TABLE: dict[str, Infer] = {
    **dict.fromkeys(UNARY, same_as_input),
    **dict.fromkeys(("IsNaN", "IsInf"), to_bool),
    **dict.fromkeys(("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"), _combine(None, False)),
    **dict.fromkeys(("Mean", "Sum"), _combine(None, False)),
    **dict.fromkeys(("Floor", "Ceil", "Round"), _round),
    "Identity": identity,
    "Dropout": dropout,
    "Clip": clip,
    "Cast": cast,
    "CastLike": cast_like,
    "Where": where,
    "Neg": _negate,
    "Not": _not,
    "Add": _combine(lambda a, b: a + b, False),
    "Sub": _subtract,
    "Mul": _combine(lambda a, b: a * b, False),
    "Div": _divide,
    "Mod": _combine(_modulo, False),
    "Pow": _combine(_power, False),
    "Min": _combine(Dim.minimum, False),
    "Max": _combine(Dim.maximum, False),
    "Equal": _compare(_equal),
    "Less": _compare(_less),
    "LessOrEqual": _compare(_less_equal),
    "Greater": _compare(_greater),
    "GreaterOrEqual": _compare(_greater_equal),
    "And": _combine(lambda a, b: a * b, True),
    "Or": _combine(lambda a, b: a + b - a * b, True),
    "Xor": _compare(_not_equal),
}
