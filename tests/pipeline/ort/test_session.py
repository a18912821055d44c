"""A session does what its options and settings say, or says which of them it cannot."""

import json
import sys

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx.parser import parse_model

from pipeline.errors import BadModelError, EnvironmentMissingError, UsageError
from pipeline.ort import runtime_installed, session
from pipeline.ort.errors import RunFailedError
from pipeline.ort.session import OrtOptions, Session
from pipeline.ort.settings import SessionSettings, settings_path, write_settings
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.text_graphs import model_of

PAIRS = {"nk": "pk", "nv": "pv"}
IN_PLACE = OrtOptions(settings=SessionSettings(in_place=PAIRS))
ADD = "(float[N,3] x, float[3] w) => (float[N,3] y, float[N,3] z) { y = Add(x, w) z = Mul(y, y) }"
FEEDS = {"x": np.ones((2, 3), np.float32), "w": np.arange(3, dtype=np.float32)}


def bytes_of(text, opset=23):
    return ir.to_proto(model_of(text, opset)).SerializeToString()


@pytest.fixture
def add(tmp_path):
    (tmp_path / "add.onnx").write_bytes(bytes_of(ADD))
    return tmp_path / "add.onnx"


@pytest.fixture
def cached(tmp_path):
    """Return the path of a graph that writes in place, and inputs: rows at 1 and 4, 3 tokens."""
    path = tmp_path / "cached.onnx"
    model = model_of(graphs.fused(), graphs.OPSET)
    ir.save(model, path)
    return path, graphs.feeds_of(model, 2, 3) | {"at": np.array([1, 4])}


def test_a_file_and_its_bytes_run_alike(add):
    for opened in (Session(add), Session(add.read_bytes())):
        found = opened.run(FEEDS)
        assert list(found) == ["y", "z"] == list(opened.output_names)
        assert found["z"].tolist() == [[1, 4, 9]] * 2
        assert opened.input_names == ("x", "w")
        assert opened.provider == "CPUExecutionProvider"


def test_feeds_are_fitted_on_request_and_never_by_a_run(add):
    opened = Session(add)
    wide = {**{n: a.astype(np.float64) for n, a in FEEDS.items()}, "other": np.zeros(1)}
    assert opened.run(opened.fitted(wide))["y"].dtype == np.float32
    with pytest.raises(RunFailedError, match="failed while running") as caught:
        opened.run({name: wide[name] for name in FEEDS})
    assert caught.value.where == str(add)
    with pytest.raises(UsageError, match=r"Inputs not given: w\.") as missing:
        opened.fitted({"x": FEEDS["x"]})
    assert missing.value.where == str(add)


def test_a_scalar_keeps_its_rank():
    opened = Session(bytes_of("(float x) => (float y) { y = Neg(x) }"))
    assert opened.run(opened.fitted({"x": np.array(2.0)}))["y"] == -2


@pytest.mark.parametrize("rows", [0, 2])
def test_bfloat16_goes_in_and_out(rows):
    opened = Session(bytes_of("(bfloat16[N,2] x) => (bfloat16[N,2] y) { y = Identity(x) }"))
    given = np.full((rows, 2), 2.5, ml_dtypes.bfloat16)
    got = opened.run(opened.fitted({"x": given}))["y"]
    assert got.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(got, given)


def test_bfloat16_without_its_library_is_refused_before_the_first_run(monkeypatch):
    model = bytes_of("(bfloat16[N] x) => (bfloat16[N] y) { y = Identity(x) }")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(EnvironmentMissingError, match="bfloat16"):
        Session(model)


def test_settings_beside_a_file_are_applied(add):
    write_settings(settings_path(add), SessionSettings(("ConstantFolding",), "flush"))
    assert Session(add).settings == SessionSettings(("ConstantFolding",), "flush")
    plain = OrtOptions(settings=SessionSettings())
    assert Session(add, plain).settings == SessionSettings()


def nodes_kept(tmp_path, **options):
    """Return the operators left of Mul(x, Add(constant, constant))."""
    text = """(float[3] x) => (float[3] y) <float[3] a = {1.0, 2.0, 3.0}> {
        s = Add(a, a) y = Mul(x, s) }"""
    path, out = tmp_path / "fold.onnx", tmp_path / "out.onnx"
    path.write_bytes(bytes_of(text))
    Session(path, OrtOptions(save_optimized=out, **options))
    return [node.op_type for node in onnx.load(out).graph.node]


def test_rewrites_can_be_left_out_one_by_one_or_all(tmp_path):
    assert nodes_kept(tmp_path) == ["Mul"]
    assert nodes_kept(tmp_path, level="none") == ["Add", "Mul"]
    off = SessionSettings(("ConstantFolding",))
    assert nodes_kept(tmp_path, settings=off) == ["Add", "Mul"]


def test_denormals_are_flushed_where_settings_say_so(add, monkeypatch):
    """The runtime does so for the calling thread of its first session alone: what it is told."""
    told = []
    real = onnxruntime.SessionOptions

    class Recorded(real):
        def add_session_config_entry(self, key, value):
            told.append((key, value))
            super().add_session_config_entry(key, value)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Recorded)
    for denormals in ("keep", "flush"):
        told.clear()
        session._session_options(OrtOptions(), SessionSettings(denormals=denormals))
        assert (("session.set_denormal_as_zero", "1") in told) is (denormals == "flush")


def test_threads_profile_and_lean_reach_the_runtime(tmp_path):
    options = OrtOptions(threads=3, lean=True, profile=tmp_path / "p")
    made = session._session_options(options, SessionSettings())
    assert made.intra_op_num_threads == 3
    assert (made.enable_profiling, made.profile_file_prefix) == (True, str(tmp_path / "p"))
    assert made.get_session_config_entry("session.disable_prepacking") == "1"
    assert not made.enable_cpu_mem_arena
    assert made.execution_order == onnxruntime.ExecutionOrder.PRIORITY_BASED
    usual = session._session_options(OrtOptions(), SessionSettings())
    assert usual.enable_cpu_mem_arena


def test_lean_sessions_give_the_same(add):
    np.testing.assert_array_equal(
        Session(add, OrtOptions(lean=True)).run(FEEDS)["z"], Session(add).run(FEEDS)["z"]
    )


def test_the_profile_is_written_where_it_says(add, tmp_path):
    opened = Session(add, OrtOptions(profile=tmp_path / "times"))
    opened.run(FEEDS)
    path = opened.end_profile()
    assert path.startswith(str(tmp_path / "times"))
    with open(path) as file:
        assert any(event.get("cat") == "Node" for event in json.load(file))


def test_nodes_are_counted_by_the_provider_that_took_them(add):
    assert Session(add).assignment() == {"CPUExecutionProvider": 2}
    assert Session(add, OrtOptions(check_assignment=False)).assignment() == {}


def test_a_provider_that_is_absent_is_an_error_not_a_fallback(add):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has the CUDA provider")
    with pytest.raises(EnvironmentMissingError, match="CUDAExecutionProvider") as caught:
        Session(add, OrtOptions(device="cuda"))
    assert caught.value.where == str(add)


def test_a_provider_that_does_not_load_is_an_error_not_a_fallback(add, monkeypatch):
    monkeypatch.setitem(session.PROVIDERS, "cuda", "AzureExecutionProvider")
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this build has no second provider")
    real = onnxruntime.InferenceSession

    def without(model, options, *, providers, **more):
        assert providers == ["AzureExecutionProvider", "CPUExecutionProvider"]
        return real(model, options, providers=providers[1:], **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", without)
    with pytest.raises(EnvironmentMissingError, match="did not load; the session has CPU"):
        Session(add, OrtOptions(device="cuda"))


def test_junk_is_a_bad_model(tmp_path):
    (tmp_path / "junk.onnx").write_bytes(b"junk" * 100)
    with pytest.raises(BadModelError, match="refuses the model"):
        Session(tmp_path / "junk.onnx")


def test_weights_of_bytes_lie_in_the_folder_that_is_named(tmp_path):
    model = model_of("(float[4] x, float[4] a) => (float[4] y) { y = Add(x, a) }")
    np.full(4, 2, np.float32).tofile(tmp_path / "w.data")
    value = model.graph.inputs.pop()
    value.const_value = ir.ExternalTensor(
        "w.data", 0, 16, ir.DataType.FLOAT, shape=ir.Shape([4]), name="a", base_dir=tmp_path
    )
    model.graph.register_initializer(value)
    data = ir.to_proto(model).SerializeToString()
    opened = Session(data, OrtOptions(weights_folder=tmp_path))
    assert opened.run({"x": np.zeros(4, np.float32)})["y"].tolist() == [2] * 4


def test_the_tail_stays_and_what_is_given_does_not_change(cached):
    path, feeds = cached
    before = {name: array.copy() for name, array in feeds.items()}
    opened = Session(path, IN_PLACE)
    first, second = opened.run(feeds), opened.run(feeds)
    assert list(first) == list(opened.output_names)
    for name, array in feeds.items():
        np.testing.assert_array_equal(array, before[name])
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    keys = feeds["k"].reshape(2, 3, 2, 16).transpose(0, 2, 1, 3)
    wanted = feeds["pk"].copy()
    wanted[0, :, 1:4], wanted[1, :, 4:7] = keys[0], keys[1]
    np.testing.assert_array_equal(first["nk"], wanted)


@pytest.mark.parametrize("kind", ["plain", "in-place"])
def test_prepared_calls_run_the_graph(add, cached, kind):
    opened, feeds = (Session(add), FEEDS) if kind == "plain" else (
        Session(cached[0], IN_PLACE), cached[1])  # fmt: skip
    before = {name: array.copy() for name, array in feeds.items()}
    call = opened.prepare(feeds)
    assert call() is None
    call()
    for name, array in feeds.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("pairs", [{"nk": "other"}, {"other": "pk"}])
def test_settings_for_another_graph_are_refused(cached, pairs):
    with pytest.raises(BadModelError, match="'other'"):
        Session(cached[0], OrtOptions(settings=SessionSettings(in_place=pairs)))


def test_huge_pages_are_prepared_for_the_weights_and_change_nothing_else(tmp_path, monkeypatch):
    rows = np.arange(9_000_000, dtype=np.float32).reshape(3000, 3000) / 9e6
    model = parse_model(
        """<ir_version: 10, opset_import: ["" : 21]>
        g (float[n, 3000] x) => (float[n, 3000] y) { y = MatMul(x, w) }"""
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(rows, "w"))
    path, sizes = tmp_path / "wide.onnx", []
    onnx.save(model, path, save_as_external_data=True, location="w.data")
    prepare = session.huge_pages
    monkeypatch.setattr(session, "huge_pages", lambda n: sizes.append(n) or prepare(n))
    feeds = {"x": np.ones((2, 3000), np.float32)}
    got = []
    for asked in (False, True):
        opened = Session(path, OrtOptions(huge_pages=asked))
        got.append(opened.run(feeds)["y"])
        opened.close()
    np.testing.assert_array_equal(*got)
    assert sizes == [path.stat().st_size + (tmp_path / "w.data").stat().st_size]
    assert sizes[0] > rows.nbytes


def test_closing_gives_the_heap_back_that_was_grown_for_it(add, monkeypatch):
    given = []
    monkeypatch.setattr(session, "give_back", lambda: given.append(1))
    Session(add).close()
    assert given == []
    Session(add, OrtOptions(huge_pages=True)).close()
    assert given == [1]


def test_an_absent_runtime_is_known_without_importing_it(monkeypatch):
    assert runtime_installed()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert not runtime_installed()
