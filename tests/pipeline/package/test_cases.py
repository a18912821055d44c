"""What a package is asked is what our own runner answers; the script stands alone."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

import pipeline
from pipeline.package.cases import NEW_TOKENS, TEXTS, write_check
from pipeline.package.subject import Subject, open_subject
from tests.pipeline.tasks.folders import folder_for


def written(tmp_path, name):
    folder, root = folder_for(name, tmp_path), tmp_path / "package"
    root.mkdir()
    write_check(open_subject(folder, "", None), root, "genai", 0, further=1)
    return folder, root / "check", json.loads((root / "check" / "check.json").read_text())


def test_a_decoder_is_asked_for_ids_and_continuations(tmp_path):
    folder, _, asked = written(tmp_path, "generate")
    assert (asked["task"], asked["further"], asked["ends"]) == ("text-generation", 1, [2])
    assert [text for text, _ in asked["texts"]] == list(TEXTS)
    with pipeline.load(folder) as model:
        for (text, ids), case in zip(asked["texts"], asked["tokens"][2:], strict=True):
            assert case["prompt"] == ids
            made = model.generate(text, max_new_tokens=NEW_TOKENS).tokens[0]
            assert case["new"] == list(made)
            assert len(case["margins"]) >= len(case["new"])


def test_an_encoder_is_asked_for_arrays_within_limits(tmp_path):
    _, home, asked = written(tmp_path, "embed")
    assert "tokens" not in asked
    for case in asked["outputs"]:
        inputs, outputs = (np.load(home / case[name]) for name in ("inputs", "outputs"))
        assert set(inputs) >= {"input_ids"}
        for name, limits in case["limits"].items():
            assert np.isfinite(outputs[name]).all()
            assert 0 < limits["rms"] <= limits["max"] < 1e-3


def test_the_script_stands_alone(tmp_path):
    """It ends with 3, for want of the library, and not for want of ours."""
    _, home, _ = written(tmp_path, "generate")
    ended = subprocess.run(
        [sys.executable, str(home / "check.py")], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": ""}, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 3, ended.stderr
    assert "onnxruntime_genai" in json.loads(ended.stdout)["reason"]


def test_rounded_weights_are_held_to_the_model_before_rounding(tmp_path, monkeypatch):
    """Its own runner errs by what rounding cost; another runtime may by little more."""
    monkeypatch.setattr(Subject, "precision", "int8")
    _, home, asked = written(tmp_path, "embed")
    with np.load(home / asked["outputs"][0]["outputs"]) as outputs:
        assert {outputs[name].dtype for name in outputs} == {np.dtype(np.float64)}
