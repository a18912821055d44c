"""Every command hands its words to one function, and shows what comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.artifacts.artifact import Artifact
from pipeline.cli.app import COMMANDS, group, run
from pipeline.cli.commands import (
    build_engine,
    classify,
    doctor,
    embed,
    explain,
    export,
    fill_mask,
    generate,
    optimize,
    pack,
    parity,
    perf,
    report,
    translate,
)
from pipeline.cli.commands import run as run_command
from pipeline.records.explain import ExplainRecord
from pipeline.records.files import FileRecord
from pipeline.report.stage import Report
from tests.pipeline.records.judged import parity_record, perf_record
from tests.pipeline.records.made import optimize_record

ARTIFACT = Artifact(
    folder=Path("out"),
    stage="stage",
    key="k",
    digest="d",
    files=(FileRecord("onnx/a.onnx", "s", 1500, False),),
    facts={"parts": {}, "passed": True, "jobs": [], "results": [], "ratios": []},
)
FACTS = {
    "optimize": optimize_record().to_json(),
    "parity": parity_record().to_json(),
    "perf": perf_record().to_json(),
}  # what the command reads of the result

CASES = {
    "export": (
        ["export", "zh-en", "-o", "out", "--opset", "21"],
        "pipeline.stages.export.stage.export_model",
        {"model": "zh-en", "output": Path("out"), "opset": 21},
    ),
    "optimize": (
        ["optimize", "m.onnx", "-o", "o", "-t", "onnx", "--require", "attention=12,norm=all"],
        "pipeline.stages.optimize.stage.optimize_model",
        {"model": Path("m.onnx"), "target": "onnx", "require": {"attention": 12, "norm": "all"}},
    ),
    "build-engine": (
        ["build-engine", "m.onnx", "-o", "m.plan", "--minShapes=x:1x2,y:1", "--noTF32"],
        "pipeline.stages.build_engine.stage.build_engines",
        {"model": Path("m.onnx"), "min_shapes": ({"x": (1, 2), "y": (1,)},), "tf32": False,
         "precision": None},
    ),
    "parity": (
        ["parity", "a.onnx", "b.onnx", "c.onnx", "--no-bisect", "--dim", "batch=3"],
        "pipeline.parity.stage.compare_parity",
        {"reference": Path("a.onnx"), "candidates": (Path("b.onnx"), Path("c.onnx")),
         "bisect": False, "dims": {"batch": 3}},
    ),
    "perf": (
        ["perf", "a.onnx", "b.onnx", "--batch", "1,8", "--batch", "16"],
        "pipeline.perf.stage.measure_perf",
        {"models": (Path("a.onnx"), Path("b.onnx")), "batch": (1, 8, 16)},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "function", "expected"), CASES.values(), ids=CASES)
def test_words_reach_the_function_as_options(monkeypatch, capsys, words, function, expected):
    got = []

    def stage(options, progress):
        got.append(options)
        return replace(ARTIFACT, facts=FACTS.get(words[0], ARTIFACT.facts))

    monkeypatch.setattr(function, stage)
    assert run([*words, "--json"]) == 0
    assert {name: getattr(got[0], name) for name in expected} == expected
    assert json.loads(capsys.readouterr().out)["stage"] == "stage"


def test_serve_takes_its_key_from_the_environment(monkeypatch):
    got = []
    monkeypatch.setattr(
        "pipeline.serve.server.serve_models", lambda options, progress: got.append(options)
    )
    monkeypatch.setenv("PIPELINE_API_KEY", "secret")
    assert run(["serve", "a", "b", "--port", "9000"]) == 0
    assert run(["serve", "a", "--api-key", "own"]) == 0
    assert [options.api_key for options in got] == ["secret", "own"]
    assert (got[0].folders, got[0].port) == ((Path("a"), Path("b")), 9000)


def test_tf32_and_its_opposite_contradict_each_other(capsys):
    assert run(["build-engine", "m.onnx", "-o", "x", "--tf32", "--noTF32"]) == 2
    assert "contradict" in capsys.readouterr().err


def test_explain_shows_what_it_found(monkeypatch, capsys):
    found = ExplainRecord(target="onnx", parts={})
    monkeypatch.setattr("pipeline.stages.optimize.explain.explain_model", lambda options, _: found)
    assert run(["explain", "m.onnx", "--json"]) == 0
    told = {"format": ExplainRecord.FORMAT, "target": "onnx", "parts": {}}
    assert json.loads(capsys.readouterr().out) == told
    assert run(["explain", "m.onnx"]) == 0
    assert capsys.readouterr().out == "target onnx\n"


def test_optimize_lists_its_lowerings(capsys):
    assert run(["optimize", "--list", "--target", "onnx", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["lowerings"]
    assert all(item["source"].startswith("http") and item["exact"] for item in found)


@pytest.mark.parametrize("verdict", [True, False])
def test_a_verdict_becomes_the_exit_code(monkeypatch, verdict):
    facts = parity_record(passed=verdict).to_json()
    artifact = Artifact(Path("out"), "parity", "k", "d", facts=facts)
    monkeypatch.setattr("pipeline.parity.stage.compare_parity", lambda options, _: artifact)
    assert run(["parity", "out"]) == (0 if verdict else 1)


@pytest.mark.parametrize("verdict", [True, False])
def test_a_report_that_says_no_ends_so(monkeypatch, capsys, verdict):
    made = Report(Path("a.html"), Path("a.md"), Path("data.json"), False, verdict)
    monkeypatch.setattr("pipeline.report.stage.write_report", lambda options, _: made)
    assert run(["report", "out"]) == (0 if verdict else 1)
    assert ("FAILED" in capsys.readouterr().out) is not verdict


def test_each_module_holds_the_command_of_its_name():
    stages = (build_engine, export, optimize, parity, perf, report)
    others = (classify, doctor, embed, explain, fill_mask, generate, pack, translate)
    for module in (*stages, *others):
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        assert module.command.name == name
        assert name in COMMANDS
    assert run_command.command.name == "run"


@pytest.mark.parametrize("command", [("optimize", "m.onnx", "-o", "f.onnx"), ("explain", "m.onnx")])
def test_a_second_target_is_refused(command):
    """`run` takes several, and the first alone was no answer to who asked for two."""
    done = CliRunner().invoke(group, [*command, "--target", "ort-cpu", "-t", "tensorrt"])
    assert done.exit_code == 2
    assert "one value, not 2 (ort-cpu, tensorrt)" in done.output
