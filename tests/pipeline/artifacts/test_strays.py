"""Files that no manifest lists, where readers look for files by name."""

import json

from pipeline.artifacts.strays import beside, unlisted
from pipeline.records.files import FileRecord


def listed(*names):
    return [FileRecord(name, "d", 1, False) for name in names]


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_settings_and_tokenizer_files_beside_an_artifact(tmp_path):
    put(tmp_path, "onnx/m.a.onnx", "onnx/other.onnx.session.json", "tokenizer/tokenizer.json")
    files = listed("onnx/m.a.onnx", "tokenizer/tokenizer.json")
    assert beside(tmp_path, files) == ""
    put(tmp_path, "tokenizer/sub/more.json")
    assert beside(tmp_path, files) == "tokenizer/sub/more.json"
    put(tmp_path, "onnx/m.a.onnx.session.json")
    assert beside(tmp_path, files) == "onnx/m.a.onnx.session.json"
    assert beside(tmp_path, listed("state/model.safetensors")) == ""


def test_what_a_commit_is_moving_is_nobodys_stray(tmp_path):
    names = ("onnx/m.a.onnx", "engine/m.plan", "perf/perf.json")
    put(tmp_path, *names, "report.html", "onnx/.tmp-1-x.y.onnx", "onnx/weights-ab.data")
    assert set(unlisted(tmp_path)) == set(names)
    journal = tmp_path / "manifest/.journal-perf.json"
    put(tmp_path, "manifest/.journal-perf.json")
    assert set(unlisted(tmp_path)) == set(names)  # a torn journal names nothing
    journal.write_text(json.dumps(["perf/perf.json"]))
    assert set(unlisted(tmp_path)) == set(names[:2])
