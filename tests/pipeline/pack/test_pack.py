"""A bundle, unpacked somewhere else, judges graphs right and wrong without this toolkit."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pipeline.accuracy import Budget, compare
from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import FolderError, UsageError
from pipeline.graph.files.model_file import load_model, save_model
from pipeline.ort.session import OrtOptions
from pipeline.ort.settings import SessionSettings
from pipeline.pack import bundle_runner
from pipeline.pack.cases import write_cases
from pipeline.pack.contents import files_of, find_candidates
from pipeline.pack.options import PackOptions
from pipeline.pack.results import read_results
from pipeline.pack.stage import pack_folder
from pipeline.precision import type_graph
from pipeline.records.export import ExportRecord
from pipeline.records.variant import VERBS
from pipeline.stages.runners.ort_runner import OrtRunner
from tests.pipeline import in_place_graphs as graphs
from tests.pipeline.records.made import (
    engine_part,
    engine_record,
    export_record,
    exported_part,
    optimize_record,
    optimized_part,
)
from tests.pipeline.text_graphs import model_of

HOME = Path(bundle_runner.__file__).parents[2]
TEXT = """<ir_version: 10, opset_import: ["" : 21]>
g (int64[batch,seq] ids, float[batch,seq,16] x) => (float[batch,seq,16] y) {
    e = Gather(table, ids)
    a = Add(e, x)
    n = LayerNormalization<axis=-1>(a, gamma)
    h = MatMul(n, w)
    y = Tanh(h)
}"""


def graph(path: Path, wrong: float = 0.0, low: bool = False) -> None:
    proto = onnx.parser.parse_model(TEXT)
    weights = {
        "table": np.random.default_rng(1).standard_normal((32, 16)),
        "gamma": np.ones(16),
        "w": np.random.default_rng(2).standard_normal((16, 16)) * 0.3 * (1 + wrong),
    }
    for name, array in weights.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array.astype("f4"), name))
    model = ir.from_proto(proto)
    if low:
        type_graph(model, None, "fp16")
    save_model(model, path)


def stage(folder: Path, name: str, files: dict[str, dict], **told) -> None:
    """Leave an artifact of these files behind."""

    def produce(context):
        ((file, options),) = files.items()
        if file.endswith(".plan"):
            context.path(file).write_bytes(b"plan")
            return engine_record({"model": engine_part(file)})
        graph(context.path(file), **options)
        if name == "export":
            return export_record({"model": exported_part()})
        return optimize_record({"model": optimized_part(file, **told)})

    record = {"export": ExportRecord, **VERBS}[name.partition(".")[0]]
    run_stage(open_folder(folder, create=True), name, {"made": name}, {}, produce, record)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    base = tmp_path_factory.mktemp("pack")
    folder = base / "made"
    stage(folder, "export", {"onnx/model.exported.onnx": {}})
    stage(
        folder,
        "optimize.ort-cpu-fp32",
        {"onnx/model.ort-cpu-fp32.onnx": {}},
        session=SessionSettings(denormals="flush", disabled_optimizers=("GeluFusion",)),
    )
    stage(folder, "optimize.tensorrt-fp16", {"onnx/model.tensorrt-fp16.onnx": {"low": True}})
    stage(folder, "optimize.onnx-fp32", {"onnx/model.onnx-fp32.onnx": {"wrong": 1e-4}})
    stage(folder, "optimize.ort-cuda-fp16", {"onnx/model.ort-cuda-fp16.onnx": {"low": True}})
    stage(folder, "build-engine.tensorrt-fp16", {"engine/model.tensorrt-fp16.sm80.plan": {}})
    bundle = pack_folder(PackOptions(folder, base / "b.tar", cases=2))
    with tarfile.open(bundle.path) as tar:
        tar.extractall(base / "elsewhere", filter="data")
    return folder, bundle, base / "elsewhere" / "b"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Return a folder of libraries with numpy and onnxruntime alone, as on the other machine."""
    site = tmp_path_factory.mktemp("bare")
    for name in ("numpy", "onnxruntime"):
        home = Path(importlib.util.find_spec(name).origin).parent
        for part in (home, home.with_name(f"{name}.libs")):  # the second holds shared libraries
            if part.is_dir():
                (site / part.name).symlink_to(part)
    return site


def run(here: Path, bare: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle where this toolkit and its libraries cannot be imported."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-S", "run.py", *arguments], cwd=here, capture_output=True, text=True,
        env={**clean, "PYTHONPATH": str(bare)},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["pipeline", "onnx", "ml_dtypes", "torch", "click"])
def test_the_other_machine_has_nothing_of_ours(bare, tmp_path, name):
    (tmp_path / "run.py").write_text(f"import numpy, onnxruntime, {name}")
    done = run(tmp_path, bare)
    assert f"No module named '{name}'" in done.stderr


@pytest.fixture(scope="module")
def results(unpacked, bare):
    folder, _bundle, here = unpacked
    done = run(here, bare, "--rounds", "2", "--seconds", "0.02")
    assert done.returncode == 1, done.stdout + done.stderr  # one graph is wrong on purpose
    return read_results(here / "results.json", open_folder(folder)), done.stdout


def test_right_and_wrong_are_told_apart(results):
    found = {m.name: m for m in results[0].measured}
    assert found["model.exported"].right
    assert found["model.ort-cpu-fp32"].right
    assert found["model.tensorrt-fp16"].right
    assert found["model.onnx-fp32"].right is False
    assert not results[0].right
    assert "model.onnx-fp32: WRONG" in results[1]


def test_what_cannot_run_says_why(results):
    found = {m.name: m for m in results[0].measured}
    cuda, engine = found["model.ort-cuda-fp16"], found["model.tensorrt-fp16.engine"]
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        assert not cuda.ran
        assert "no CUDAExecutionProvider" in cuda.device
    assert not engine.ran
    assert "NVIDIA" in engine.device or "does not load" in engine.device


def test_raw_samples_come_back_per_case_and_round(results):
    found = {m.name: m for m in results[0].measured}
    rounds = found["model.ort-cpu-fp32"].latency_ms
    assert {case: len(r) for case, r in rounds.items()} == {"model-0": 2, "model-1": 2}
    assert all(ms > 0 for ms in found["model.ort-cpu-fp32"].median_ms().values())
    assert found["model.onnx-fp32"].latency_ms == {}, "what is wrong is not timed"


def test_results_know_whether_the_folder_has_moved_on(unpacked, results, tmp_path):
    assert results[0].current
    assert results[0].machine["gpu"]
    folder, _bundle, here = unpacked
    raw = json.loads((here / "results.json").read_text())
    raw["artifacts"]["export"] = "other"
    (tmp_path / "r.json").write_text(json.dumps(raw))
    assert read_results(tmp_path / "r.json", open_folder(folder)).changed == ("export",)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[1]", '{"format": 1, "results": 3}'])
def test_other_files_are_no_results(text, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError, match="no results of a bundle"):
        read_results(tmp_path / "r.json")


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


def test_the_same_folder_gives_the_same_bytes(unpacked, tmp_path):
    folder, bundle, _here = unpacked
    again = pack_folder(PackOptions(folder, tmp_path / "b.tar", cases=2))
    assert again.path.read_bytes() == bundle.path.read_bytes()
    assert (bundle.cases, len(bundle.candidates)) == (2, 6)


def test_variants_can_be_chosen(unpacked, tmp_path):
    folder = unpacked[0]
    options = PackOptions(folder, tmp_path / "b.tar", cases=1, variants=("tensorrt-fp16",))
    assert pack_folder(options).candidates == ("model.tensorrt-fp16.engine", "model.tensorrt-fp16")
    with pytest.raises(FolderError, match="no variant nope"):
        find_candidates(open_folder(folder), ["nope"])
    found, _artifacts = find_candidates(open_folder(folder), ["exported"])
    assert files_of(folder, found[0]) == {"onnx/model.exported.onnx"}


def test_limits_catch_half_an_error_and_let_rounding_pass(tmp_path):
    graph(tmp_path / "m.onnx")
    model = load_model(tmp_path / "m.onnx")
    (record,) = write_cases(model, "model", 1, 0, ["fp32", "fp16"], tmp_path)
    assert record["limits"]["fp16"]["y"]["rms"] > 100 * record["limits"]["fp32"]["y"]["rms"]


@pytest.mark.parametrize("bad", [{"cases": 0}, {"output": Path("b.zip")}])
def test_options(bad):
    with pytest.raises(UsageError):
        PackOptions(**{"folder": Path("d"), "output": Path("b.tar"), **bad})


def test_everything_a_bundle_imports_is_in_it(unpacked):
    """Of ours; of others numpy alone, and what a runtime or a type needs where it is used."""
    lib = unpacked[2] / "lib"
    others = set()
    for file in (unpacked[2] / "run.py", *lib.rglob("*.py")):
        for name in imported(ast.parse(file.read_text())):
            if name.partition(".")[0] != "pipeline":
                others.add(name.partition(".")[0])
                continue
            path = lib.joinpath(*name.split("."))
            assert path.with_suffix(".py").is_file() or path.is_dir(), f"{file.name} needs {name}"
    known = {*sys.stdlib_module_names, "numpy"}
    assert others - known == {"onnxruntime", "ml_dtypes"}


def imported(tree):
    """Return the modules that are imported where a bundle runs, not for type checkers alone."""
    found = set()
    for node in tree.body if isinstance(tree, ast.Module) else [tree]:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import):
                found |= {alias.name for alias in inner.names}
            elif isinstance(inner, ast.ImportFrom):
                found.add(inner.module or "")
    return found


def test_shipped_files_are_the_toolkits_own(unpacked):
    lib = unpacked[2] / "lib"
    shipped = {file.relative_to(lib) for file in lib.rglob("*.py")} - {Path("pipeline/__init__.py")}
    assert {Path("pipeline/ort") / file.name for file in (HOME / "pipeline/ort").glob("*.py")} < (
        shipped
    )
    for file in shipped:
        assert (lib / file).read_bytes() == (HOME / file).read_bytes()
    assert {file.suffix for file in lib.rglob("*") if file.is_file()} <= {".py", ".pyc"}


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


ALLOWED = {"rms": 1.0, "quantile": 1.0, "max": 1.0}


def test_errors_and_verdict_are_those_of_parity():
    wanted = np.array([1.0, 2.0, np.nan, np.inf])
    allowed = Budget(**ALLOWED)
    same = bundle_runner.judge(wanted.astype("f4"), wanted, allowed)
    assert same == {**compare(wanted, wanted).to_json(), "right": True}
    lost = bundle_runner.judge(np.array([np.nan, 2.0, 0, 0]), wanted, allowed)
    assert (lost["bad"], lost["right"]) == (2, False)
    gone = bundle_runner.judge(None, wanted, allowed)
    assert (gone["bad"], gone["right"], gone["shape"]) == (4, False, None)
    flat = bundle_runner.judge(wanted[:3], wanted, allowed)
    assert (flat["bad"], flat["right"], flat["shape"]) == (4, False, [3])
    off = wanted + np.array([0, 0.9, 0, 0])
    assert bundle_runner.judge(off, wanted, allowed)["right"]
    assert not bundle_runner.judge(off, wanted, Budget(**{**ALLOWED, "max": 0.5}))["right"]


def test_an_infinite_reference_binds():
    """These very values counted as right here and as two lost in parity."""
    wanted = np.array([1.0, np.inf, -np.inf])
    found = bundle_runner.judge(np.array([1.0, 3.0, np.nan]), wanted, Budget(**ALLOWED))
    assert (found["bad"], found["right"]) == (2, False)
    assert bundle_runner.judge(wanted, wanted, Budget(**ALLOWED))["right"]
