"""Elementwise operators against ONNX's own operator tests."""

import pytest

from tests.pipeline.judge.onnx_cases import all_cases, check

KINDS = [
    "Abs",
    "Neg",
    "Sign",
    "Sqrt",
    "Reciprocal",
    "Exp",
    "Log",
    "Erf",
    "Ceil",
    "Floor",
    "Round",
    "Sin",
    "Cos",
    "Tan",
    "Asin",
    "Acos",
    "Atan",
    "Sinh",
    "Cosh",
    "Asinh",
    "Acosh",
    "Atanh",
    "Tanh",
    "Sigmoid",
    "IsNaN",
    "Not",
    "BitwiseNot",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "And",
    "Or",
    "Xor",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "Mod",
    "Min",
    "Max",
    "Sum",
    "Mean",
    "Clip",
    "IsInf",
    "BitShift",
    "Where",
]


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_cases(kind):
    cases = all_cases()[kind]
    assert cases
    for case in cases:
        check(case)
