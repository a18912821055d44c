"""Control flow and sequences against ONNX's own operator tests."""

import pytest

from tests.pipeline.judge.onnx_cases import all_cases, check

KINDS = ["If", "Loop", "Scan", "SequenceInsert", "SplitToSequence"]


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_cases(kind):
    cases = all_cases()[kind]
    assert cases
    for case in cases:
        check(case)
