"""The rules of the house, held by reading the sources: layers, tests, sizes, words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tested_elsewhere import ELSEWHERE

ROOT = Path(__file__).resolve().parents[1]

# Each unit may import units of the rows above its own, never of its own row or below: so stages
# do not know each other, and what judges them does not leak into them.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("models",),
    ("errors", "types", "operators", "notebook"),
    ("onnx_bytes", "accuracy", "received_json"),
    ("ort",),
    ("records",),
    ("options", "toolchain"),
    ("tensorrt_api", "artifacts"),
    ("graph",),
    ("judge",),
    ("inputs",),
    ("builder", "fusion", "precision", "tokenizer"),
    ("stages/export", "stages/optimize", "stages/build_engine", "stages/runners"),
    ("tasks",),
    ("parity", "perf", "claims"),
    ("pack", "package"),
    ("report",),
    ("run", "doctor", "serve"),
    ("api",),
    ("cli",),
    ("training",),
)
TOPS = ("pipeline", "models", "training")
LEVEL = {unit: level for level, row in enumerate(LAYERS) for unit in row}

# Files that may be longer than the budget, each with its reason.
LONGER: dict[str, str] = {}
FILE_LINES, MODEL_LINES, FUNCTION_LINES = 300, 350, 40

FRAMEWORKS = {
    "torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "transformers", "tokenizers",
    "tensorrt", "tensorrt_rtx", "matplotlib", "numpy", "jinja2", "rich", "safetensors",
    "polygraphy", "starlette", "uvicorn", "prometheus_client",
}  # fmt: skip


def modules() -> list[Path]:
    found = [path for top in TOPS for path in (ROOT / top).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def unit_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return unit_named(parts) if parts[0] == "pipeline" else parts[0]


def unit_named(parts: Sequence[str]) -> str:
    """Return the unit of `pipeline, name, ...`; the stages are units of their own."""
    return "/".join(parts[1:3]) if parts[1] == "stages" else parts[1]


def imports_of(tree: ast.AST) -> set[str]:
    """Return the units of this project that a module imports anywhere, lazily or not."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "pipeline":
                found |= {f"pipeline.{alias.name}" for alias in node.names}
    split = [name.split(".") for name in found]
    units = {unit_named(parts) for parts in split if parts[0] == "pipeline" and len(parts) > 1}
    return units | {parts[0] for parts in split if parts[0] in ("models", "training")}


PARSED = {name_of(path): ast.parse(path.read_text()) for path in modules()}
BY_NAME = [pytest.param(path, id=name_of(path)) for path in modules()]


@pytest.mark.parametrize("path", BY_NAME)
def test_imports_only_point_upwards_in_the_table(path):
    unit = unit_of(path)
    if path.parent == ROOT / "pipeline" and path.name in ("__init__.py", "__main__.py"):
        return  # the front door: re-exports, lazily
    if path == ROOT / "pipeline/stages/__init__.py":
        return  # says what lies there
    assert unit in LEVEL, f"give {unit} its row in LAYERS"
    for other in imports_of(PARSED[name_of(path)]) - {unit, "__version__"}:
        assert other in LEVEL, f"{name_of(path)} imports {other}, which has no row in LAYERS"
        assert LEVEL[other] < LEVEL[unit], f"{name_of(path)} ({unit}) must not import {other}"


# What only pipeline.ort may say, so that sessions are opened, run and bound in one way.
SESSION_WORDS = {
    "InferenceSession", "SessionOptions", "OrtValue", "OrtValueVector", "io_binding",
    "run_with_iobinding", "run_with_ort_values", "run_with_ortvaluevector",
}  # fmt: skip


def said_in(tree: ast.AST) -> set[str]:
    """Return every name, attribute and imported name of a module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", BY_NAME)
def test_only_one_package_opens_and_binds_sessions(path):
    said = said_in(PARSED[name_of(path)]) & SESSION_WORDS
    assert not said or unit_of(path) == "ort", f"{name_of(path)} says {', '.join(sorted(said))}"


def test_sessions_are_opened_in_one_place_and_bound_in_one():
    """Guards the rule above: the words are those the code really uses."""
    text = {path.name: path.read_text() for path in (ROOT / "pipeline/ort").glob("*.py")}
    for word, home in {"InferenceSession(": "session.py", "io_binding()": "binding.py"}.items():
        assert [name for name, source in text.items() if word in source] == [home]


@pytest.mark.parametrize("path", BY_NAME)
def test_facts_are_read_as_a_record(path):
    """`ExportRecord.of(artifact)`, never `artifact.facts["parts"]`: mypy sees where stages meet."""
    for node in ast.walk(PARSED[name_of(path)]):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            read = ast.unparse(node.value).rpartition(".")[2]
            by_name = isinstance(node.slice.value, str)
            assert not (by_name and read == "facts"), f"{name_of(path)}:{node.lineno}"


def test_what_a_bundle_ships_needs_numpy_and_onnxruntime_alone():
    single = (ROOT / "pipeline/accuracy.py", ROOT / "pipeline/pack/bundle_keys.py")
    for path in (*(ROOT / "pipeline/ort").glob("*.py"), *single):
        units = imports_of(PARSED[name_of(path)]) - {"types"}  # for type checkers alone
        assert units <= {"ort", "errors", "onnx_bytes", "received_json"}, name_of(path)


def own_test(path: Path) -> Path:
    return ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.stem}.py"


@pytest.mark.parametrize("path", BY_NAME)
def test_every_module_has_its_test(path):
    """In a file of its own, or where tests/tested_elsewhere.py says, with the reason."""
    named, own = name_of(path), own_test(path).exists()
    if path.name == "__init__.py":
        return
    assert own or named in ELSEWHERE, f"no {name_of(own_test(path))}"
    assert not own or named not in ELSEWHERE, f"take {named} out of tests/tested_elsewhere.py"


def test_tests_that_are_elsewhere_are_there():
    known = set(map(name_of, modules()))
    for named, (tests, reason) in ELSEWHERE.items():
        assert named in known, f"there is no {named}"
        assert (ROOT / tests).exists(), f"{named}: no {tests}"
        assert reason


@pytest.mark.parametrize("path", BY_NAME)
def test_files_are_short(path):
    lines = len(path.read_text().splitlines())
    limit = FILE_LINES if path.is_relative_to(ROOT / "pipeline") else MODEL_LINES
    assert lines <= limit or name_of(path) in LONGER, f"{name_of(path)} has {lines} lines"


@pytest.mark.parametrize("path", BY_NAME)
def test_functions_are_short(path):
    """Count statements and signature, not the docstring: explaining more must never cost."""
    for node in ast.walk(PARSED[name_of(path)]):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        first = node.body[0]
        doc = 0
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            doc = first.end_lineno - first.lineno + 1
        lines = node.end_lineno - node.lineno + 1 - doc
        assert lines <= FUNCTION_LINES, f"{name_of(path)}: {node.name} has {lines} lines"


@pytest.mark.parametrize("path", BY_NAME)
def test_every_module_says_what_it_is(path):
    text = ast.get_docstring(PARSED[name_of(path)])
    assert text, f"{name_of(path)} has no docstring"
    assert "TODO" not in path.read_text(), f"{name_of(path)} has a TODO"


@pytest.mark.parametrize("path", BY_NAME)
def test_no_path_of_one_machine_is_written_down(path):
    assert not re.search(r"[\"'(\s]/(home|root|work|Users)/", path.read_text())


def test_longer_files_are_still_longer():
    for name in LONGER:
        assert len((ROOT / name).read_text().splitlines()) > FILE_LINES, f"{name} fits again"


def _loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join({{n.split('.')[0] for n in sys.modules}}))"
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(out.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import pipeline",
        "from pipeline import OptimizeOptions, RunOptions; RunOptions('bert-tiny', 'out')",
        "from pipeline.cli.app import run; run(['--help'])",
        "from pipeline.cli.app import run; run(['run', '--help'])",
        "from pipeline.cli.app import run; run(['optimize', '--help'])",
        "import pipeline.artifacts",
        "import pipeline.ort.settings, pipeline.ort.known_crashes",
    ],
    ids=["package", "options", "help", "run-help", "optimize-help", "artifacts", "settings"],
)
def test_no_framework_is_imported_before_it_is_needed(code):
    assert _loaded_by(code) & FRAMEWORKS == set()


def test_models_and_their_training_know_nothing_of_the_pipeline():
    for path in modules():
        if unit_of(path) in ("models", "training"):
            assert imports_of(PARSED[name_of(path)]) <= {"models", unit_of(path)}, name_of(path)
