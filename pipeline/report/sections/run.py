"""What was run: stages, times, files, versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def run_section(data: Mapping[str, Any]) -> Section:
    """Return the section on stages and what they left on disk."""
    stages = data["stages"]
    total = sum(stage["seconds"] for stage in stages)
    lead = (
        f"{numbers.count(len(stages), 'artifact')}, made in {numbers.seconds(total)} of work in "
        "all. Each is current for exactly the recipe its key names."
    )
    blocks: list[Block] = [
        _stages(data),
        Details("Files and their digests", [_files(data)]),
        Details("Versions and machine", [_versions(data)]),
    ]
    logs = [(stage["stage"], line) for stage in stages for line in stage["log"]]
    if logs:
        text = "\n".join(f"{stage}: {line}" for stage, line in logs)
        blocks.append(Details("What the stages noted", [Pre(text)]))
    return Section("run", "What was run", lead, blocks)


def _stages(data: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = []
    longest = max((stage["seconds"] for stage in data["stages"]), default=0.0) or 1.0
    for stage in data["stages"]:
        files = stage["files"]
        passed = stage["facts"].get("passed")
        verdict = {True: Badge("passed", "good"), False: Badge("failed", "bad")}.get(
            passed, Badge("made", "info")
        )
        rows.append(
            [
                Code(stage["stage"]),
                verdict,
                Bar(stage["seconds"] / longest, numbers.seconds(stage["seconds"])),
                numbers.size(stage["peak_rss_bytes"] or None),
                numbers.count(len(files), "file"),
                numbers.size(sum(f["bytes"] for f in files if not f.get("shared"))),
                Code(stage["key"][:12]),
            ]
        )
    columns = ("stage", "verdict", "time", ">peak memory", ">files", ">size", "key")
    return Table(columns, rows, stack=True)


def _files(data: Mapping[str, Any]) -> Table:
    rows = [
        [
            Code(record["path"]),
            stage["stage"] + (" (shared)" if record.get("shared") else ""),
            numbers.size(record["bytes"]),
            Code(record["sha256"][:16]),
        ]
        for stage in data["stages"]
        for record in stage["files"]
    ]
    return Table(("file", "stage", ">size", "sha256"), rows)


def _versions(data: Mapping[str, Any]) -> Table:
    machine = data["machine"]
    rows = [[name, str(value)] for name, value in machine.items() if name != "memory_bytes"]
    rows.append(["memory", numbers.size(machine.get("memory_bytes"))])
    seen: dict[str, str] = {}
    for stage in data["stages"]:
        seen.update(stage["versions"])
    shown = {n: v for n, v in seen.items() if n not in machine and v != "absent"}
    rows += [[name, str(version)] for name, version in sorted(shown.items())]
    return Table(("what", "value"), rows)


def note_random_weights() -> Text:
    """Return the warning every page about random weights begins with."""
    return Text(
        "Random weights: this preset has no trained weights, so outputs mean nothing; "
        "speed and parity are those of the architecture.",
        "open",
    )
