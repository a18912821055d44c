"""What was run: stages, times, files, versions."""

from __future__ import annotations

from pipeline.records.report import ReportData
from pipeline.report import numbers
from pipeline.report.document import (
    Badge,
    Bar,
    Block,
    Cell,
    Code,
    Details,
    Pre,
    Section,
    Table,
    Text,
)

VERDICTS = {
    True: Badge("passed", "good"),
    False: Badge("failed", "bad"),
    None: Badge("made", "info"),
}


def run_section(data: ReportData) -> Section:
    """Return the section on stages and what they left on disk."""
    stages = data.stages
    total = sum(stage.seconds for stage in stages)
    lead = (
        f"{numbers.count(len(stages), 'artifact')}, made in {numbers.seconds(total)} of work in "
        "all. Each is current for exactly the recipe its key names."
    )
    blocks: list[Block] = [
        _stages(data),
        Details("Files and their digests", [_files(data)]),
        Details("Versions and machine", [_versions(data)]),
    ]
    logs = [(stage.stage, line) for stage in stages for line in stage.log]
    if logs:
        text = "\n".join(f"{stage}: {line}" for stage, line in logs)
        blocks.append(Details("What the stages noted", [Pre(text)]))
    return Section("run", "What was run", lead, blocks)


def _stages(data: ReportData) -> Table:
    rows: list[list[Cell]] = []
    longest = max((stage.seconds for stage in data.stages), default=0.0) or 1.0
    for stage in data.stages:
        files = stage.files
        verdict = VERDICTS[stage.passed]
        rows.append(
            [
                Code(stage.stage),
                verdict,
                Bar(stage.seconds / longest, numbers.seconds(stage.seconds)),
                numbers.size(stage.peak_rss_bytes or None),
                numbers.count(len(files), "file"),
                numbers.size(sum(f.bytes for f in files if not f.shared)),
                Code(stage.key[:12]),
            ]
        )
    columns = ("stage", "verdict", "time", ">peak memory", ">files", ">size", "key")
    return Table(columns, rows, stack=True)


def _files(data: ReportData) -> Table:
    rows: list[list[Cell]] = [
        [
            Code(record.path),
            stage.stage + (" (shared)" if record.shared else ""),
            numbers.size(record.bytes),
            Code(record.sha256[:16]),
        ]
        for stage in data.stages
        for record in stage.files
    ]
    return Table(("file", "stage", ">size", "sha256"), rows)


def _versions(data: ReportData) -> Table:
    machine = data.machine
    told = {name: str(value) for name, value in vars(machine).items() if name != "memory_bytes"}
    rows = [[name, value] for name, value in told.items()]
    rows.append(["memory", numbers.size(machine.memory_bytes)])
    seen: dict[str, str] = {}
    for stage in data.stages:
        seen.update(stage.versions)
    shown = {n: v for n, v in seen.items() if n not in told and v != "absent"}
    rows += [[name, str(version)] for name, version in sorted(shown.items())]
    return Table(("what", "value"), rows)


def note_random_weights() -> Text:
    """Return the warning every page about random weights begins with."""
    return Text(
        "Random weights: this preset has no trained weights, so outputs mean nothing; "
        "speed and parity are those of the architecture.",
        "open",
    )
