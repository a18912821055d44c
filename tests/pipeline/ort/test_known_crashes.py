"""A float16 graph that ends ONNX Runtime's process under its defaults runs under ours."""

import numpy as np
import onnx
import pytest

from pipeline.ort.known_crashes import crashing_rewrites
from pipeline.stages.runners.ort_runner import OrtRunner

TEXT = """<ir_version: 10, opset_import: ["" : 23]>
    g ({kind}[B,S,8] x) => ({kind}[S,B,8] y) {{
    t = Transpose<perm=[1, 0, 2]>(x) y = MatMul(t, w) }}"""


def saved(path, kind, dtype):
    model = onnx.parser.parse_model(TEXT.format(kind=kind))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(8, dtype=dtype), "w"))
    onnx.save(model, path)
    return path


def test_half_precision_loads_and_runs(tmp_path):
    path = saved(tmp_path / "half.onnx", "float16", np.float16)
    x = np.arange(48, dtype=np.float16).reshape(2, 3, 8)
    with OrtRunner(path) as runner:
        np.testing.assert_array_equal(runner.run({"x": x})["y"], x.transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("kind", "dtype", "left_out"),
    [("float16", np.float16, ("NchwcTransformer",)), ("float", np.float32, ())],
)
def test_only_half_precision_gives_a_rewrite_up(tmp_path, kind, dtype, left_out):
    assert crashing_rewrites(saved(tmp_path / "m.onnx", kind, dtype)) == left_out


def test_a_file_that_is_no_model_is_the_runtimes_to_refuse(tmp_path):
    path = tmp_path / "junk.onnx"
    path.write_bytes(b"\xff" * 64)
    assert crashing_rewrites(path) == ()
