"""The ledger of a folder: re-read from its files, not from what its manifests say."""

from pipeline.artifacts import open_folder
from pipeline.claims.check import check_folder
from tests.pipeline.claims.folders import made, states


def test_an_honest_folder_keeps_everything_but_what_needs_a_gpu(tmp_path):
    found = check_folder(made(tmp_path / "d"))
    open_ones = [c for c in found if c.state != "kept"]
    assert [c.claim for c in open_ones] == ["model.tensorrt-fp16 engine runs on 8.0 and is right"]
    assert open_ones[0].state == "unchecked"
    assert "pipeline pack" in open_ones[0].evidence
    claims = {c.claim: c.evidence for c in found}
    assert claims["model.tensorrt-fp16 is fp16"] == "matrix products: 3 in float16"
    assert claims["model.tensorrt-fp16: 1 attentions fused"] == "1 attention operators in the file"
    assert claims["model.tensorrt-fp16 engine: seq from 1 to 32"].startswith(
        "the profiles take 1 to 32"
    )


def test_a_changed_file_breaks_its_artifact_and_the_rest_is_still_read(tmp_path):
    place = made(tmp_path / "d")
    file = tmp_path / "d/onnx/model.tensorrt-fp16.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    found = states(open_folder(tmp_path / "d"))
    assert found["optimize.tensorrt-fp16: files are as they were made"] == "broken"
    assert found["build-engine.tensorrt-fp16: files are as they were made"] == "kept"
    assert place is not None


def test_engines_of_a_changed_graph_are_not_asked_about(tmp_path):
    """What is damaged is said once; nothing is read from it."""
    made(tmp_path / "d")
    (tmp_path / "d/engine/model.tensorrt-fp16.sm80.plan").write_bytes(b"other")
    found = states(open_folder(tmp_path / "d"))
    assert found.pop("build-engine.tensorrt-fp16: files are as they were made") == "broken"
    assert not any(" engine" in claim for claim in found)


def test_an_empty_folder_claims_nothing(tmp_path):
    assert check_folder(open_folder(tmp_path / "d", create=True)) == ()


def test_every_artifacts_files_are_counted(tmp_path):
    found = [c for c in check_folder(made(tmp_path / "d")) if "files are as" in c.claim]
    assert len(found) == 3
    assert all(c.evidence == "1 files match their sha256" for c in found[1:])
