"""What is installed: every dependency is used, and everything used is a dependency."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pipeline.tensorrt_api import MODULES

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = ("cpu", "gpu", "rtx", "tensorrt", "openvino", "serve")  # the extras a user runs with

# What our code does not import, but what it imports does; each with its reason.
FOR_OTHERS = {
    "accelerate": "transformers reads GGUF checkpoints with it",
    "gguf": "transformers reads GGUF checkpoints with it",
    "httptools": "uvicorn parses HTTP with it where it is there",
    "onnx-graphsurgeon": "polygraphy's reduction cuts graphs with it",
    "uvloop": "uvicorn takes its event loop where it is there",
}
# What our code imports from a dependency's own dependency: the types it speaks in.
COMES_WITH = {
    "google": "onnx",  # protobuf: the errors of parsing
    "huggingface_hub": "transformers",
    "markupsafe": "jinja2",
    "sympy": "torch",  # sizes in exported programs
}
# Modules of distributions that need not be installed where the tests run.
DISTRIBUTIONS = {
    "onnxruntime": {"onnxruntime", "onnxruntime-gpu"},
    "tensorrt": {"tensorrt"},
    "tensorrt_rtx": {"tensorrt-rtx-cu13"},
    "openvino": {"openvino"},
}
PARSED = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for package in ("pipeline", "models")
    for path in (ROOT / package).rglob("*.py")
}


def plain(name):
    return re.match(r"[A-Za-z0-9._-]+", name)[0].lower().replace("_", "-")


DECLARED = {plain(text) for text in PROJECT["dependencies"]}
DECLARED |= {plain(text) for name in RUNTIME for text in PROJECT["optional-dependencies"][name]}


def imported():
    """Return module -> a file that imports it, of all that is neither ours nor Python's."""
    found = dict.fromkeys(MODULES.values(), "tensorrt_api.py")
    for path, tree in PARSED.items():
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names = re.findall(r"^import sys; from (\w+)", node.value)  # run as `python -c`
            found |= {name.split(".")[0]: path.name for name in names}
    ours = {"pipeline", "models", *sys.stdlib_module_names}
    return {module: name for module, name in found.items() if module not in ours}


IMPORTED = imported()
KNOWN = packages_distributions()


def distributions(module):
    return DISTRIBUTIONS.get(module) or {plain(name) for name in KNOWN.get(module, [module])}


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_a_dependency_is_used(name):
    used = set().union(*map(distributions, IMPORTED))
    assert (name in used) != (name in FOR_OTHERS), name


@pytest.mark.parametrize("module", sorted(IMPORTED))
def test_what_is_imported_is_declared(module):
    allowed = {COMES_WITH[module]} if module in COMES_WITH else distributions(module)
    assert allowed & DECLARED, f"{IMPORTED[module]} imports {module}"
