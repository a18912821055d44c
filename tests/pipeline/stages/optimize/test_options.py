"""Optimize options refuse what does not exist."""

from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.fusion.plan import constructs
from pipeline.stages.optimize.options import ExplainOptions, OptimizeOptions, check_gate


@pytest.mark.parametrize(
    "changes",
    [{"target": "tpu"}, {"precision": "fp12"}, {"proof": "some"}, {"require": {"heads": 3}}],
    ids=["target", "precision", "proof", "gate"],
)
def test_unknown_values_name_the_choices(changes):
    with pytest.raises(UsageError) as caught:
        OptimizeOptions(model=Path("m.onnx"), **changes)
    assert caught.value.fix


def test_gates_are_numbers_or_all():
    gates = {"attention": 12, "norm": "all"}
    assert OptimizeOptions("m.onnx", require=gates).require == gates


@pytest.mark.parametrize(("kind", "least"), [("heads", 1), ("attention", -1)])
def test_a_gate_that_no_graph_can_pass_or_fail(kind, least):
    with pytest.raises(UsageError, match=f"--require {kind}={least}"):
        check_gate(kind, least)


def test_explaining_takes_what_optimizing_takes_but_for_what_it_writes():
    explain = {item.name: item.type for item in fields(ExplainOptions)}
    optimize = {item.name: item.type for item in fields(OptimizeOptions)}
    assert optimize.items() >= explain.items()
    codes = {"method", "calibration_text"}  # they choose numbers, and no form of any site
    assert optimize.keys() - explain.keys() == {"output", "require"} | codes


def test_the_variant_names_target_and_precision():
    assert OptimizeOptions(model=Path("m"), target="tensorrt", precision="fp16").variant == (
        "tensorrt-fp16"
    )
    assert OptimizeOptions(model=Path("m")).variant == "ort-cpu-fp32"


def test_every_construct_of_the_plan_can_be_required():
    gates = dict.fromkeys(constructs(), "all")
    assert OptimizeOptions("m.onnx", require=gates).require == gates
    assert {"attention", "norm", "softmax", "residual-norm"} <= gates.keys()
