"""`pipeline run`: one roof over all stages' options, a file under what was typed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import pytest

from pipeline.cli import run_options as subject
from pipeline.cli.app import group, run
from pipeline.errors import UsageError
from pipeline.run.stages import STAGES, options_class


def settled(*words):
    command = group.get_command(click.Context(group), "run")
    ctx = command.make_context("run", list(words))
    given = {k: v for k, v in ctx.params.items() if k not in
             ("config", "dry_run", "as_json", "verbose")}  # fmt: skip
    return subject.settle(ctx, ctx.params["config"], given)


def test_only_what_was_typed_is_passed_on():
    options = settled("zh-en", "-o", "out", "--opset", "21", "--targets", "onnx")
    assert options.model == "zh-en"
    assert options.output == Path("out")
    assert options.targets == ("onnx",)
    assert options.stages == {"export": {"opset": 21}}


@pytest.mark.parametrize("flag", ["--target", "--targets", "-t"])
def test_targets_are_repeated_or_listed(flag):
    words = (flag, "onnx,ort-cpu", flag, "tensorrt")
    assert settled("zh-en", "-o", "out", *words).targets == ("onnx", "ort-cpu", "tensorrt")
    assert settled("zh-en", "-o", "out").targets == ("ort-cpu", "tensorrt")


@pytest.mark.parametrize(
    "words", [("--skip", "perf", "--skip", "parity"), ("--skip", "perf,parity")]
)
def test_stages_to_skip_are_repeated_or_listed(words):
    assert settled("zh-en", "-o", "out", *words).skip == ("perf", "parity")
    assert settled("zh-en", "-o", "out").skip == ()


@pytest.mark.parametrize("value", ["[perf, parity]", "'perf,parity'"])
def test_stages_to_skip_of_a_file(tmp_path, value):
    config = tmp_path / "c.yaml"
    config.write_text(f"model: zh-en\noutput: out\nskip: {value}\n")
    assert settled("--config", str(config)).skip == ("perf", "parity")


@pytest.mark.parametrize("name", ["target", "targets"])
@pytest.mark.parametrize("value", ["[onnx, ort-cpu]", "onnx", "'onnx,ort-cpu'"])
def test_targets_of_a_file_have_both_names(tmp_path, name, value):
    config = tmp_path / "c.yaml"
    config.write_text(f"model: zh-en\noutput: out\n{name}: {value}\n")
    wanted = ("onnx", "ort-cpu") if "ort-cpu" in value else ("onnx",)
    assert settled("--config", str(config)).targets == wanted
    assert settled("--config", str(config), "--target", "ort-cuda").targets == ("ort-cuda",)


def test_two_spellings_of_one_option_in_a_file_are_refused(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("model: zh-en\noutput: out\ntarget: onnx\ntargets: onnx\n")
    with pytest.raises(UsageError, match="another spelling"):
        settled("--config", str(config))


def test_a_shared_option_reaches_every_stage_that_has_it():
    options = settled("zh-en", "-o", "out", "--threads", "2")
    having = [
        stage
        for stage in STAGES
        if "threads" in {item.name for item in dataclasses.fields(options_class(stage))}
    ]
    assert len(having) > 1
    assert {stage for stage in options.stages if options.stages[stage] == {"threads": 2}} == {
        *having
    }


def test_the_command_line_wins_over_the_file(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(
        'model = "zh-en"\noutput = "there"\n'
        '[export]\nopset = 20\nkv-cache = "none"\n'
        '[parity]\ndims = ["batch=4"]\n'
        '[build-engine]\ncompute-capabilities = "8.0"\ndims = ["batch=1:2:4"]\n'
    )
    options = settled("--config", str(config), "-o", "here", "--opset", "21")
    assert options.output == Path("here")
    assert options.stages["export"] == {"opset": 21, "kv_cache": "none"}
    assert options.stages["parity"] == {"dims": {"batch": 4}}
    assert options.stages["build-engine"]["dims"] == {"batch": (1, 2, 4)}


def test_values_of_a_file_are_what_typed_ones_would_be(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "model: zh-en\noutput: out\nexport: {checkpoint: ckpt}\nperf: {batch: [1, 4], seq: 16}\n"
    )
    stages = settled("--config", str(tmp_path / "c.yaml")).stages
    assert stages["export"] == {"checkpoint": Path("ckpt")}
    assert stages["perf"] == {"batch": (1, 4), "seq": (16,)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modle: x", "did you mean model"),
        ("exprot: {opset: 1}", "did you mean export"),
        ("export: {opsett: 21}", "did you mean opset"),
    ],
    ids=["name", "stage", "option"],
)
def test_names_that_do_not_exist_are_named(tmp_path, text, says):
    (tmp_path / "c.yaml").write_text(f"model: zh-en\noutput: out\n{text}\n")
    with pytest.raises(UsageError) as caught:
        settled("--config", str(tmp_path / "c.yaml"))
    assert says in caught.value.fix


def test_a_value_of_the_wrong_kind_in_a_file(tmp_path):
    (tmp_path / "c.yaml").write_text("model: zh-en\noutput: out\nexport: {opset: twenty}\n")
    with pytest.raises(click.BadParameter, match="twenty"):
        settled("--config", str(tmp_path / "c.yaml"))


def test_no_two_flags_are_the_same():
    command = group.get_command(click.Context(group), "run")
    flags = [flag for param in command.params for flag in (*param.opts, *param.secondary_opts)]
    assert len(flags) == len(set(flags))


def test_a_name_two_stages_share_means_the_same_or_is_listed_as_different():
    kinds = {}
    for stage in STAGES:
        for item in dataclasses.fields(options_class(stage)):
            if item.name not in subject._DIFFERENT.get(stage, ()):
                kinds.setdefault(item.name, set()).add(str(item.type))
    own = {"model", "output"}  # the run's own
    unlike = {name: kind for name, kind in kinds.items() if len(kind) > 1 and name not in own}
    assert not unlike


def test_help_lists_options_stage_by_stage(capsys):
    assert run(["run", "--help"]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"Stage {stage}:") for stage in STAGES if f"Stage {stage}:" in out]
    assert places == sorted(places)
    assert len(places) >= 5
