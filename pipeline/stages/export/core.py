"""From parts to proven ONNX files in a folder: export, clean, write weights once, prove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ExportError, ValueBranchError
from pipeline.records.export import ExportedPart
from pipeline.records.tensors import TensorSpec
from pipeline.stages.export.boundaries import boundaries_of
from pipeline.stages.export.clean import clean_model, name_sizes, transpose_by_reference
from pipeline.stages.export.coverage import beyond, compute_coverage
from pipeline.stages.export.exporters import export_dynamo, export_torchscript
from pipeline.stages.export.messages import export_error
from pipeline.stages.export.parts import ExportPart
from pipeline.stages.export.prove import (
    Probe,
    compute_probe,
    output_shapes,
    probe_sizes,
    prove_part,
)
from pipeline.stages.export.repeats import require_repeatable
from pipeline.stages.export.weights_file import Written, write_weights
from pipeline.types import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

EXPORTERS: dict[str, Callable[[ExportPart, int], ir.Model]] = {
    "dynamo": export_dynamo,
    "torchscript": export_torchscript,
}


@dataclass(frozen=True)
class Exported:
    """What `export_parts` wrote.

    Attributes:
        exporter: The one that held.
        parts: What is told of each part.
        weights: The data file shared by the parts.
        differences: Largest relative difference to PyTorch met in each part's proof.
        rejected: Exporter -> why its result was not taken.
    """

    exporter: str
    parts: dict[str, ExportedPart]
    weights: Written
    differences: dict[str, float]
    rejected: dict[str, str]


def export_parts(
    parts: Sequence[ExportPart], folder: Path, exporter: str, opset: int, progress: Progress
) -> Exported:
    """Write folder/<part>.exported.onnx and its weights, proven at sizes not traced.

    Args:
        parts: What to export.
        folder: An existing folder; nothing stays in it when this fails.
        exporter: "dynamo", "torchscript", or "auto" for the first of them that holds.
        opset: Of the files.
        progress: Told what is going on.

    Raises:
        BadModelError: A module gives other outputs when called again on the same inputs.
        ExportError: No exporter carried the model faithfully; says why for each.
    """
    probes: dict[str, list[Probe]] = {}
    further: dict[str, list[Probe]] = {}
    for part in parts:
        for name, value in part.fixed.items():
            progress.note(f"{name} stays {value} in the graph: a tensor would be an input")
        progress.step(f"computing PyTorch's own outputs of {part.name}")
        probes[part.name] = [compute_probe(part, sizes) for sizes in probe_sizes(part)]
        first = probes[part.name][0]
        require_repeatable(part, first.sizes, first.outputs)
        further[part.name], missed = compute_coverage(part)
        for sentence in missed:
            progress.note(f"{part.name}: {sentence}")
    failed: dict[str, ExportError] = {}
    for name in EXPORTERS if exporter == "auto" else (exporter,):
        try:
            rejected = {earlier: error.what for earlier, error in failed.items()}
            return _attempt(name, parts, probes, further, folder, opset, progress, rejected)
        except ExportError as err:
            failed[name] = err
            progress.note(f"the {name} exporter did not hold: {err.what}")
            for file in folder.iterdir():
                file.unlink()
    raise _final(failed)


def _final(failed: dict[str, ExportError]) -> ExportError:
    """Return one error for all exporters that failed; a decision by values explains the rest."""
    errors = [*failed.values()]
    for error in errors:
        if isinstance(error, ValueBranchError):
            return error
    if len({error.what for error in errors}) == 1:
        return errors[-1]
    whats = "; ".join(f"{name}: {error.what}" for name, error in failed.items())
    return ExportError(whats, where=errors[-1].where, fix=errors[-1].fix)


def _attempt(
    exporter: str,
    parts: Sequence[ExportPart],
    probes: dict[str, list[Probe]],
    further: dict[str, list[Probe]],
    folder: Path,
    opset: int,
    progress: Progress,
    rejected: dict[str, str],
) -> Exported:
    models: dict[str, ir.Model] = {}
    for part in parts:
        progress.step(f"exporting {part.name} ({exporter})")
        models[part.name] = _trace(exporter, part, opset)
    boundaries = {name: boundaries_of(model) for name, model in models.items()}
    transpose_by_reference(models.values())
    for part in parts:
        name_sizes(models[part.name], part.axes, output_shapes(part, probes[part.name]))
    written = write_weights(
        models.values(), folder, lambda done, total: progress.step("writing weights", done, total)
    )
    differences: dict[str, float] = {}
    for part in parts:
        path = folder / f"{part.name}.exported.onnx"
        _save(models[part.name], path)
        progress.step(f"proving {part.name} at sizes it was not traced with")
        known = {probe.rule for probe in further[part.name]}
        new = [found for found in boundaries[part.name] if found.rule not in known]
        further[part.name] += beyond(part, new)
        every = sorted(probes[part.name] + further[part.name], key=lambda probe: not probe.rule)
        differences[part.name] = prove_part(path, part, every)
    told = {part.name: part_record(models[part.name], part) for part in parts}
    return Exported(exporter, told, written, differences, rejected)


def _trace(exporter: str, part: ExportPart, opset: int) -> ir.Model:
    """Return the part's cleaned graph; every failure of the exporter is an ExportError."""
    try:
        model = EXPORTERS[exporter](part, opset)
    except Exception as err:
        raise export_error(err, part, exporter) from err
    missing = set(part.inputs) - {str(value.name) for value in model.graph.inputs}
    if missing:
        raise ExportError(
            f"the graph lost the inputs {', '.join(sorted(missing))}",
            where=f"part {part.name}, {exporter} exporter",
        )
    model = clean_model(model, part.prefix)
    _name_outputs(model, part.outputs)
    return model


def _name_outputs(model: ir.Model, names: Sequence[str]) -> None:
    """Give the outputs their names: a tensor that is returned twice had one alone."""
    outputs = model.graph.outputs
    if [value.name for value in outputs] == list(names):
        return
    for node in model.graph:
        for value in node.outputs:
            if value.name in names:
                value.name = f"{value.name}_inner"
    for value, name in zip(outputs, names, strict=True):
        value.name = name


def _save(model: ir.Model, path: Path) -> None:
    import onnx_ir as ir

    model.ir_version = 11 if max(model.opset_imports.values()) >= 23 else 10
    ir.save(model, path)


def part_record(model: ir.Model, part: ExportPart) -> ExportedPart:
    """Return what later stages need to know of a part."""
    return ExportedPart(
        file=f"onnx/{part.name}.exported.onnx",
        inputs=tuple(tensor_spec(value) for value in model.graph.inputs),
        outputs=tuple(tensor_spec(value) for value in model.graph.outputs),
        dims=part.dims,
        opset=model.opset_imports[""],
        nodes=len(list(model.graph)),
        cache_capacity=part.capacity,
    )


def tensor_spec(value: ir.Value) -> TensorSpec:
    """Return name, dtype and shape of an input or output."""
    import onnx_ir as ir

    shape = value.shape if value.shape is not None else ()
    dims = (d.value if isinstance(d, ir.SymbolicDim) else int(d) for d in shape)
    return TensorSpec(value.name or "", _dtype_name(value), tuple(dims))


def _dtype_name(value: ir.Value) -> str:
    """Return float32, int64, bool, ...: numpy's word for the type."""
    return str(value.dtype.numpy()) if value.dtype is not None else "unknown"
