"""What ONNX Runtime makes of a graph at load time is compared with the graph."""

import numpy as np
import pytest

from pipeline.graph.files.model_file import save_model
from pipeline.ort.session import OrtOptions, Session
from pipeline.ort.settings import SessionSettings
from pipeline.stages.optimize import loaded
from pipeline.stages.optimize.loaded import fewest, without_wrong_rewrites
from tests.pipeline.text_graphs import feeds_of, model_of

# With 4 by 4 values a mean without keepdims broadcasts over columns, and is no norm of rows.
NORM = """(float[4,4] x) => (float[4,4] y)
    <float two = {2}, float e = {0.00001}, float[4] w = {1,2,3,4}> {
    m = ReduceMean<axes=[-1], keepdims=0>(x)  d = Sub(x, m)  s = Pow(d, two)
    v = ReduceMean<axes=[-1], keepdims=0>(s)  a = Add(v, e)  r = Sqrt(a)  n = Div(d, r)
    y = Mul(n, w) }"""
RIGHT = NORM.replace("keepdims=0", "keepdims=1")
QUANTISED = """(float[4,4] x) => (float[4,4] y) <float s = {0.1}, uint8 z = {3}> {
    q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z) }"""


class Told:
    def __init__(self):
        self.notes = []

    def step(self, text, done=None, total=None):
        pass

    def note(self, text):
        self.notes.append(text)


def settings_of(text, opset=17, settings=None):
    told = Told()
    return without_wrong_rewrites(model_of(text, opset), settings or SessionSettings(), told), told


def test_a_rewrite_that_computes_something_else_is_switched_off_and_told(tmp_path):
    """The very case: without the setting the runtime is far off, with it it is right."""
    first = SessionSettings(("SkipLayerNormFusion",), denormals="flush")
    made, told = settings_of(NORM, settings=first)
    assert made.denormals == "flush"
    assert set(first.disabled_optimizers) < set(made.disabled_optimizers)
    assert len(made.disabled_optimizers) <= 3
    assert all(name in told.notes[0] for name in made.disabled_optimizers[1:])
    model, path = model_of(NORM, 17), tmp_path / "m.onnx"
    save_model(model, path)
    feeds = feeds_of(model)
    plain = Session(path, OrtOptions(level="none", settings=first)).run(feeds)["y"]
    wrong = Session(path, OrtOptions(settings=first)).run(feeds)["y"]
    right = Session(path, OrtOptions(settings=made)).run(feeds)["y"]
    assert np.abs(wrong - plain).max() > 0.1 * np.abs(plain).max()
    np.testing.assert_allclose(right, plain, rtol=1e-5, atol=1e-6)  # float32 kernels


@pytest.mark.parametrize("text", [RIGHT, QUANTISED], ids=["right", "quantised"])
def test_a_graph_that_is_loaded_as_it_stands_keeps_its_settings(text):
    made, told = settings_of(text)
    assert made == SessionSettings()
    assert told.notes == []


def test_what_is_too_large_to_run_is_told(monkeypatch):
    monkeypatch.setattr(loaded, "LARGEST", 8)
    made, told = settings_of(NORM)
    assert made == SessionSettings()
    assert "was not compared" in told.notes[0]


def test_one_set_of_inputs_that_agrees_clears_the_runtime(monkeypatch):
    """A choice tipped over by rounding shows on some inputs alone."""
    asked = iter([False, False, True])
    monkeypatch.setattr(loaded, "_agrees", lambda *_: next(asked))
    assert settings_of(NORM)[0] == SessionSettings()


@pytest.mark.parametrize("kind", ["float", "float16", "bfloat16"])
def test_types_decide_the_limit(kind):
    model = model_of(f"({kind}[4] x) => ({kind}[4] y) {{ y = Neg(x) }}", 17)
    known = {"float": "float32", "float16": "float16", "bfloat16": None}
    assert loaded._coarsest(model) == known[kind]


@pytest.mark.parametrize("guilty", [{"c"}, {"a", "h"}, {"b", "c", "g"}])
def test_the_fewest_names_are_found_by_halves(guilty):
    tried = []

    def holds(off):
        tried.append(off)
        return guilty <= set(off)

    assert set(fewest("abcdefgh", holds)) == guilty
    assert len(tried) <= 8 * len(guilty)
