"""One graph against others, from anyone: no PyTorch model, no folder of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import EnvironmentMissingError, UsageError
from pipeline.graph.files.model_file import load_model
from pipeline.parity.bisect import bisect_failures
from pipeline.parity.candidates import Candidate, file_candidates
from pipeline.parity.cases import file_case, make_file_cases
from pipeline.parity.comparison import Comparison
from pipeline.parity.folder import limits_of, tolerance_of
from pipeline.parity.lost import nan_weights
from pipeline.parity.options import ParityOptions
from pipeline.parity.part import Part
from pipeline.parity.reference import GraphReference
from pipeline.parity.results import CandidateResult
from pipeline.records.parity import ParityResult
from pipeline.records.tensors import TensorSpec
from pipeline.types import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

PART = "model"


def compare_files(options: ParityOptions, progress: Progress) -> ParityResult:
    """Return the result of comparing each candidate with the reference graph.

    Raises:
        UsageError: the reference is no graph, or inputs or outputs have other names.
        EnvironmentMissingError: a candidate cannot run here; it was named, so that matters.
    """
    path = options.reference
    if path.suffix != ".onnx":
        raise UsageError(
            "the reference must be an ONNX file or an artifact folder",
            where=str(path),
            fix="put the graph first and the engine second",
        )
    model = load_model(path)
    candidates = file_candidates(options.candidates, PART)
    for candidate in candidates:
        _same_names(model, candidate)
    precisions = {candidate.precision for candidate in candidates}
    cases, coverage = make_file_cases(
        model, seeds=options.seeds, pinned=options.dims, precisions=precisions
    )
    if options.inputs is not None:
        extra = file_case(options.inputs, input_names(model), precisions)
        cases += [extra] if extra is not None else []
    reference = GraphReference({PART: path})
    inputs = [tensor_spec(v) for v in model.graph.inputs if v.name in input_names(model)]
    outputs = [tensor_spec(v) for v in model.graph.outputs]
    tolerance = tolerance_of(options)
    part = Part(
        PART, inputs, outputs, reference, cases, tolerance, options.threads, limits_of(options)
    )
    part.lost, part.coverage = nan_weights(model), coverage
    comparison = Comparison(f"{path.name} in float64, operator by operator", tolerance)
    found = comparison.add(part, candidates, progress)
    _all_ran(found)
    if options.bisect:
        comparison.bisect += bisect_failures(part, path, candidates, found, progress)
    return comparison.result()


def input_names(model: ir.Model) -> list[str]:
    """Return the inputs that must be fed: those without a default."""
    graph = model.graph
    return [str(v.name) for v in graph.inputs if v.name not in graph.initializers]


def tensor_spec(value: ir.Value) -> TensorSpec:
    """Return name, dtype and shape of an input or output."""
    dims = (d if isinstance(d, int) else getattr(d, "value", None) for d in value.shape or ())
    dtype = "float32" if value.dtype is None else value.dtype.name.lower()
    return TensorSpec(value.name or "", dtype, tuple(dims))


def _same_names(model: ir.Model, candidate: Candidate) -> None:
    if candidate.is_engine:
        return
    other = load_model(candidate.file)
    for kind, ours, theirs in (
        ("inputs", input_names(model), input_names(other)),
        ("outputs", _outputs(model), _outputs(other)),
    ):
        if set(ours) != set(theirs):
            raise UsageError(
                f"the {kind} differ: {', '.join(ours)} against {', '.join(theirs)}",
                where=str(candidate.file),
                fix="compare graphs of the same model; names must agree",
            )


def _outputs(model: ir.Model) -> list[str]:
    return [str(value.name) for value in model.graph.outputs]


def _all_ran(found: Sequence[CandidateResult]) -> None:
    for entry in found:
        if entry.skipped:
            raise EnvironmentMissingError(entry.skipped, where=entry.file)
