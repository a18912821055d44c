"""The perf stage: a folder's variants against the usual ways, or files against a file."""

from __future__ import annotations

import json
from dataclasses import replace

from pipeline.artifacts import Artifact, StageContext, digest_json, open_folder, run_stage
from pipeline.artifacts.memory import Meter
from pipeline.errors import UsageError
from pipeline.options import plain
from pipeline.perf.options import PerfOptions
from pipeline.records.perf import PerfRecord, PerfResult
from pipeline.records.variant import is_variant
from pipeline.tensorrt_api import find_gpu
from pipeline.toolchain import machine
from pipeline.types import SILENT, Json, Progress

RESULT = "perf/perf.json"
ELSEWHERE = ("models", "output")
NO_EXPORT = "measure its graphs as files: pipeline perf ORIGINAL.onnx DIR/onnx/model.*.onnx"


def measure_perf(options: PerfOptions, progress: Progress = SILENT) -> Artifact:
    """Return the measurement: summaries in the facts, raw samples in `perf/perf.json`.

    Raises:
        UsageError: nothing to compare, or files that cannot be measured.
        EnvironmentMissingError: a file that was named cannot run here.

    Examples:
        >>> from pipeline import PerfOptions, PerfRecord, measure_perf
        >>> options = PerfOptions(
        ...     ("model.onnx", "fused.onnx"),
        ...     batch=(1,), sessions=1, rounds=1, turn_ms=1, roofline=False,  # a quick look
        ... )
        >>> [ratio.contender for ratio in PerfRecord.of(measure_perf(options)).ratios]
        ['fused.onnx']
    """
    first = options.models[0]
    if not first.is_dir():
        return _files(options, progress)
    if len(options.models) > 1:
        raise UsageError(
            "a folder is measured by itself",
            where=str(options.models[1]),
            fix="name one folder, or only files",
        )
    folder = open_folder(first)
    parents = {"export": folder.require("export", NO_EXPORT)}
    for name in folder.stages():
        if is_variant(name):
            parents[name] = folder.require(name, f"run `{name.partition('.')[0]}` again")

    def produce(context: StageContext) -> PerfRecord:
        from pipeline.perf.bench import measure_folder

        result = measure_folder(options, folder.path, parents, progress)
        text = json.dumps(result.to_json(), ensure_ascii=False)
        context.path(RESULT).write_text(text, encoding="utf-8")
        return summary(result, RESULT)

    return run_stage(folder, "perf", _recipe(options), parents, produce, PerfRecord)


def summary(result: PerfResult, file: str | None = None) -> PerfRecord:
    """Return the result without its raw samples.

    Args:
        result: The measurement.
        file: Where it lies in the folder; None puts it into the record itself.
    """
    rows = tuple(replace(row, samples=None) for row in result.results)
    whole = result if file is None else None
    return PerfRecord(file=file, **{**vars(result), "results": rows}, result=whole)


def _files(options: PerfOptions, progress: Progress) -> Artifact:
    from pipeline.perf.bench import measure_files

    if len(options.models) < 2:
        raise UsageError(
            "one file has nothing to be compared with",
            where=str(options.models[0]),
            fix="name a second file, or an artifact folder",
        )
    with Meter() as meter:
        result = measure_files(options, progress)
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result.to_json(), ensure_ascii=False)
        options.output.write_text(text, encoding="utf-8")
    return Artifact(
        folder=options.models[0].parent,
        stage="perf",
        key="",
        digest=digest_json(result.to_json()),
        facts=summary(result).to_json(),
        seconds=meter.seconds,
        peak_rss_bytes=meter.peak_rss_bytes,
    )


def _recipe(options: PerfOptions) -> dict[str, Json]:
    """Return the options and the machine: a folder that moved is measured anew."""
    recipe = plain(options, without=ELSEWHERE)
    about, gpu = machine(), find_gpu()
    recipe["machine"] = {"cpu": about.cpu, "cores": about.cores}
    return {**recipe, "gpu": f"{gpu.name} {gpu.driver}" if gpu else "none"}
