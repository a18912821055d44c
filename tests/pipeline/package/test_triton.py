"""The model repository: what lies where, and what it cannot hold."""

from __future__ import annotations

import json
import subprocess
import sys

import onnx
import pytest

from pipeline.errors import UsageError
from pipeline.ort.settings import SessionSettings, settings_path
from pipeline.package import triton
from pipeline.package.subject import Subject, open_subject
from pipeline.records.export import GenerationSpec
from tests.pipeline.tasks.folders import SPECIAL, folder_for, language_model, write_folder


def written(tmp_path, name):
    folder = name if not isinstance(name, str) else folder_for(name, tmp_path)
    root = tmp_path / "package"
    root.mkdir()
    triton.write(open_subject(folder, "", None), root, 0)
    return root


def test_a_generator_is_its_graphs_and_a_twin_that_streams(tmp_path):
    root = written(tmp_path, "translate")
    assert sorted(path.name for path in (root / "models").iterdir()) == [
        "decoder", "encoder", "twin"
    ]  # fmt: skip
    for part in ("encoder", "decoder"):
        onnx.checker.check_model(root / "models" / part / "1" / "model.onnx")
        config = (root / "models" / part / "config.pbtxt").read_text()
        assert 'backend: "onnxruntime"' in config
        assert "intra_op_thread_count" in config
    config = (root / "models" / "twin" / "config.pbtxt").read_text()
    assert "decoupled: true" in config
    assert 'name: "prompt" data_type: TYPE_STRING' in config
    asked = json.loads((root / "check" / "check.json").read_text())
    assert asked["tensors"]["encoder"]["input_ids"] == ["int64", [-1, -1]]


def test_an_encoder_is_warmed_up_with_our_inputs(tmp_path):
    root = written(tmp_path, "embed")
    home = root / "models" / "model"
    config = (home / "config.pbtxt").read_text()
    assert "model_warmup" in config
    rows = "max_batch_size: 0" not in config
    assert (home / "warmup" / "input_ids").stat().st_size % 8 == 0
    twin = (root / "models" / "twin" / "config.pbtxt").read_text()
    assert ("dynamic_batching" in twin) == rows
    assert "decoupled" not in twin


def test_without_a_tokenizer_it_is_asked_over_ids(tmp_path):
    folder = write_folder(tmp_path / "m", "text-generation", language_model(330), None, SPECIAL)
    config = (written(tmp_path, folder) / "models" / "twin" / "config.pbtxt").read_text()
    assert "prompt" not in config
    assert not json.loads((tmp_path / "package/check/check.json").read_text())["words"]
    assert 'name: "ids" data_type: TYPE_INT64 dims: [ -1 ] }' in config  # must be given


def test_settings_of_a_graph_lie_beside_it_for_the_twin(tmp_path, monkeypatch):
    monkeypatch.setattr(triton, "write_check", lambda *given, **told: None)
    subject, root = open_subject(folder_for("generate", tmp_path), "", None), tmp_path / "package"
    root.mkdir()
    (graph,) = subject.files.values()
    settings_path(graph).write_text('{"denormals": "flush"}')
    triton.write(subject, root, 0)
    placed = root / "models" / "model" / "1" / "model.onnx"
    assert settings_path(placed).read_text() == '{"denormals": "flush"}'


def test_what_the_twin_would_lose_is_refused(tmp_path, monkeypatch):
    subject = open_subject(folder_for("generate", tmp_path), "", None)
    settings = SessionSettings(in_place={"present.0.key": "past_key_values.0.key"})
    with monkeypatch.context() as patched:
        patched.setattr(Subject, "settings", lambda subject, part: settings)
        with pytest.raises(UsageError, match="in place"):
            triton.write(subject, tmp_path / "p", 0)
    forced = GenerationSpec(eos_token_id=2, forced_bos_token_id=5)
    object.__setattr__(subject.exported, "generation", forced)
    with pytest.raises(UsageError, match="forced_bos_token_id"):
        triton.write(subject, tmp_path / "p", 0)
    assert not (tmp_path / "p").exists()


def test_the_twin_stands_alone(tmp_path):
    """It imports the sources that lie beside it, and of other people's numpy and onnxruntime."""
    root = written(tmp_path, "generate")
    script = (
        "import runpy, sys, pathlib; home = pathlib.Path('models/twin/1').resolve()\n"
        "made = runpy.run_path(str(home / 'model.py'))['Twin'](home)\n"
        "import pipeline\n"
        "assert pathlib.Path(pipeline.__file__).is_relative_to(home), pipeline.__file__\n"
        "assert not {'torch', 'onnx', 'msgspec', 'transformers'} & set(sys.modules)\n"
        "print(list(made.continued([5, 6], 3)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env={"PATH": ""}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout)) <= 3
