"""Elementwise operators: shapes broadcast, small integer contents are computed symbolically."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from pipeline.graph.dims import ONE, ZERO, Dim, is_nonnegative
from pipeline.graph.shapes.call import INTS_LIMIT, Call, Dims, Infer, Info

Entry = Callable[[Dim, Dim], "Dim | None"]
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
    target = ir.DataType(call.int_attr("to", int(ir.DataType.FLOAT)))
    ints = x.ints
    if target == BOOL and ints is not None:
        ints = _each(ints, (ZERO,), _not_equal)
    return [Info(x.shape, target, ints)]


def cast_like(call: Call) -> Sequence[Info]:
    """Infer CastLike."""
    x = call.info(0)
    return [Info(x.shape, call.dtype(1), x.ints if call.dtype(1) != BOOL else None)]


def where(call: Call) -> Sequence[Info]:
    """Infer Where; contents are followed where the condition is known or does not matter."""
    shape = call.unifier.broadcast(call.shape(0), call.shape(1), call.shape(2))
    condition, yes, no = (call.known_ints(i) for i in range(3))
    ints: Dims | None = None
    if condition is not None and yes is not None and no is not None:
        length = max(len(condition), len(yes), len(no))
        picked = [
            _pick(_at(condition, i), _at(yes, i), _at(no, i)) or call.unifier.fresh_integer()
            for i in range(length)
        ]
        ints = tuple(picked) if shape is not None and len(shape) <= 1 else None
    return [Info(shape, call.dtype(1) or call.dtype(2), ints)]


def _pick(condition: Dim, yes: Dim, no: Dim) -> Dim | None:
    if yes == no or condition == ONE:
        return yes
    return no if condition == ZERO else None


def _at(values: Dims, index: int) -> Dim:
    return values[index if len(values) > 1 else 0]


def _each(left: Dims, right: Dims, entry: Entry) -> Dims | None:
    if not left or not right:
        return ()
    length = max(len(left), len(right))
    if min(len(left), len(right)) not in (1, length) or length > INTS_LIMIT:
        return None
    found = [entry(_at(left, i), _at(right, i)) for i in range(length)]
    return tuple(d for d in found if d is not None) if None not in found else None


def _combine(entry: Entry | None, boolean: bool) -> Infer:
    def infer(call: Call) -> Sequence[Info]:
        infos = [call.info(i) for i in range(len(call.node.inputs))]
        shape = call.unifier.broadcast(*(i.shape for i in infos))
        dtype = BOOL if boolean else next((i.dtype for i in infos if i.dtype is not None), None)
        ints = infos[0].ints
        for other in infos[1:]:
            if entry is None or ints is None or other.ints is None:
                ints = None
                break
            ints = _each(ints, other.ints, entry)
        if entry is None or shape is None or len(shape) > 1:
            ints = None
        return [Info(shape, dtype, ints)]

    return infer


def _divide(call: Call) -> Sequence[Info]:
    entry = _exact_divide if call.dtype(0) is None or _is_float(call) else _integer_divide
    return _combine(entry, False)(call)


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


def _truth(call: bool) -> Dim:
    return ONE if call else ZERO


def _less(left: Dim, right: Dim) -> Dim | None:
    if is_nonnegative(right - left - 1):
        return ONE
    return ZERO if is_nonnegative(left - right) else None


def _less_equal(left: Dim, right: Dim) -> Dim | None:
    return _less(left, right + 1)


def _equal(left: Dim, right: Dim) -> Dim | None:
    if left == right:
        return ONE
    apart = is_nonnegative(left - right - 1) or is_nonnegative(right - left - 1)
    return ZERO if apart else None


def _not_equal(left: Dim, right: Dim) -> Dim | None:
    found = _equal(left, right)
    return None if found is None else ONE - found


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
    if ints is None and producer is not None and producer.op_type == "Div":
        ints = _rounded_quotient(call, producer)
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
    "Abs Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Gelu HardSigmoid HardSwish "
    "Hardmax LeakyRelu Log LogSoftmax Mish Reciprocal Relu Selu Shrink Sigmoid Sign Sin Sinh "
    "Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu BitwiseNot PRelu "
    "LpNormalization MeanVarianceNormalization Bernoulli CumSum Trilu ReverseSequence CumProd"
).split()

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
    "Sub": _combine(lambda a, b: a - b, False),
    "Mul": _combine(lambda a, b: a * b, False),
    "Div": _divide,
    "Mod": _combine(_modulo, False),
    "Pow": _combine(_power, False),
    "Min": _combine(Dim.minimum, False),
    "Max": _combine(Dim.maximum, False),
    "Equal": _combine(_equal, True),
    "Less": _combine(_less, True),
    "LessOrEqual": _combine(_less_equal, True),
    "Greater": _combine(lambda a, b: _less(b, a), True),
    "GreaterOrEqual": _combine(lambda a, b: _less_equal(b, a), True),
    "And": _combine(lambda a, b: a * b, True),
    "Or": _combine(lambda a, b: a + b - a * b, True),
    "Xor": _combine(_not_equal, True),
}
