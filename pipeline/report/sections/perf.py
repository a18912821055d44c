"""Perf: ratios with their intervals first, then latencies, generation, memory and samples."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.records.perf import JobRecord, PerfResult
from pipeline.records.report import ReportData
from pipeline.report import numbers, plots
from pipeline.report.document import (
    Badge,
    Block,
    Cell,
    Code,
    Details,
    Figure,
    Figures,
    Heading,
    Pre,
    Section,
    State,
    Table,
    Text,
)
from pipeline.report.trtexec import summary_text

STATES: dict[str, State] = {"faster": "good", "slower": "bad", "no difference": "info"}

PERCENTILES = ("min", "median", "mean", "std", "p90", "p95", "p99", "max")


def perf_section(data: ReportData) -> Section | None:
    """Return the section, None where nothing was measured."""
    result = data.perf
    if result is None:
        return None
    plan, jobs = result.plan, result.jobs
    lead = (
        f"{plan.sessions} sessions of {plan.rounds} interleaved rounds, "
        f"{numbers.count(result.threads, 'thread')}, every contender in a process of its own. "
        "Ratios carry 99 % intervals resampled over sessions; within 1 % is no difference."
    )
    blocks: list[Block] = [Text(warning, "open") for warning in result.warnings]
    blocks += [Text(text, "bad") for text in result.gate]
    blocks += [_overall(result), Figures(_forests(result)), _grid(result)]
    if any(job.tokens for job in jobs):
        blocks += [Heading("Generation"), _generation(result)]
    blocks += [Heading("Latency"), Figures([_bars(result, job) for job in jobs])]
    blocks += [Figures(_curves(result))] if len(_curves(result)) else []
    blocks += [_footprint(result)]
    blocks += [Details("Every ratio", [_ratios(result)])]
    blocks += [Details("Percentiles", [_percentiles(result)])]
    blocks += [Details("In the words of trtexec", [Pre(summary_text(result))])]
    return Section("perf", "Speed", lead, blocks)


def _overall(result: PerfResult) -> Table:
    rows: list[list[Cell]] = [
        [
            Code(row.contender),
            Code(row.baseline),
            numbers.times(row.value),
            _tally(row.faster, "faster", "good"),
            _tally(row.no_difference, "no difference", "info"),
            _tally(row.slower, "slower", "bad"),
        ]
        for row in result.overall
    ]
    columns = ("contender", "against", ">mean ratio", "settings", "", "")
    caption = "Geometric mean over all settings; each setting has its own verdict below."
    return Table(columns, rows, caption, stack=True)


def _tally(count: int, word: str, state: State) -> Cell:
    return Badge(f"{count} {word}", state) if count else ""


def _forests(result: PerfResult) -> list[Figure]:
    figures = []
    pairs = dict.fromkeys((row.contender, row.baseline) for row in result.ratios)
    for contender, baseline in pairs:
        rows = [
            (_short(row.job), row)
            for row in result.ratios
            if (row.contender, row.baseline) == (contender, baseline)
        ]
        figures.append(Figure(plots.ratio_forest(rows), f"{contender} against {baseline}."))
    return figures


def _grid(result: PerfResult) -> Table:
    """Return one row per job and one column per contender: milliseconds and the ratio."""
    names = list(dict.fromkeys(row.contender for row in result.results))
    first = names[0]
    rows: list[list[Cell]] = []
    for job in result.jobs:
        found = {row.contender: row.latency for row in result.calls_of(job.name)}
        cells: list[Cell] = [_title(job), numbers.sizes(job.sizes)]
        for name in names:
            text = numbers.milliseconds(found[name].median)
            if name != first:
                text += f"  ({numbers.times(found[first].median / found[name].median)})"
            cells.append(text)
        rows.append(cells)
    caption = f"Median milliseconds per call, and how many times as fast as {first}."
    return Table(("job", "sizes", *(f">{name}" for name in names)), rows, caption, stack=True)


def _generation(result: PerfResult) -> Table:
    rows: list[list[Cell]] = []
    for job in (job for job in result.jobs if job.tokens):
        for row in result.calls_of(job.name):
            split = {
                other.series: other.latency.median
                for other in result.results
                if other.job == job.name and other.contender == row.contender
            }
            rows.append(
                [
                    Code(row.contender),
                    numbers.milliseconds(split.get("first")),
                    numbers.milliseconds(split.get("next")),
                    numbers.number(row.tokens_per_s),
                    numbers.milliseconds(split.get("")),
                ]
            )
    columns = ("contender", ">time to first token", ">per further token", ">tokens/s", ">in all")
    tokens = next(job for job in result.jobs if job.tokens)
    caption = (
        f"One row, prompt of {tokens.sizes['prompt']}, {tokens.tokens} new tokens, greedy, "
        "copies between steps included."
    )
    return Table(columns, rows, caption, stack=True)


def _bars(result: PerfResult, job: JobRecord) -> Figure:
    rows = {row.contender: row.latency for row in result.calls_of(job.name)}
    return Figure(plots.latency_bars(rows), f"{_title(job)}: {numbers.sizes(job.sizes)}.")


def _curves(result: PerfResult) -> list[Figure]:
    """Return latency over the batch, per part, where there are several sizes of it."""
    figures = []
    for part in dict.fromkeys(job.part for job in result.jobs if job.part):
        jobs = [j for j in result.jobs if j.part == part and "prefill" not in j.name]
        lengths = {_without_batch(job) for job in jobs}
        chosen = [job for job in jobs if _without_batch(job) == min(lengths)]
        if len(chosen) < 3:
            continue
        series: dict[str, list[tuple[float, float]]] = {}
        for job in chosen:
            for row in result.calls_of(job.name):
                point = (float(job.sizes["batch"]), row.latency.median)
                series.setdefault(row.contender, []).append(point)
        figures.append(Figure(plots.latency_curves(series, "batch"), f"{part} over the batch."))
    return figures


def _without_batch(job: JobRecord) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((k, v) for k, v in job.sizes.items() if k != "batch"))


def _footprint(result: PerfResult) -> Table:
    rows: list[list[Cell]] = []
    for entry in result.contenders:
        if entry.skipped:
            rows.append([Code(entry.name), Badge("not run", "open"), entry.skipped, "", ""])
            continue
        about: Mapping[str, str] = next(iter(entry.describe.values()), {})
        load = sorted(entry.load_s)[len(entry.load_s) // 2] if entry.load_s else None
        told = [about.get("runtime"), about.get("version"), about.get("settings")]
        rows.append(
            [
                Code(entry.name),
                entry.precision or "",
                " · ".join(text for text in told if text and text != "none"),
                numbers.seconds(load),
                numbers.size(entry.peak_rss_bytes or None),
            ]
        )
    columns = ("contender", "precision", "what ran", ">load", ">peak memory of its process")
    return Table(columns, rows, stack=True)


def _ratios(result: PerfResult) -> Table:
    rows: list[list[Cell]] = []
    for row in result.ratios:
        word = row.verdict if row.resolved else "not resolved"
        rows.append(
            [
                Code(row.contender),
                Code(row.baseline),
                row.job,
                numbers.times(row.value),
                numbers.interval(row.low, row.high),
                Badge(word, STATES[row.verdict] if row.resolved else "open"),
                f"{row.sessions} / {row.rounds}",
            ]
        )
    columns = (
        "contender", "against", "job", ">times as fast", ">99 % interval", "verdict",
        ">sessions / rounds",
    )  # fmt: skip
    caption = (
        "Not resolved: the interval reaches beyond 1 % on both counts, more rounds would tell."
    )
    return Table(columns, rows, caption)


def _percentiles(result: PerfResult) -> Table:
    rows: list[list[Cell]] = []
    for row in result.results:
        latency = row.latency
        job = row.job + (f" ({row.series})" if row.series else "")
        rows.append(
            [
                Code(row.contender),
                job,
                *(numbers.number(getattr(latency, name)) for name in PERCENTILES),
                str(latency.calls),
                numbers.number(row.rows_per_s),
                Badge("unstable", "open") if latency.unstable else "",
            ]
        )
    columns = (
        "contender", "job", ">min", ">median", ">mean", ">std", ">p90", ">p95", ">p99", ">max",
        ">calls", ">rows/s", "",
    )  # fmt: skip
    caption = (
        "Milliseconds per call. Unstable: the standard deviation exceeds a tenth of the median."
    )
    return Table(columns, rows, caption)


def _title(job: JobRecord) -> str:
    if not job.part:
        return job.name
    kind = job.name.split(" ")[1]
    return f"{job.part} {kind}" if "=" not in kind else job.part


def _short(job: str) -> str:
    """Return a job's name short enough for the side of a plot."""
    words = job.split(" ")
    kept = [w for w in words if "=" not in w or w.startswith("batch=")]
    return " ".join(kept).replace("batch=", "b")
