import onnx
import pytest
from onnx.parser import parse_model

from pipeline.errors import EnvironmentMissingError, UsageError
from pipeline.stages.runners.open import load_runtime, open_runner
from pipeline.stages.runners.ort_runner import OrtRunner

TEXT = '<ir_version: 10, opset_import: ["" : 21]> g (float[n] x) => (float[n] y) { y = Neg(x) }'


def test_a_graph_opens_in_onnxruntime(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(parse_model(TEXT), path)
    made = open_runner(path, threads=1, own_optimizer=False)
    assert isinstance(made, OrtRunner)
    assert made.options.level == "none"
    assert made.options.threads == 1


def test_the_name_of_a_cuda_graph_decides_its_device(tmp_path):
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this machine has the CUDA provider")
    path = tmp_path / "m.ort-cuda-fp16.onnx"
    onnx.save(parse_model(TEXT), path)
    with pytest.raises(EnvironmentMissingError, match="CUDA"):
        open_runner(path)
    assert open_runner(path, device="cpu").describe()["provider"] == "CPUExecutionProvider"


@pytest.mark.parametrize("name", ["model.txt", "model"])
def test_other_files_are_refused(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="Cannot tell how to run"):
        open_runner(tmp_path / name)


def test_no_such_file(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        open_runner(tmp_path / "none.onnx")


def test_a_runtime_that_is_not_installed_names_the_extra():
    with pytest.raises(EnvironmentMissingError, match="no_such_runtime") as caught:
        load_runtime("no_such_runtime", "gpu")
    assert "onnxruntime-gpu" in caught.value.fix
