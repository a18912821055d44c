"""Reductions against ONNX's own operator tests."""

import pytest

from tests.pipeline.judge.onnx_cases import all_cases, check

KINDS = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ArgMax",
    "ArgMin",
    "CumSum",
    "Softmax",
    "LogSoftmax",
    "Hardmax",
]


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_cases(kind):
    cases = all_cases()[kind]
    assert cases
    for case in cases:
        check(case)
