import json

import pytest

from pipeline.errors import BadModelError
from pipeline.ort.settings import SessionSettings, parse_settings, read_settings, settings_path


def test_no_file_means_defaults(tmp_path):
    assert read_settings(tmp_path / "model.onnx") == SessionSettings()


def test_the_file_beside_the_graph_is_read(tmp_path):
    graph = tmp_path / "model.ort-cpu-fp32.onnx"
    raw = {"disabled_optimizers": ["SkipLayerNormFusion"], "denormals": "flush"}
    raw["in_place"] = {"present": "past"}
    settings_path(graph).write_text(json.dumps(raw))
    assert settings_path(graph).name == "model.ort-cpu-fp32.onnx.session.json"
    assert read_settings(graph) == SessionSettings(
        ("SkipLayerNormFusion",), True, {"present": "past"}
    )


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {"denormals": "maybe"},
        {"disabled_optimizers": "One"},
        {"disabled_optimizers": [1]},
        {"threads": 3},
        {"in_place": ["present"]},
        {"in_place": {"present": 1}},
    ],
    ids=[
        "not-object",
        "denormals",
        "not-list",
        "not-names",
        "unknown-setting",
        "not-pairs",
        "not-an-input",
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(raw):
    with pytest.raises(BadModelError, match=r"[Ss]ession settings"):
        parse_settings(raw)


def test_junk_names_the_file(tmp_path):
    graph = tmp_path / "a.onnx"
    settings_path(graph).write_text("{")
    with pytest.raises(BadModelError) as caught:
        read_settings(graph)
    assert "a.onnx.session.json" in caught.value.where
