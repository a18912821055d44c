"""What a comparison found, in lines for a person, and the exit code it means."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.artifacts.artifact import Artifact
from pipeline.cli.console import Console
from pipeline.cli.summary import artifact_data, artifact_lines
from pipeline.records.coverage import CoverageRecord
from pipeline.records.parity import (
    CandidateSummary,
    Departure,
    MeasureRecord,
    ParityRecord,
)
from pipeline.records.perf import PerfRecord, RatioRecord


def finish(console: Console, artifact: Artifact, passed: bool, lines: Sequence[str] = ()) -> int:
    """Show a judging stage's result and return 1 if its verdict is no, else 0."""
    shown = [*artifact_lines(artifact), *lines]
    console.result(shown, artifact_data(artifact))
    return 0 if passed else 1


def parity_lines(record: ParityRecord) -> list[str]:
    """Return the verdict, one line per candidate and generation, and where a failure began."""
    lines = [f"{_word(record.passed)}: compared with {record.reference}"]
    lines += [f"  {_candidate(entry)}" for entry in record.candidates]
    for row in record.generation:
        if row.passed is None:
            lines.append(f"  {row.name} generates nothing here: it was not run")
            continue
        ties = f", {row.near_ties} at a near-tie" if row.near_ties else ""
        told = f"{row.equal} of {row.texts} texts token for token{ties}"
        lines.append(f"  {_word(row.passed)}: {row.name} generates {told}")
    if record.bisect:
        places = "; ".join(_departure(place) for place in record.bisect)
        lines.append(f"  first tensor out of budget: {places}")
    lines += [f"  {part} covered {_covered(found)}" for part, found in record.coverage.items()]
    return lines + [f"  note: {note}" for note in record.notes]


def perf_lines(record: PerfRecord) -> list[str]:
    """Return each job's medians, each ratio with its interval, and what makes them doubtful."""
    lines = []
    for job in record.jobs:
        lines.append(f"{job.name}:")
        lines += [
            f"  {row.contender:<24} {row.latency.median:9.3f} ms"
            for row in record.calls_of(job.name)
        ]
        lines += [f"  {_ratio(row)}" for row in record.ratios if row.job == job.name]
    lines += [f"not run: {one.name}: {one.skipped}" for one in record.contenders if one.skipped]
    lines += [f"gate missed: {text}" for text in record.gate]
    return lines + [f"note: {text}" for text in record.warnings]


def _ratio(row: RatioRecord) -> str:
    low, high = (f"{end:.2f}" if end is not None else "?" for end in (row.low, row.high))
    word = row.verdict if row.resolved else "not resolved"
    return f"{row.contender} is {row.value:.2f} [{low}, {high}] times {row.baseline}: {word}"


def _candidate(entry: CandidateSummary) -> str:
    name = f"{entry.part}: {entry.name} ({entry.precision})"
    if entry.skipped:
        return f"{name} not run: {entry.skipped}"
    usage = entry.usage
    share = "beyond the budget" if usage is None else f"{100 * usage:.3g} % of the budget"
    lost = [_measure(measure) for measure in entry.measures]
    if lost:
        share = "against the reference: " + ", ".join(lost)
    why = f"; {entry.why}" if entry.why else ""
    return f"{name} {_word(entry.passed)}, {share}{why}"


def _measure(measure: MeasureRecord) -> str:
    """Return a measure with its interval and its limit."""
    if measure.value is None or measure.low is None or measure.high is None:
        return f"{measure.name} not finite"
    seen = f"{measure.name} {measure.value:.3g} [{measure.low:.3g}, {measure.high:.3g}]"
    if measure.limit is None:
        return seen
    kind = "at least" if measure.name in ("agreement", "cosine") else "at most"
    return f"{seen} ({kind} {measure.limit:g}{'' if measure.passed else ', MISSED'})"


def _covered(found: Sequence[CoverageRecord]) -> str:
    """Return what the cases reached of each thing, and the first of what they did not."""
    told = []
    for one in found:
        left = f" (not: {', '.join(one.missing[:3])})" if one.missing else ""
        name = f"{one.name} " if one.kind in ("size", "boundary") else ""
        what = {"rows": f"rows for {one.name}", "size": "ends", "boundary": "sides"}
        told.append(f"{name}{one.covered} of {one.total} {what.get(one.kind, one.kind)}{left}")
    return "; ".join(told)


def _word(passed: bool | None) -> str:
    return {True: "passed", False: "FAILED", None: "-"}[passed]


def _departure(place: Departure) -> str:
    """Return a departure as `name value` pairs, what is not known left out."""
    return ", ".join(f"{k} {v}" for k, v in vars(place).items() if v not in (None, ""))
