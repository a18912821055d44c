"""The build-engine stage: graphs in, plans and their evidence out."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import tensorrt_api
from pipeline.artifacts import Artifact, StageContext, open_folder, run_stage
from pipeline.artifacts.digests import digest_file
from pipeline.builder.profiles import (
    check_profiles,
    default_ranges,
    profile_from_ranges,
    profiles_from_flags,
)
from pipeline.builder.request import PlanRequest
from pipeline.builder.shapes import Profile
from pipeline.builder.targets import check_rtx_targets, tag
from pipeline.errors import (
    BadModelError,
    BuildError,
    ClaimError,
    EnvironmentMissingError,
    PipelineError,
    UsageError,
)
from pipeline.onnx_bytes import data_files
from pipeline.options import plain
from pipeline.records.engine import EnginePart, EngineRecord
from pipeline.records.files import FileRecord
from pipeline.records.tensors import SizeRange
from pipeline.stages.build_engine.lengths import ranges_from_lengths, read_lengths
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.plan import PlanReport, build_plan
from pipeline.stages.build_engine.source import EngineSource, GraphToBuild, find_source
from pipeline.tensorrt_api import Flavour
from pipeline.types import SILENT, Json, Progress

if TYPE_CHECKING:
    from pipeline.builder.graph import Graph

_BATCH_AXIS = 0


def build_engines(options: BuildEngineOptions, progress: Progress = SILENT) -> Artifact:
    """Return the artifact with one plan per part of the model.

    Raises:
        UsageError: Profiles that do not fit the graph, unknown targets.
        BadModelError: The preflight or the parser refuses the graph.
        ClaimError: A required dedicated attention kernel does not exist.
        EnvironmentMissingError: No bindings are installed, or no GPU answers and they need one.
        BuildError: The builder failed, crashed or took too long.

    Examples:
        >>> from pipeline import BuildEngineOptions, build_engines
        >>> sizes = {"batch": (1, 2, 4), "sequence": (1, 16, 32)}
        >>> options = BuildEngineOptions(
        ...     "model.onnx", "model.plan", compute_capabilities=("8.9",), dims=sizes
        ... )
        >>> [file.path for file in build_engines(options).files]
        ['model.plan']
    """
    flavour = tensorrt_api.choose(options.backend)
    targets = _targets(options, flavour)
    source = find_source(options.model, options.precision)
    if options.output.suffix == ".plan":
        return _one_file(options, source, flavour, targets, progress)
    variant = source.variant or f"tensorrt-{_precision_of(source.parts[0].file)}"
    parents = {"graph": source.parent} if source.parent else {}

    def produce(context: StageContext) -> EngineRecord:
        made: dict[str, EnginePart] = {}
        for part in source.parts:
            name = f"engine/{part.name}.{variant}.{tag(targets)}.plan"
            report = _build(options, part, context.path(name), flavour, targets, progress)
            for line in report.log:
                context.log(f"{part.name}: {line}")
            made[part.name] = report.record(name)
        return EngineRecord(variant=variant, targets=targets, parts=made)

    folder = open_folder(options.output, create=True)
    recipe = _recipe(options, source, flavour, targets)
    return run_stage(folder, f"build-engine.{variant}", recipe, parents, produce, EngineRecord)


def _one_file(
    options: BuildEngineOptions,
    source: EngineSource,
    flavour: Flavour,
    targets: tuple[str, ...],
    progress: Progress,
) -> Artifact:
    """Write exactly the plan that was asked for; its facts go to the caller, not to disk."""
    if len(source.parts) != 1:
        names = ", ".join(p.name for p in source.parts)
        raise UsageError(f"the folder holds {names}; one .plan cannot", fix="-o DIR")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    part = source.parts[0]
    report = _build(options, part, options.output, flavour, targets, progress)
    record = FileRecord(options.output.name, report.plan_sha256, report.plan_bytes, shared=False)
    told = EngineRecord(targets=targets, parts={part.name: report.record(record.path)})
    return Artifact(
        folder=options.output.parent,
        stage="build-engine",
        key="",
        digest=report.plan_sha256,
        files=(record,),
        facts=told.to_json(),
        seconds=report.seconds,
        peak_rss_bytes=report.peak_rss_bytes,
        log=report.log,
    )


def _build(
    options: BuildEngineOptions,
    part: GraphToBuild,
    plan: Path,
    flavour: Flavour,
    targets: tuple[str, ...],
    progress: Progress,
) -> PlanReport:
    # Imported with the work, so that a folder that is current is reused without the libraries.
    from pipeline.builder.graph import read_graph
    from pipeline.builder.preflight import preflight, refuse

    progress.step(f"reading {part.file.name}")
    graph = read_graph(part.file)
    findings = preflight(graph.seen, targets, part.file.parent)
    refuse(findings, str(part.file))
    for finding in findings:
        progress.note(f"{part.name}: {finding.what} ({finding.path or finding.node})")
    profiles = make_profiles(options, graph, part.ranges)
    check_profiles(graph.inputs, profiles)
    if not any(i.dynamic for i in graph.inputs):
        profiles = ()
    request = _request(options, part.file, plan, flavour, targets, profiles)
    if options.require_fused_attention:
        _require_attention(graph, part)
    check = options.check_attention and graph.attention_count > 0
    try:
        return build_plan(request, progress, options.timeout_s, graph.paths, check)
    except (BuildError, BadModelError) as err:
        if options.reduce is not None:
            _reduce(request, options.reduce, err, progress)
        raise


def _request(
    options: BuildEngineOptions,
    graph: Path,
    plan: Path,
    flavour: Flavour,
    targets: tuple[str, ...],
    profiles: tuple[Profile, ...],
) -> PlanRequest:
    return PlanRequest(
        task="build",
        flavour=flavour,
        onnx=graph,
        plan=plan,
        targets=targets,
        profiles=profiles,
        tf32=options.tf32,
        workspace_bytes=options.workspace_bytes,
        level=options.builder_optimization_level,
        verbosity=options.profiling_verbosity,
        weight_streaming=options.allow_weight_streaming,
        timing_cache=options.timing_cache_file,
        decomposable=not options.require_fused_attention,
    )


def _reduce(request: PlanRequest, output: Path, error: PipelineError, progress: Progress) -> None:
    """Leave a smaller failing graph for a bug report, and say so in the error."""
    from pipeline.stages.build_engine.reduce import reduce_failure

    with tempfile.TemporaryDirectory(prefix="pipeline-reduce-") as scratch:
        try:
            reduced = reduce_failure(request, output, Path(scratch), progress)
            error.fix = f"{error.fix}; {reduced} is a smaller graph that fails alike".lstrip("; ")
        except PipelineError as other:
            progress.note(f"not reduced: {other.what}")


def _require_attention(graph: Graph, part: GraphToBuild) -> None:
    if not graph.attention_count and graph.softmax_count:
        raise ClaimError(
            f"no attention operator in the graph, but {graph.softmax_count} Softmax: nothing is "
            "fused",
            where=str(part.file),
            fix="pipeline optimize --target tensorrt --precision fp16",
        )


def make_profiles(
    options: BuildEngineOptions, graph: Graph, known: Mapping[str, SizeRange]
) -> tuple[Profile, ...]:
    """Return the profiles: from shape flags, from lengths, from named dims, from defaults.

    Raises:
        UsageError: A named dim is not one of the graph's.
    """
    from pipeline.builder.relations import consistent

    if options.min_shapes or options.opt_shapes or options.max_shapes:
        return profiles_from_flags(options.min_shapes, options.opt_shapes, options.max_shapes)
    defaults = default_ranges(graph.inputs)
    ranges = {**defaults, **{n: r for n, r in known.items() if n in defaults}}
    given = set(known)
    for name, values in options.ranges().items():
        if name not in ranges:
            raise UsageError(
                f"--dim {name}: no input has such a dim", fix=f"one of {', '.join(ranges)}"
            )
        ranges[name] = values
        given.add(name)
    sets: Sequence[Mapping[str, SizeRange]] = ({},)
    if options.profile_from is not None:
        split = _length_dim(graph)
        lengths = read_lengths(options.profile_from, split)
        strange = [n for n in lengths if n not in ranges]
        if strange:
            raise UsageError(
                f"{options.profile_from} names {', '.join(strange)}; no input has such a dim",
                fix=f"one of {', '.join(ranges)}",
            )
        sets = ranges_from_lengths(lengths, options.profile_count, split)
    return tuple(
        profile_from_ranges(
            graph.inputs, consistent(graph.seen.model, {**ranges, **s}, {*given, *s})
        )
        for s in sets
    )


def _length_dim(graph: Graph) -> str:
    """Return the named dim that varies most: the first one that is not the leading axis."""
    for spec in graph.inputs:
        for axis, dim in enumerate(spec.dims):
            if axis != _BATCH_AXIS and isinstance(dim, str):
                return dim
    raise UsageError("--profile-from: the graph has no dynamic length")


def _targets(options: BuildEngineOptions, flavour: Flavour) -> tuple[str, ...]:
    targets = options.compute_capabilities
    if flavour == "tensorrt-rtx":
        check_rtx_targets(targets)
        return targets
    gpu = tensorrt_api.find_gpu()
    if gpu is None:
        raise EnvironmentMissingError(
            "full TensorRT tunes on the GPU it builds for, and no NVIDIA driver answers here",
            fix="build on that machine, or --backend tensorrt-rtx",
        )
    return (gpu.compute_capability,)


def _recipe(
    options: BuildEngineOptions, source: EngineSource, flavour: Flavour, targets: tuple[str, ...]
) -> dict[str, Json]:
    """Return what a plan depends on; where things lie and time limits are left out."""
    left_out = ("model", "output", "timeout_s", "reduce", "timing_cache_file", "backend",
                "compute_capabilities", "profile_from")  # fmt: skip
    recipe = plain(options, without=left_out)
    recipe["dims"] = {name: [r.min, r.opt, r.max] for name, r in options.ranges().items()}
    gpu = tensorrt_api.find_gpu() if flavour == "tensorrt" else None
    recipe |= {
        "flavour": flavour,
        "builder": tensorrt_api.wheel_version(flavour),
        "targets": list(targets),
        "gpu": f"{gpu.name} {gpu.driver}" if gpu else "none",
    }
    if options.profile_from is not None and options.profile_from.is_file():
        recipe["lengths"] = digest_file(options.profile_from)
    if source.parent is None:
        recipe["graph"] = _graph_digest(source.parts[0].file)
    return recipe


def _graph_digest(path: Path) -> str:
    """Return the hash of a foreign graph and of the weights it refers to."""
    whole = hashlib.sha256(digest_file(path).encode())
    for data in (path.parent / name for name in data_files(path)):
        if data.is_file():
            whole.update(digest_file(data).encode())
    return whole.hexdigest()


def _precision_of(path: Path) -> str:
    from pipeline.builder.graph import read_graph

    return read_graph(path).precision
