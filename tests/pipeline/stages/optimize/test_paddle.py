"""A Paddle2ONNX file: packed QKV by Slice and Squeeze, norms written out, opset 12."""

import numpy as np
import pytest

from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from tests.pipeline import paddle

pytestmark = [pytest.mark.network, pytest.mark.slow]
LINE = "Attention 2026"


@pytest.fixture(scope="session")
def recogniser(tmp_path_factory):
    pytest.importorskip("PIL")
    path = paddle.fetch(tmp_path_factory.mktemp("paddle"))
    if path is None:
        pytest.skip(f"{paddle.PACKAGE} cannot be downloaded here")
    return path


@pytest.mark.parametrize("target", ["ort-cpu", "tensorrt"])
def test_all_is_fused_and_the_same_line_is_read(recogniser, tmp_path, target):
    fused = tmp_path / "fused.onnx"
    gates = {"attention": 2, "norm": 5}
    optimize_model(OptimizeOptions(recogniser, fused, target=target, require=gates))
    image = paddle.picture(LINE)
    before, after = paddle.read(recogniser, image), paddle.read(fused, image)
    assert before[0] == after[0] == LINE
    # probabilities of a float32 network of 60 layers, largest value 1
    np.testing.assert_allclose(after[1], before[1], atol=1e-4, rtol=0)
