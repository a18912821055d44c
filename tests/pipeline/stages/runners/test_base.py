"""Every runner has the shape that comparisons, measurements and texts ask for."""

import importlib
import inspect
from pathlib import Path

import pytest

from pipeline.stages.runners.base import Closing, Runner

RUNNERS = {
    "judge_runner": "JudgeRunner", "ort_runner": "OrtRunner", "torch_runner": "TorchRunner",
    "tensorrt_runner": "TensorrtRunner", "openvino_runner": "OpenvinoRunner",
}  # fmt: skip
MEMBERS = {
    "input_names", "output_names", "run", "describe", "close", "__enter__", "__exit__",
}  # fmt: skip


def test_the_shape():
    own = {name for name in vars(Runner) if not name.startswith("_")}
    assert own | {"__enter__", "__exit__"} == MEMBERS


@pytest.mark.parametrize("module", RUNNERS)
def test_a_runner_has_it(module):
    if module == "openvino_runner":
        pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    found = getattr(importlib.import_module(f"pipeline.stages.runners.{module}"), RUNNERS[module])
    source = inspect.getsource(found)
    for name in MEMBERS:
        assert hasattr(found, name) or f"self.{name}" in source, name
    assert list(inspect.signature(found.run).parameters)[:2] == ["self", "feeds"]


def test_there_are_no_others():
    folder = importlib.import_module("pipeline.stages.runners").__path__[0]
    files = {path.stem for path in Path(folder).glob("*_runner.py")}
    assert files == RUNNERS.keys()


def test_a_block_closes_what_it_was_given_even_when_it_fails():
    class Held(Closing):
        closed = 0

        def close(self):
            self.closed += 1

    def use(held):
        with held as same:
            assert (same, held.closed) == (held, 0)
            raise KeyError

    held = Held()
    with pytest.raises(KeyError):
        use(held)
    assert held.closed == 1
