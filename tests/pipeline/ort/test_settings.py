import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadModelError
from pipeline.ort.settings import SessionSettings, read_settings, settings_path, write_settings
from pipeline.records.record import as_json, read

FULL = SessionSettings(("SkipLayerNormFusion",), "flush", {"present": "past"})


def test_no_file_means_defaults(tmp_path):
    assert read_settings(tmp_path / "model.onnx") == SessionSettings()


def test_what_is_written_beside_the_graph_is_read(tmp_path):
    graph = tmp_path / "model.ort-cpu-fp32.onnx"
    path = settings_path(graph)
    assert path.name == "model.ort-cpu-fp32.onnx.session.json"
    write_settings(path, FULL)
    assert json.loads(path.read_text()) == {
        "disabled_optimizers": ["SkipLayerNormFusion"],
        "denormals": "flush",
        "in_place": {"present": "past"},
    }
    assert read_settings(graph) == FULL


def test_a_graph_without_settings_has_no_file(tmp_path):
    path = settings_path(tmp_path / "m.onnx")
    write_settings(path, FULL)
    write_settings(path, SessionSettings())
    assert list(tmp_path.iterdir()) == []
    write_settings(path, SessionSettings())


names = st.text(max_size=5)


@given(st.builds(SessionSettings, st.lists(names).map(tuple), st.sampled_from(["keep", "flush"]),
                 st.dictionaries(names, names)))  # fmt: skip
def test_settings_survive_json(settings):
    told = json.loads(json.dumps(settings.to_json()))
    assert SessionSettings.from_json(told) == settings
    assert as_json(settings) == told  # a manifest's record of them has the same form
    assert read(SessionSettings, told) == settings


def test_only_what_differs_from_the_defaults_is_told():
    assert SessionSettings().to_json() == {}
    assert SessionSettings.from_json({"denormals": "keep"}).to_json() == {}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ([], "must be a JSON object"),
        ({"denormals": "maybe"}, 'denormals is "maybe", not keep or flush'),
        ({"denormals": None}, "denormals is null"),
        ({"disabled_optimizers": "One"}, 'disabled_optimizers is "One", not a list'),
        ({"disabled_optimizers": [1]}, r"disabled_optimizers is \[1\]"),
        ({"threads": 3, "arena": 1}, "Unknown session settings: arena, threads; there are"),
        ({"in_place": ["present"]}, "in_place is"),
        ({"in_place": {"present": 1}}, 'in_place is {"present": 1}, not inputs by output'),
    ],
)
def test_settings_that_cannot_be_honoured_are_refused(raw, reason):
    with pytest.raises(BadModelError, match=reason) as caught:
        SessionSettings.from_json(raw, "here")
    assert caught.value.where == "here"
    assert "pipeline optimize" in caught.value.fix


def test_junk_names_the_file(tmp_path):
    graph = tmp_path / "a.onnx"
    settings_path(graph).write_text("{")
    with pytest.raises(BadModelError) as caught:
        read_settings(graph)
    assert "a.onnx.session.json" in caught.value.where
