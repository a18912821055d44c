"""Layout operators against ONNX's own operator tests."""

import pytest

from tests.pipeline.judge.onnx_cases import all_cases, check

KINDS = [
    "Identity",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Expand",
    "Concat",
    "Split",
    "Slice",
    "Tile",
    "Shape",
    "Size",
    "Pad",
    "DepthToSpace",
    "SpaceToDepth",
]


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_cases(kind):
    cases = all_cases()[kind]
    assert cases
    for case in cases:
        check(case)
