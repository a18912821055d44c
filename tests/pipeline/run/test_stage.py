"""run_pipeline with stand-in stages: order, reuse, what cannot run, verdicts, planning."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from pipeline.artifacts import open_folder, run_stage
from pipeline.errors import BadModelError, EnvironmentMissingError, NoKernelsError, UsageError
from pipeline.records.export import ExportRecord
from pipeline.records.variant import VERBS
from pipeline.records.verdict import JUDGES
from pipeline.run import stage as subject
from pipeline.run.options import RunOptions
from pipeline.run.stage import run_pipeline, steps_of, told
from pipeline.run.stages import STAGES, options_class
from tests.pipeline.records.judged import parity_record, perf_record
from tests.pipeline.records.made import SAMPLES


@dataclass(frozen=True)
class Report:
    """What write_report returns, as far as a run looks at it."""

    reused: bool
    passed: bool = True


JUDGED = {"parity": parity_record, "perf": perf_record}
RECORDS = {"export": ExportRecord, **VERBS, **JUDGES}


class Stages:
    """Stand-ins that keep real artifacts in the folder and remember how often they worked."""

    def __init__(self, path):
        self.path, self.worked, self.errors, self.passed = path, [], {}, True

    def function_of(self, stage):
        def call(options, progress):
            if stage in self.errors:
                raise self.errors[stage]
            name = stage + (f".{options.target}" if stage == "optimize" else "")

            def produce(context):
                self.worked.append(name)
                context.path(f"onnx/{name}.txt").write_text(name)
                return SAMPLES[stage] if stage in SAMPLES else JUDGED[stage](passed=self.passed)

            if stage == "report":
                self.worked.append(name)
                return Report(self.worked.count(name) > 1)
            recipe = {"opset": options.opset} if stage == "export" else {}
            folder = open_folder(self.path, create=True)
            parent = folder.stage("export")
            parents = {"export": parent} if parent and stage != "export" else {}
            return run_stage(folder, name, recipe, parents, produce, RECORDS[stage])

        return call


@pytest.fixture
def stages(tmp_path, monkeypatch):
    made = Stages(tmp_path / "out")
    monkeypatch.setattr(subject, "function_of", made.function_of)
    return made


def run(fakes, *, dry_run=False, **changed):
    options = RunOptions(model="zh-en", output=fakes.path, **changed)
    return run_pipeline(options, dry_run=dry_run)


def statuses(result):
    return [(item.name, item.status) for item in result.outcomes]


EVERYTHING = [
    "export",
    "optimize ort-cpu",
    "optimize tensorrt",
    "build-engine",
    "parity",
    "perf",
    "report",
]


def test_every_stage_runs_in_order_and_is_reused_the_next_time(stages):
    assert statuses(run(stages)) == [(name, "made") for name in EVERYTHING]
    assert statuses(run(stages)) == [(name, "reused") for name in EVERYTHING]
    assert len(stages.worked) == len(EVERYTHING) + 1  # the report looks again by itself


def test_an_option_of_a_stage_reaches_it_and_redoes_what_depends_on_it(stages):
    run(stages)
    again = run(stages, stages={"export": {"opset": 21}})
    assert dict(statuses(again))["export"] == "made"


@pytest.mark.parametrize("stage", ["build-engine", "parity"])
def test_what_the_machine_lacks_is_said_and_does_not_fail(stages, stage):
    stages.errors[stage] = EnvironmentMissingError("no bindings", fix="pip install them")
    result = run(stages)
    outcome = next(item for item in result.outcomes if item.name == stage)
    assert outcome.status == "not run"
    assert outcome.detail == "no bindings; pip install them"
    assert result.passed
    assert result.outcomes[-1].status == "made"


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_export_that_cannot_run_here_ends_the_run_with_its_reason(stages, dry_run):
    stages.errors["export"] = EnvironmentMissingError("the hub cannot be reached")
    with pytest.raises(EnvironmentMissingError, match="cannot be reached"):
        run(stages, dry_run=dry_run)
    assert stages.worked == []
    assert not stages.path.exists()


def test_a_target_without_kernels_is_left_out_where_others_remain(stages):
    stages.errors["optimize"] = NoKernelsError("ort-cpu has none", fix="take fp32")
    result = run(stages, targets=("ort-cpu", "tensorrt"))
    details = {o.name: (o.status, o.detail) for o in result.outcomes}
    assert details["optimize ort-cpu"] == ("not run", "ort-cpu has none; take fp32")
    with pytest.raises(NoKernelsError):
        run(stages, targets=("ort-cpu",))


def test_other_errors_end_the_run_and_keep_what_was_made(stages):
    stages.errors["optimize"] = BadModelError("broken")
    with pytest.raises(BadModelError):
        run(stages)
    assert open_folder(stages.path).stages() == ("export",)


def test_an_error_of_the_first_stage_leaves_nothing(stages):
    stages.errors["export"] = UsageError("no such model")
    with pytest.raises(UsageError):
        run(stages)
    assert not stages.path.exists()


@pytest.mark.parametrize("passed", [True, False])
def test_a_failed_verdict_fails_the_run_after_the_report(stages, passed):
    stages.passed = passed
    result = run(stages)
    assert result.passed is passed
    assert result.outcomes[-1].name == "report"


def test_skipped_stages_are_left_out(stages):
    names = [name for name, _ in statuses(run(stages, skip=("build-engine", "perf")))]
    assert names == [name for name in EVERYTHING if name not in ("build-engine", "perf")]


def test_without_a_tensorrt_target_no_engine_is_built(stages):
    names = [name for name, _ in statuses(run(stages, targets=("ort-cpu",)))]
    assert "build-engine" not in names


def test_a_dry_run_on_nothing_says_everything_and_writes_nothing(stages):
    result = run(stages, dry_run=True)
    expected = [("export", "would make")] + [(name, "waits") for name in EVERYTHING[1:]]
    assert statuses(result) == expected
    assert result.outcomes[0].detail == "not made yet"
    assert not stages.path.exists()


def test_a_dry_run_names_the_ingredient_that_changed(stages):
    run(stages)
    result = run(stages, dry_run=True, stages={"export": {"opset": 21}})
    assert result.outcomes[0].detail == "option opset changed: null -> 21"


def test_a_dry_run_on_a_current_folder_reuses_all(stages):
    run(stages)
    found = statuses(run(stages, dry_run=True))
    assert found[:-1] == [(name, "reused") for name in EVERYTHING[:-1]]
    assert found[-1] == ("report", "would make")


def test_verify_reads_bytes_again(stages):
    run(stages)
    (stages.path / "manifest/.stats.json").write_text("{}")
    file = stages.path / "onnx/parity.txt"
    file.write_text("PARITY")
    assert dict(statuses(run(stages, verify=True)))["parity"] == "made"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"targets": ("ort-cpuu",)}, "did you mean ort-cpu"),
        ({"skip": ("prefs",)}, "did you mean perf"),
        ({"skip": ("export",)}, "choose among|did you mean"),
        ({"stages": {"exprot": {}}}, "did you mean export"),
        ({"stages": {"export": {"opsett": 1}}}, "did you mean opset"),
        ({"stages": {"export": {"opset": 99}}}, "opset 99"),
    ],
    ids=["target", "skip", "skip-export", "stage", "option", "value"],
)
def test_bad_values_are_found_before_any_work(stages, changed, says):
    with pytest.raises(UsageError) as caught:
        run(stages, **changed)
    assert re.search(says, str(caught.value))
    assert not stages.path.exists()


def test_every_stage_has_options_and_a_place_in_a_run(tmp_path):
    steps = steps_of(RunOptions(model="zh-en", output=tmp_path))
    assert tuple(dict.fromkeys(step.stage for step in steps)) == STAGES
    assert all(isinstance(step.options, options_class(step.stage)) for step in steps)


@pytest.mark.parametrize("told", ["no", "yes", None])
def test_small_graphs_for_tensorrt_are_tried_unless_told(tmp_path, told):
    stages = {} if told is None else {"optimize": {"check_build": told}}
    steps = steps_of(RunOptions(model="zh-en", output=tmp_path, stages=stages))
    asked = {s.name: s.options.check_build for s in steps if s.stage == "optimize"}
    assert asked == {"optimize ort-cpu": "no", "optimize tensorrt": told or "small"}


def test_an_outcome_reads_as_a_line(stages):
    stages.passed = False
    result = run(stages)
    line = told(next(item for item in result.outcomes if item.name == "parity"))
    assert line.startswith("parity               made in ")
    assert line.endswith(", FAILED")
    content = result.record().to_json()
    assert content["passed"] is False
    assert [item["stage"] for item in content["stages"]] == EVERYTHING


def test_a_notebook_shows_every_stage(stages):
    stages.passed = False
    stages.errors["perf"] = EnvironmentMissingError("no <bindings>", fix="pip install them")
    result = run(stages)
    (grid,) = result.grids()
    assert grid.title == f"{result.folder}: FAILED"
    assert [row[0] for row in grid.rows] == EVERYTHING
    found = {row[0]: row for row in grid.rows}
    assert found["parity"][1::2] == ("made", "FAILED")
    assert found["perf"][1:] == ("not run", "", "", "no <bindings>; pip install them")
    assert "no &lt;bindings&gt;" in result._repr_html_()
