"""Explaining a graph: every site, fused by what, or why not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pipeline.artifacts import open_folder
from pipeline.fusion.plan import lowerings_for, plan_for
from pipeline.inputs import load_inputs
from pipeline.records.explain import ExplainRecord, LoweringRecord
from pipeline.records.export import ExportRecord
from pipeline.stages.optimize.buildable import keep_buildable, wants_trial
from pipeline.stages.optimize.builders import builder_flavour
from pipeline.stages.optimize.engine import optimize_file
from pipeline.stages.optimize.options import ExplainOptions, refuse_without_kernels
from pipeline.stages.optimize.proof import proving
from pipeline.stages.optimize.records import graph_record
from pipeline.types import SILENT, Progress


def explain_model(options: ExplainOptions, progress: Progress = SILENT) -> ExplainRecord:
    """Return, per graph, every candidate with its proof or its refusal; nothing is written.

    Raises:
        BadModelError: A file is no model, or a hostile one.
        EnvironmentMissingError: The builder is to be asked, and none is installed.

    Examples:
        >>> from pipeline import ExplainOptions, explain_model
        >>> found = explain_model(ExplainOptions("model.onnx"))
        >>> [site.lowering for site in found.sites() if site.construct == "attention"]
        ['fuse_attention_standard', 'fuse_attention_standard']
    """
    refuse_without_kernels(options.target, options.precision)
    inputs = load_inputs(options.inputs) if options.inputs is not None else None
    plan = plan_for(
        options.target, options.disable, fuse_all=options.fuse_all, precision=options.precision,
        inputs=inputs,
    )  # fmt: skip
    builder_flavour(options.check_build)  # before any work: what is asked for must be there
    parts = {}
    for name, path in graphs_behind(options.model).items():
        progress.step(f"{name}: reading")
        with proving(options.proof, options.inputs) as prover:
            make = partial(optimize_file, path, plan, prover, progress)
            model, fused = make()
            if wants_trial(options.check_build, model, progress):
                _, fused = keep_buildable(path, make, (model, fused), {}, progress)
            parts[name] = graph_record(fused)
    return ExplainRecord(target=options.target, parts=parts)


def graphs_behind(path: Path) -> dict[str, Path]:
    """Return the ONNX files of a folder's export by part, or the file itself."""
    if not path.is_dir():
        return {"model": path}
    exported = open_folder(path).require("export", "pipeline export MODEL -o DIR")
    parts = ExportRecord.of(exported).parts
    return {name: exported.path(part.file) for name, part in parts.items()}


def list_lowerings(target: str) -> list[LoweringRecord]:
    """Return name, construct, source and exactness of every lowering for a target.

    Examples:
        >>> from pipeline import list_lowerings
        >>> "fuse_attention_tensorrt" in {lowering.name for lowering in list_lowerings("tensorrt")}
        True
    """
    return [
        LoweringRecord(name=x.name, construct=kind, source=x.source, exact=x.exact)
        for kind, found in lowerings_for(target, fuse_all=True).items()
        for x in found
    ]
