"""The optimize stage: every graph of a model, fused for one target, in one type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import Artifact, StageContext, digest_file, open_folder, run_stage
from pipeline.errors import UsageError
from pipeline.notebook import Grid, Shown
from pipeline.ort.settings import SUFFIX, SessionSettings, settings_path, write_settings
from pipeline.records.export import ExportedPart, ExportRecord
from pipeline.records.optimize import (
    OptimizedFileRecord,
    OptimizedPart,
    OptimizeRecord,
)
from pipeline.stages.optimize.builders import builder_flavour, builder_name
from pipeline.stages.optimize.options import OptimizeOptions, refuse_without_kernels
from pipeline.types import SILENT, Json, Progress

if TYPE_CHECKING:
    import onnx_ir as ir

    from pipeline.stages.optimize.engine import Fused


@dataclass(frozen=True)
class OptimizedFile(Shown):
    """The result of optimizing one file into another.

    Attributes:
        file: The file written.
        record: What became of it: counts, sites with proofs, session settings.

    Examples:
        >>> from pipeline import OptimizeOptions, optimize_model
        >>> made = optimize_model(OptimizeOptions("model.onnx", "fused.onnx"))
        >>> made.file.name, made.record.session.denormals
        ('fused.onnx', 'flush')
    """

    file: Path
    record: OptimizedFileRecord

    def grids(self) -> list[Grid]:
        """Return the file and what became of it as tables, for a notebook."""
        return [Grid(f"written to {self.file}"), *self.record.grids()]


def optimize_model(
    options: OptimizeOptions, progress: Progress = SILENT
) -> Artifact | OptimizedFile:
    """Return the artifact `optimize.<target>-<precision>`, or the file that was asked for.

    Raises:
        UsageError: No such model, or no place to write to.
        NoKernelsError: The target runs nothing of that precision.
        EnvironmentMissingError: The builder is to be asked, and none is installed.
        BadModelError: The file is no model, or a hostile one.
        ClaimError: A `--require` does not hold; nothing is written.
        FolderError: The output folder is foreign, full or unwritable.

    Examples:
        >>> from pipeline import OptimizeOptions, optimize_model
        >>> made = optimize_model(OptimizeOptions("model.onnx", "fused.onnx", target="ort-cpu"))
        >>> made.record.count("attention").fused
        2
    """
    refuse_without_kernels(options.target, options.precision)
    if not options.model.is_dir():
        _refuse_text(options)
    builder_flavour(options.check_build)  # before any work: what is asked for must be there
    output = options.output or (options.model if options.model.is_dir() else None)
    if output is None:
        raise UsageError("an ONNX file needs a place to go", fix="-o OUT.onnx or -o DIR")
    if output.suffix == ".onnx":
        if options.model.is_dir():
            raise UsageError(
                f"{options.model} is a folder and {output.name} one file",
                fix="name one of the folder's graphs, or write to a folder",
            )
        return _file_to_file(options, output, progress)
    return _into_folder(options, output, progress)


def _file_to_file(options: OptimizeOptions, output: Path, progress: Progress) -> OptimizedFile:
    from pipeline.stages.optimize.apply import apply_to_file
    from pipeline.stages.optimize.records import check_gates, graph_record

    model, fused = apply_to_file(options.model, options, progress)
    gates = check_gates(options.require, {"model": fused})
    output.parent.mkdir(parents=True, exist_ok=True)
    write_graph(model, output, settings_path(output), fused.session)
    return OptimizedFile(output, OptimizedFileRecord(gates=gates, **vars(graph_record(fused))))


def write_graph(model: ir.Model, path: Path, settings: Path, session: SessionSettings) -> None:
    """Write a graph, and to `settings` what its session runs with; none leave no file there."""
    from pipeline.graph.files.model_file import save_model

    save_model(model, path)
    write_settings(settings, session)


def _into_folder(options: OptimizeOptions, output: Path, progress: Progress) -> Artifact:
    folder = open_folder(output, create=True)
    parents: dict[str, Artifact] = {}
    parts: dict[str, tuple[Path, ExportedPart | None]] = {}
    recipe: dict[str, Json] = {
        "target": options.target,
        "precision": options.precision,
        "disable": [*sorted(options.disable)],
        "require": dict(options.require),
        "proof": options.proof,
        "fuse_all": options.fuse_all,
        "method": options.method,
        "inputs": _digest(options.inputs),
        "calibration_text": _digest(options.calibration_text),
        "check_build": [options.check_build, builder_name(options.check_build)],
    }
    if options.model.is_dir():
        exported = open_folder(options.model).require("export", "pipeline export MODEL -o DIR")
        known = ExportRecord.of(exported).parts
        parts = {name: (exported.path(part.file), part) for name, part in known.items()}
        parents["export"] = exported
    else:
        parts = {"model": (options.model, None)}
        if not options.model.is_file():
            raise UsageError(f"no such file or folder: {options.model}")
        recipe["model"] = folder.digest_of(options.model)
    produce = partial(_produce, options, parts, progress, parents.get("export"))
    return run_stage(
        folder, f"optimize.{options.variant}", recipe, parents, produce, OptimizeRecord
    )


def _produce(
    options: OptimizeOptions,
    parts: Mapping[str, tuple[Path, ExportedPart | None]],
    progress: Progress,
    exported: Artifact | None,
    context: StageContext,
) -> OptimizeRecord:
    """Write one graph per part, with its session settings; return what became of them."""
    # Imported with the work, so that a folder that is current is reused without any framework.
    from pipeline.stages.optimize.apply import apply_to_file
    from pipeline.stages.optimize.calibration import calibration_of
    from pipeline.stages.optimize.records import check_gates, graph_record

    inputs = None
    if options.calibration_text is not None and exported is not None:
        progress.step("reading the text")
        inputs = calibration_of(options.calibration_text, exported)
    done: dict[str, Fused] = {}
    made: dict[str, OptimizedPart] = {}
    for name, (path, known) in parts.items():
        progress.step(f"{name}: reading")
        model, fused = apply_to_file(path, options, progress, known.dims if known else None, inputs)
        done[name] = fused
        file = f"onnx/{name}.{options.variant}.onnx"
        write_graph(model, context.path(file), context.path(file + SUFFIX), fused.session)
        made[name] = OptimizedPart(
            file=file,
            inputs=known.inputs if known is not None else None,
            outputs=known.outputs if known is not None else None,
            dims=known.dims if known is not None else None,
            **vars(graph_record(fused)),
        )
    return OptimizeRecord(
        target=options.target,
        precision=options.precision or "fp32",
        parts=made,
        gates=check_gates(options.require, done),
        proof=options.proof,
    )


def _refuse_text(options: OptimizeOptions) -> None:
    """Raise UsageError where a text is given for a file: no tokenizer lies with it."""
    if options.calibration_text is not None:
        raise UsageError(
            "--calibration-text is read by the tokenizer of an artifact folder, and this is a file",
            where=str(options.model),
            fix="give --inputs, arrays of your own",
        )


def _digest(path: Path | None) -> str | None:
    """Return the digest of a file that was named.

    Raises:
        UsageError: It cannot be read.
    """
    if path is None:
        return None
    try:
        return digest_file(path)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
