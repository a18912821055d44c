"""The stages of a run by name: options without a framework, functions where they are."""

import dataclasses
import inspect
import subprocess
import sys

import pytest

from pipeline.run.stages import STAGES, function_of, options_class


def test_the_order_is_the_order_of_the_data():
    assert STAGES == ("export", "optimize", "build-engine", "parity", "perf", "report")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_function_takes_its_options(stage):
    cls, function = options_class(stage), function_of(stage)
    assert dataclasses.is_dataclass(cls)
    first, second = list(inspect.signature(function).parameters.values())[:2]
    assert (first.name, first.annotation) == ("options", cls.__name__)
    assert second.name == "progress"


def test_options_load_no_framework():
    script = (
        "import sys; from pipeline.run.stages import STAGES, options_class;"
        "[options_class(stage) for stage in STAGES];"
        "print({'torch', 'onnx', 'onnxruntime', 'transformers', 'numpy'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "set()"
