"""Records as tables for a notebook: verdicts and counts first, then what needs a reader."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

from pipeline.notebook import Grid, verdict
from pipeline.records.engine import EngineRecord
from pipeline.records.explain import ExplainRecord
from pipeline.records.export import ExportRecord
from pipeline.records.optimize import GraphRecord, OptimizedFileRecord, OptimizeRecord
from pipeline.records.parity import ParityRecord
from pipeline.records.perf import PerfRecord
from pipeline.records.record import Made, Record
from pipeline.records.tensors import TensorSpec

# stage, without its variant -> its record
_RECORDS: dict[str, type[Record]] = {
    "export": ExportRecord,
    "optimize": OptimizeRecord,
    "build-engine": EngineRecord,
    "parity": ParityRecord,
    "perf": PerfRecord,
}


def record_of(made: Made) -> Record | None:
    """Return the record an artifact holds, None where its stage has none.

    Raises:
        FolderError: its facts are no such record, or of another format.
    """
    kind = _RECORDS.get(made.stage.partition(".")[0])
    return None if kind is None else kind.of(made)


@singledispatch
def grids_of(record: Record) -> list[Grid]:
    """Return a record as tables, the most important first."""
    return [Grid(f"{type(record).__name__}, made by `pipeline {record.COMMAND}`")]


@grids_of.register
def _(record: ExportRecord) -> list[Grid]:
    weights = ", random weights" if record.model.random_weights else ""
    title = f"{record.model.source}: {record.task}, opset {record.opset}{weights}"
    rows = [
        (name, part.file, _tensors(part.inputs), _tensors(part.outputs), str(part.nodes))
        for name, part in record.parts.items()
    ]
    return [Grid(title, ("part", "file", "inputs", "outputs", "nodes"), rows)]


@grids_of.register
def _(record: OptimizeRecord) -> list[Grid]:
    gates = [(gate.gate, str(gate.found), str(gate.wanted)) for gate in record.gates]
    kept = [Grid("required", ("gate", "fused", "wanted"), gates)] if gates else []
    title = f"for {record.target}, {record.precision}, proofs: {record.proof}"
    return [Grid(title), *_parts(record.parts), *kept]


@grids_of.register
def _(record: ExplainRecord) -> list[Grid]:
    return [Grid(f"for {record.target}"), *_parts(record.parts)]


@grids_of.register
def _(record: OptimizedFileRecord) -> list[Grid]:
    return _parts({"graph": record})


@grids_of.register
def _(record: EngineRecord) -> list[Grid]:
    rows = [
        (name, part.file, ", ".join(part.targets), f"{part.plan_bytes / 1e6:.1f} MB",
         f"{sum(bool(a.dedicated) for a in part.attention)} of {len(part.attention)}")
        for name, part in record.parts.items()
    ]  # fmt: skip
    columns = ("part", "file", "compute capabilities", "size", "attentions with a kernel")
    return [Grid(f"engines of {record.variant or 'one graph'}", columns, rows)]


@grids_of.register
def _(record: ParityRecord) -> list[Grid]:
    rows = [
        (entry.part, entry.name, entry.precision, _word(entry.passed), _share(entry.usage),
         entry.skipped)
        for entry in record.candidates
    ]  # fmt: skip
    columns = ("part", "candidate", "precision", "verdict", "of the budget", "why not")
    title = f"{_word(record.passed)}: compared with {record.reference}"
    texts = [
        (row.name, _word(row.passed), f"{row.equal} of {row.texts}", str(row.near_ties))
        for row in record.generation
    ]
    places = [
        (place.candidate, place.part, place.tensor or "", place.module or "", place.rewrite or "")
        for place in record.bisect
    ]
    more = (
        Grid("texts generated", ("candidate", "verdict", "equal", "at a near-tie"), texts),
        Grid(
            "where the budget is left",
            ("candidate", "part", "first tensor beyond it", "module", "rewrite"),
            places,
        ),
    )
    notes = [Grid(note) for note in record.notes]
    return [Grid(title, columns, rows), *(grid for grid in more if grid.rows), *notes]


@grids_of.register
def _(record: PerfRecord) -> list[Grid]:
    ratios = [
        (row.job, row.contender, row.baseline, f"{row.value:.2f}",
         f"{_end(row.low)} to {_end(row.high)}", row.verdict if row.resolved else "not resolved")
        for row in record.ratios
    ]  # fmt: skip
    calls = [
        (row.job, row.contender, f"{row.latency.median:.3f}", f"{row.latency.p99:.3f}")
        for row in record.results
        if not row.series
    ]
    columns = ("job", "contender", "against", "times as fast", "interval", "verdict")
    return [
        Grid(f"{_word(record.passed)}, {record.plan.sessions} sessions", columns, ratios),
        Grid("milliseconds of a call", ("job", "contender", "median", "99 %"), calls),
        *(Grid(text) for text in (*record.gate, *record.warnings)),
    ]


def _word(passed: bool | None) -> str:
    return verdict(passed) or "not run"


def _share(usage: float | None) -> str:
    return "beyond" if usage is None else f"{100 * usage:.3g} %"


def _end(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _parts(parts: Mapping[str, GraphRecord]) -> list[Grid]:
    return [grid for name, part in parts.items() for grid in _graph(name, part)]


def _graph(name: str, graph: GraphRecord) -> list[Grid]:
    """Return how many of each construct came to what, and what was not fused and why."""
    counts = [
        (construct, str(count.fused), str(count.plain), str(count.refused))
        for construct, count in graph.counts.items()
    ]
    left = [
        (site.path or site.anchor, site.construct, site.state, site.refusal.reason,
         site.refusal.remedy)
        for site in graph.sites
        if site.refusal is not None
    ]  # fmt: skip
    title = f"{name}: {graph.nodes.before} nodes -> {graph.nodes.after}"
    found = [Grid(title, ("construct", "fused", "left plain", "refused"), counts)]
    if left:
        columns = ("where", "construct", "state", "why", "what to do")
        found.append(Grid(f"{name}: not fused", columns, left))
    return found


def _tensors(specs: tuple[TensorSpec, ...]) -> str:
    """Return names and sizes of the first tensors, and how many more there are."""
    told = [f"{spec.name} [{', '.join(str(size) for size in spec.shape)}]" for spec in specs[:4]]
    return ", ".join(told) + (f" and {len(specs) - 4} more" if len(specs) > 4 else "")
