"""`run_pipeline`: every stage in order, each reused or made, each ending said in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts import Artifact, Folder, open_folder
from pipeline.artifacts.folder import RUN_LOCK
from pipeline.artifacts.plan import WouldMake, is_planning, planning
from pipeline.errors import EnvironmentMissingError, NoKernelsError
from pipeline.records.verdict import verdict_of
from pipeline.run.options import RunOptions
from pipeline.run.result import RunResult, StageOutcome
from pipeline.run.stages import STAGES, function_of, options_class
from pipeline.types import SILENT, Progress


@dataclass(frozen=True)
class StageCall:
    """One call of a stage's function: the stage, the name shown, its options."""

    stage: str
    name: str
    options: Any


def run_pipeline(
    options: RunOptions, progress: Progress = SILENT, *, dry_run: bool = False
) -> RunResult:
    """Return what became of every stage; a stage this machine cannot run does not fail the run.

    Args:
        options: All of them are checked before any work starts.
        progress: Told of every stage's beginning, work and end.
        dry_run: Say what would be made and why, and do nothing.

    Raises:
        PipelineError: as the stages do, save for what the environment lacks; that ends the run
            only where the first stage lacks it.

    Examples:
        >>> from pipeline import RunOptions, run_pipeline
        >>> options = RunOptions("bert-tiny", "out", targets=("ort-cpu",), skip=("parity", "perf"))
        >>> result = run_pipeline(options)
        >>> result.passed, result.report.name
        (True, 'report.html')
    """
    steps = steps_of(options)
    folder = open_folder(options.output, create=True)
    if options.verify and not dry_run:
        folder.distrust()
    with planning() if dry_run else folder.lock(RUN_LOCK):
        outcomes = tuple(_work(steps, folder, progress))
    report = folder.path / "report.html"
    wrote = any(item.name == "report" and item.status in ("made", "reused") for item in outcomes)
    return RunResult(folder.path, outcomes, report if wrote else None)


def steps_of(options: RunOptions) -> list[StageCall]:
    """Return the calls a run makes, in order, with their options checked.

    Raises:
        UsageError: a value is outside its range.
    """
    place = options.output
    steps = [_step("export", options, model=options.model, output=place)]
    steps += [
        _step(
            "optimize",
            options,
            f"optimize {target}",
            model=place,
            output=place,
            target=target,
            check_build=_check_build(options, target),
        )
        for target in options.targets
    ]
    if any(target.startswith("tensorrt") for target in options.targets):
        steps.append(_step("build-engine", options, model=place, output=place))
    steps += [
        _step("parity", options, reference=place),
        _step("perf", options, models=(place,)),
        _step("report", options, folder=place),
    ]
    return [step for step in steps if step.stage not in options.skip]


def _check_build(options: RunOptions, target: str) -> str:
    """Return what is asked of the builder for a target; unless told, small graphs are tried."""
    told: str = options.of("optimize").get("check_build", "small")
    return told if target.startswith("tensorrt") else "no"


def _step(stage: str, options: RunOptions, name: str = "", **given: Any) -> StageCall:
    return StageCall(stage, name or stage, options_class(stage)(**{**options.of(stage), **given}))


def _work(steps: list[StageCall], folder: Folder, progress: Progress) -> Iterator[StageOutcome]:
    """Call each step and yield what became of it; note it as it ends."""
    waiting_for = ""
    for step in steps:
        if waiting_for and step.stage != waiting_for:
            outcome = StageOutcome(step.name, "waits", f"for {waiting_for}")
        else:
            alone = sum(other.stage == step.stage for other in steps) == 1
            outcome = _call(step, progress, alone=alone)
        if outcome.status == "would make" and not waiting_for:
            waiting_for = step.stage
        progress.note(told(outcome))
        yield outcome


def _call(step: StageCall, progress: Progress, *, alone: bool) -> StageOutcome:
    """Run one stage and say how it ended; `alone` where no other call of the stage remains."""
    if step.stage == "report" and is_planning():
        return StageOutcome(step.name, "would make", "from whatever the folder then holds")
    progress.step(step.name)
    start = time.perf_counter()
    try:
        made = function_of(step.stage)(step.options, progress)
    except WouldMake as plan:
        return StageOutcome(step.name, "would make", "; ".join(plan.reasons))
    except EnvironmentMissingError as error:
        if step.stage == STAGES[0]:
            raise  # nothing else has anything to work on
        return StageOutcome(step.name, "not run", f"{error.what}; {error.fix}".rstrip("; "))
    except NoKernelsError as error:
        if alone:
            raise
        return StageOutcome(step.name, "not run", f"{error.what}; {error.fix}".rstrip("; "))
    artifact = made if isinstance(made, Artifact) else None
    return StageOutcome(
        step.name,
        "reused" if made.reused else "made",
        seconds=time.perf_counter() - start,
        artifact=artifact,
        passed=verdict_of(artifact) if artifact is not None else made.passed,
    )


def told(outcome: StageOutcome) -> str:
    """Return an outcome as one line."""
    verdict = {True: ", passed", False: ", FAILED", None: ""}[outcome.passed]
    timing = f" in {outcome.seconds:.1f} s" if outcome.status == "made" else ""
    detail = f": {outcome.detail}" if outcome.detail else ""
    return f"{outcome.name:<20} {outcome.status}{timing}{verdict}{detail}"
