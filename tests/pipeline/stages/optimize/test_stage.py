"""Files and folders in, files and artifacts out; nothing is written when a gate breaks."""

import json

import onnx_ir as ir
import pytest

from pipeline.errors import BadModelError, ClaimError, NoKernelsError, UsageError
from pipeline.ort.settings import read_settings, settings_path
from pipeline.records.optimize import GateRecord, OptimizeRecord
from pipeline.records.record import as_json
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model
from tests.pipeline import attention_graphs as graphs
from tests.pipeline.text_graphs import model_of


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in" / "model.onnx"
    path.parent.mkdir()
    ir.save(model_of(graphs.attention(), opset=18), path)
    return path


def test_a_file_becomes_exactly_the_file_asked_for(source, tmp_path):
    output = tmp_path / "new" / "fused.onnx"
    result = optimize_model(OptimizeOptions(source, output))
    assert result.record.count("attention").fused == 1
    assert {p.name for p in output.parent.iterdir()} == {"fused.onnx", "fused.onnx.session.json"}
    settings = json.loads((output.parent / "fused.onnx.session.json").read_text())
    assert settings["denormals"] == "flush"
    assert "Attention" in {node.op_type for node in ir.load(output).graph}


def test_a_folder_gets_an_artifact_with_its_certificates(source, tmp_path):
    options = OptimizeOptions(source, tmp_path / "out", target="tensorrt")
    artifact = optimize_model(options)
    part = OptimizeRecord.of(artifact).parts["model"]
    assert part.file == "onnx/model.tensorrt-fp32.onnx"
    (site,) = [s for s in part.sites if s.construct == "attention"]
    assert site.proof.ok
    assert site.proof.runs >= 2
    assert optimize_model(options).reused


def test_a_graph_in_a_folder_has_its_settings_beside_it(source, tmp_path):
    artifact = optimize_model(OptimizeOptions(source, tmp_path / "out", target="ort-cpu"))
    part = OptimizeRecord.of(artifact).parts["model"]
    graph = tmp_path / "out" / part.file
    assert settings_path(graph).is_file()
    assert read_settings(graph).to_json() == as_json(part.session)
    assert read_settings(graph).denormals == "flush"
    plain = optimize_model(OptimizeOptions(source, tmp_path / "out", target="tensorrt"))
    assert not settings_path(plain.path(OptimizeRecord.of(plain).parts["model"].file)).exists()


def test_a_broken_gate_names_the_sites_and_writes_nothing(tmp_path):
    path = tmp_path / "model.onnx"
    core = "qk = MatMul(qh, kh) t = Mul(qk, half) s = Relu(t) p = Softmax<axis=-1>(s)"
    ir.save(model_of(graphs.attention(core)), path)
    output = tmp_path / "new" / "fused.onnx"
    with pytest.raises(ClaimError, match="0 of 1 attention") as caught:
        optimize_model(OptimizeOptions(path, output, require={"attention": "all"}))
    assert "Relu" in caught.value.where
    assert not output.parent.exists()


def test_a_kept_gate_is_recorded(source, tmp_path):
    result = optimize_model(OptimizeOptions(source, tmp_path / "o.onnx", require={"attention": 1}))
    assert result.record.gates == (GateRecord(gate="attention=1", found=1, wanted=1),)


def test_bad_places_and_bad_files_are_errors_of_ours(source, tmp_path):
    with pytest.raises(UsageError):
        optimize_model(OptimizeOptions(source))
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"no model at all")
    with pytest.raises(BadModelError):
        optimize_model(OptimizeOptions(junk, tmp_path / "o.onnx"))
    assert not (tmp_path / "o.onnx").exists()


def test_a_type_without_kernels_is_refused_before_any_work(source, tmp_path):
    output = tmp_path / "o.onnx"
    with pytest.raises(NoKernelsError, match="ort-cpu has no kernels for --precision bf16") as err:
        optimize_model(OptimizeOptions(source, output, precision="bf16"))
    assert err.value.exit_code == 2
    assert not output.exists()
    optimize_model(OptimizeOptions(source, output, target="tensorrt", precision="bf16"))
    assert output.exists()
