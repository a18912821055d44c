"""Options of a run: names are checked before any work, and each stage gets its own."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.run.options import RunOptions


def options(**changes):
    return RunOptions(**{"model": "zh-en", "output": Path("out"), **changes})


def test_what_is_said_for_a_stage_is_for_that_stage():
    made = options(stages={"export": {"opset": 21}})
    assert made.of("export") == {"opset": 21}
    assert made.of("perf") == {}
    made.of("export")["opset"] = 5
    assert made.of("export") == {"opset": 21}, "what is handed out is a copy"


def test_defaults_and_types():
    made = options(output="elsewhere", targets="tensorrt", skip=["perf"])
    assert (made.output, made.targets, made.skip) == (Path("elsewhere"), ("tensorrt",), ("perf",))
    assert options().targets == ("ort-cpu", "tensorrt")


@pytest.mark.parametrize(
    ("changes", "where", "fix"),
    [
        ({"targets": ("ort-cpuu",)}, "targets", "did you mean ort-cpu"),
        ({"skip": ("prefs",)}, "--skip", "did you mean perf?"),
        ({"skip": ("export",)}, "--skip", ""),
        ({"skip": ("qqq",)}, "--skip", "choose among optimize, build-engine"),
        ({"stages": {"exprot": {}}}, "stage", "did you mean export?"),
        ({"stages": {"export": {"opsett": 1}}}, "option of export", "did you mean opset?"),
    ],
    ids=["target", "skip", "skip-export", "far off", "stage", "option"],
)
def test_a_name_that_does_not_exist(changes, where, fix):
    with pytest.raises(UsageError) as caught:
        options(**changes)
    assert where in f"{caught.value.where} {caught.value.what}"
    assert fix in caught.value.fix
