"""A bundle, unpacked somewhere else, judges graphs right and wrong without this toolkit."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import numpy as np
import onnx_ir as ir
import pytest

from pipeline.accuracy import Budget, compare
from pipeline.ort.session import OrtOptions
from pipeline.ort.settings import SessionSettings
from pipeline.pack import bundle_runner
from pipeline.stages.runners.ort_runner import OrtRunner
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.pack.bundles import HOME, run
from tests.pipeline.text_graphs import model_of

ALLOWED = {"rms": 1.0, "quantile": 1.0, "max": 1.0}


@pytest.mark.parametrize("name", ["pipeline", "onnx", "ml_dtypes", "torch", "click"])
def test_the_other_machine_has_nothing_of_ours(bare, tmp_path, name):
    (tmp_path / "run.py").write_text(f"import numpy, onnxruntime, {name}")
    done = run(tmp_path, bare)
    assert f"No module named '{name}'" in done.stderr


def test_right_and_wrong_are_told_apart(results):
    found = {m.name: m for m in results[0].results}
    assert found["model.exported"].right
    assert found["model.ort-cpu-fp32"].right
    assert found["model.tensorrt-fp16"].right
    assert found["model.onnx-fp32"].right is False
    assert not results[0].right
    assert "model.onnx-fp32: WRONG" in results[1]


def test_what_cannot_run_says_why(results):
    found = {m.name: m for m in results[0].results}
    cuda, engine = found["model.ort-cuda-fp16"], found["model.tensorrt-fp16.engine"]
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        assert not cuda.ran
        assert "no CUDAExecutionProvider" in cuda.reason
    assert not engine.ran
    assert "NVIDIA" in engine.reason or "does not load" in engine.reason


def test_raw_samples_come_back_per_case_and_round(results):
    found = {m.name: m for m in results[0].results}
    rounds = found["model.ort-cpu-fp32"].latency_ms
    assert {case: len(r) for case, r in rounds.items()} == {"model-0": 2, "model-1": 2}
    assert all(ms > 0 for ms in found["model.ort-cpu-fp32"].median_ms().values())
    assert found["model.onnx-fp32"].latency_ms is None, "what is wrong is not timed"


def test_a_damaged_file_stops_the_run(unpacked, bare, tmp_path):
    import shutil

    _folder, _bundle, here = unpacked
    shutil.copytree(here, tmp_path / "b")
    file = tmp_path / "b/onnx/model.exported.onnx"
    file.write_bytes(file.read_bytes() + b"x")
    done = run(tmp_path / "b", bare)
    assert done.returncode == 1
    assert "is damaged" in done.stderr


def test_nothing_that_runs_is_code_3(unpacked, bare):
    assert run(unpacked[2], bare, "--only", "engine").returncode == 3


def test_without_the_runtime_graphs_are_not_run(unpacked, bare, tmp_path):
    (tmp_path / "numpy").symlink_to((bare / "numpy").resolve())
    libraries = bare / "numpy.libs"
    if libraries.is_dir():
        (tmp_path / "numpy.libs").symlink_to(libraries.resolve())
    done = run(unpacked[2], tmp_path, "--rounds", "0", "-o", str(tmp_path / "r.json"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "model.exported: not run, graphs need onnxruntime" in done.stdout


def test_it_runs_with_the_files_it_ships_where_the_toolkit_is_installed(unpacked, tmp_path):
    """What was packed is measured as it was packed, whatever version lies on the other machine."""
    script, here = tmp_path / "where.py", unpacked[2]
    script.write_text(
        "import runpy, sys\n"
        "sys.argv[1:] = ['--only', 'exported', '--rounds', '0', '-o', sys.argv[1]]\n"
        "try: runpy.run_path('run.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print({m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'pipeline'})"
    )
    done = subprocess.run(
        [sys.executable, script, tmp_path / "r.json"], cwd=here, capture_output=True, text=True,
        check=True, env={**os.environ, "PYTHONPATH": str(HOME)},
    )  # fmt: skip
    used = ast.literal_eval(done.stdout.splitlines()[-1])
    assert str(here / "lib/pipeline/ort/session.py") in used
    assert all(file.startswith(str(here / "lib")) for file in used)


def test_caches_are_written_in_place_as_the_settings_say(tmp_path):
    pairs, path = {"nk": "pk", "nv": "pv"}, tmp_path / "cached.onnx"
    model = model_of(graphs.fused(), graphs.OPSET)
    ir.save(model, path)
    feeds = graphs.feeds_of(model, 2, 3)
    opened = bundle_runner.open_graph(path, {"target": "ort-cpu", "session": {"in_place": pairs}})
    wanted = OrtRunner(path, OrtOptions(settings=SessionSettings(in_place=pairs))).run(feeds)
    plain = OrtRunner(path, OrtOptions(settings=SessionSettings())).run(feeds)
    found = opened.run(feeds)
    assert (wanted["nk"] != plain["nk"]).any()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


def test_settings_it_does_not_know_are_not_skipped(unpacked):
    file = unpacked[2] / "onnx/model.exported.onnx"
    with pytest.raises(bundle_runner.CannotRunError, match="Unknown session settings: arena"):
        bundle_runner.open_graph(file, {"target": "onnx", "session": {"arena": 1}})


def test_errors_and_verdict_are_those_of_parity():
    wanted = np.array([1.0, 2.0, np.nan, np.inf])
    allowed = Budget(**ALLOWED)
    same = bundle_runner.judge(wanted.astype("f4"), wanted, allowed)
    assert same == (compare(wanted, wanted).to_json(), True)
    lost, right = bundle_runner.judge(np.array([np.nan, 2.0, 0, 0]), wanted, allowed)
    assert (lost["bad"], right) == (2, False)
    gone, right = bundle_runner.judge(None, wanted, allowed)
    assert (gone["bad"], gone["shape"], right) == (4, None, False)
    flat, right = bundle_runner.judge(wanted[:3], wanted, allowed)
    assert (flat["bad"], flat["shape"], right) == (4, [3], False)
    off = wanted + np.array([0, 0.9, 0, 0])
    assert bundle_runner.judge(off, wanted, allowed)[1]
    assert not bundle_runner.judge(off, wanted, Budget(**{**ALLOWED, "max": 0.5}))[1]


def test_an_infinite_reference_binds():
    """These very values counted as right here and as two lost in parity."""
    wanted = np.array([1.0, np.inf, -np.inf])
    found, right = bundle_runner.judge(np.array([1.0, 3.0, np.nan]), wanted, Budget(**ALLOWED))
    assert (found["bad"], right) == (2, False)
    assert bundle_runner.judge(wanted, wanted, Budget(**ALLOWED))[1]
