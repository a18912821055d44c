"""From "the outputs differ" to the first tensor that leaves the budget.

Every value that reference and candidate both name is a place to compare at: rewrites keep the
names of the values they replace. Both graphs are run by the judge, the reference in float64 and
rounding as PyTorch would, the candidate as its types say; the first place, in the candidate's
order, where the error leaves the budget names the node, its module and the rewrite behind it.
If the judge finds nothing wrong anywhere, the graph is right: then the runtime is made to show
the same places, first with its own rewriting off (its kernels), then on (its optimizer).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.accuracy import Budget, Errors, compare, magnitude, usage
from pipeline.errors import PipelineError
from pipeline.graph.files.model_file import load_model, save_model
from pipeline.graph.module_path import module_path
from pipeline.graph.rewriting.emit import RULE
from pipeline.judge import Judge
from pipeline.ort.settings import settings_path
from pipeline.parity.budget import ULP, budget_for
from pipeline.parity.candidates import Candidate
from pipeline.parity.limits import limits_for
from pipeline.parity.part import Part
from pipeline.parity.reference import DTYPES
from pipeline.parity.results import CandidateResult, Case, OutputResult, finite
from pipeline.parity.ways import FORMATS
from pipeline.records.parity import Departure
from pipeline.stages.runners.open import open_runner
from pipeline.stages.runners.torch_runner import to_array
from pipeline.types import Progress

if TYPE_CHECKING:
    import onnx_ir as ir

CERTAIN = 2.0
"""Share of the budget above which a tensor counts as departed: one case, so chance has room."""

HINTS = {
    "export": "the graph agrees with what was exported: the model's files have changed since, and "
    "exporting again mends it, or the exporter is at fault"
}
"""What to do where no tensor can be named."""

"""Metadata key under which a rewrite signs its nodes."""
Arrays = Mapping[str, np.ndarray]


def find_departure(
    part: Part,
    reference: Path,
    candidate: Candidate,
    progress: Progress,
    otherwise: str = "unknown",
    failed: OutputResult | None = None,
) -> Departure:
    """Return where a failed candidate leaves the budget, on its worst case.

    Args:
        part: The part, with its cases and reference.
        reference: The graph to hold the candidate against.
        candidate: The graph that failed.
        progress: Told what is going on.
        otherwise: The stage at fault when both graphs agree everywhere: "export" when the
            verdict came from PyTorch and so the reference graph itself is in doubt.
        failed: The output that left its budget furthest: names the worst case, and what the
            tensors on its way are held to.
    """
    progress.step(f"{part.name}: looking for where {candidate.name} departs")
    ours, theirs = load_model(reference), load_model(candidate.file)
    names = shared_names(ours, theirs)
    feeds = worst_case(part.cases, failed).feeds
    precision = failed.precision if failed is not None and failed.precision else "fp32"
    most = limits_for(precision, part.limits).drop if precision in FORMATS else None
    precision = precision if precision in ULP else "fp32"
    truth = _judged(ours, "float64", feeds, names)
    noise = _judged(ours, DTYPES[precision], feeds, names)
    ways: tuple[tuple[str, Callable[[], Arrays]], ...] = (
        ("graph", lambda: _judged(theirs, "declared", feeds, names)),
        ("kernels", lambda: _ran(candidate.file, feeds, names, own_optimizer=False)),
        ("runtime optimizer", lambda: _ran(candidate.file, feeds, names, own_optimizer=True)),
    )
    departure = Departure(
        candidate=candidate.name,
        part=part.name,
        stage=otherwise,
        compared=len(names),
        usage=None,
    )
    for stage, run in ways:
        found = first_departure(names, truth, noise, run(), precision, most)
        if found is not None:
            name, share, before = found
            producer = vars(describe_producer(theirs, name))
            seen = replace(departure, stage=stage, usage=finite(share), before=before)
            return replace(seen, tensor=name, **producer)
    return replace(departure, hint=HINTS.get(otherwise, ""))


def bisect_failures(
    part: Part,
    reference: Path,
    candidates: Sequence[Candidate],
    found: Sequence[CandidateResult],
    progress: Progress,
    otherwise: str = "unknown",
) -> list[Departure]:
    """Return where each failed graph departs; engines show no tensors but their outputs."""
    return [
        find_departure(part, reference, candidate, progress, otherwise, furthest(entry))
        for candidate, entry in zip(candidates, found, strict=True)
        if not entry.passed and not candidate.is_engine and entry.describe
    ]


def furthest(entry: CandidateResult) -> OutputResult | None:
    """Return the output that used most of what it was allowed, None where there is none."""
    return max(entry.outputs, key=lambda o: (not o.passed, o.usage), default=None)


def worst_case(cases: Sequence[Case], failed: OutputResult | None) -> Case:
    """Return the case in which an output was furthest off, else the one with the largest inputs."""
    named = [case for case in cases if failed is not None and case.name == failed.worst_case]
    return max(named or cases, key=lambda case: sum(a.size for a in case.feeds.values()))


def shared_names(reference: ir.Model, candidate: ir.Model) -> list[str]:
    """Return the values both graphs compute under one name, in the candidate's order."""
    known = {v.name for node in reference.graph for v in node.outputs if v.name}
    return [str(v.name) for node in candidate.graph for v in node.outputs if v.name in known]


def first_departure(
    names: list[str],
    truth: Arrays,
    noise: Arrays,
    given: Arrays,
    precision: str,
    most: float | None = None,
) -> tuple[str, float, str] | None:
    """Return the first tensor beyond its budget, the share used, and the last good one before.

    Args:
        names: Where to look, in order.
        truth: The values in float64.
        noise: As the precision rounds them.
        given: The candidate's.
        precision: Of the budget.
        most: What a quantised graph may lose instead: rms of the difference over that of the
            values.
    """
    before = ""
    for name in names:
        if name not in given or not np.issubdtype(truth[name].dtype, np.floating):
            continue
        if given[name].shape != truth[name].shape:
            return name, float("inf"), before
        size, got = magnitude(truth[name]), compare(given[name], truth[name])
        if most is None:
            noises = compare(noise[name], truth[name])
            share = usage(got, budget_for(noises, Errors(), size, ULP[precision])) / CERTAIN
        else:
            share = usage(got, Budget(most * size.rms, math.inf, math.inf))
        if share > 1.0:
            return name, share * (CERTAIN if most is None else 1.0), before
        before = name
    return None


@dataclass(frozen=True)
class Producer:
    """The node that makes a value, its module path and the rewrite that put it there."""

    node: str = ""
    module: str = ""
    rewrite: str = ""


def describe_producer(model: ir.Model, name: str) -> Producer:
    """Return what makes a value; nothing is told of one that no node makes."""
    for node in model.graph:
        if any(value.name == name for value in node.outputs):
            rewrite = str(node.metadata_props.get(RULE, ""))
            return Producer(f"{node.op_type} {node.name or ''}".strip(), module_path(node), rewrite)
    return Producer()


def _judged(model: ir.Model, dtype: str, feeds: Arrays, names: list[str]) -> dict[str, np.ndarray]:
    judge = Judge(model, dtype)
    fed = {name: feeds[name] for name in judge.input_names}
    return {name: to_array(value) for name, value in judge.run(fed, names).items()}


def _ran(file: Path, feeds: Arrays, names: list[str], own_optimizer: bool) -> dict[str, np.ndarray]:
    """Return the named values as ONNX Runtime computes them, every one made an output."""
    model = load_model(file)
    have = {value.name for value in model.graph.outputs}
    values = {v.name: v for node in model.graph for v in node.outputs}
    model.graph.outputs.extend(values[n] for n in names if n not in have)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "marked.onnx"
        save_model(model, path)
        settings = settings_path(file)
        if settings.is_file():
            settings_path(path).write_bytes(settings.read_bytes())
        try:
            with open_runner(path, own_optimizer=own_optimizer) as runner:
                return runner.run(feeds)
        except PipelineError:
            return {}
