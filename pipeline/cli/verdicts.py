"""What a comparison found, in lines for a person, and the exit code it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.artifacts.artifact import Artifact
from pipeline.cli.console import Console
from pipeline.cli.summary import artifact_data, artifact_lines


def finish(console: Console, artifact: Artifact, lines: Sequence[str] = ()) -> int:
    """Show a judging stage's result and return 1 if its verdict is no, else 0."""
    shown = [*artifact_lines(artifact), *lines]
    console.result(shown, artifact_data(artifact))
    return 1 if artifact.facts.get("passed") is False else 0


def parity_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the verdict, one line per candidate and generation, and where a failure began."""
    lines = [f"{_word(facts.get('passed'))}: compared with {facts.get('reference')}"]
    lines += [f"  {_candidate(entry)}" for entry in facts.get("candidates", ())]
    for entry in facts.get("generation", ()):
        if entry["passed"] is None:
            lines.append(f"  {entry['name']} generates nothing here: it was not run")
            continue
        ties = f", {entry['near_ties']} at a near-tie" if entry.get("near_ties") else ""
        told = f"{entry['equal']} of {entry['texts']} texts token for token{ties}"
        lines.append(f"  {_word(entry['passed'])}: {entry['name']} generates {told}")
    if facts.get("bisect"):
        lines.append(f"  first tensor out of budget: {_flat(facts['bisect'])}")
    return lines + [f"  note: {note}" for note in facts.get("notes", ())]


def perf_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return each job's medians, each ratio with its interval, and what makes them doubtful."""
    lines = []
    for job in facts.get("jobs", ()):
        lines.append(f"{job['name']}:")
        for row in facts["results"]:
            if row["job"] == job["name"] and not row["series"]:
                lines.append(f"  {row['contender']:<24} {row['latency']['median']:9.3f} ms")
        lines += [f"  {_ratio(row)}" for row in facts["ratios"] if row["job"] == job["name"]]
    for contender in facts.get("contenders", ()):
        if contender["skipped"]:
            lines.append(f"not run: {contender['name']}: {contender['skipped']}")
    lines += [f"gate missed: {text}" for text in facts.get("gate", ())]
    return lines + [f"note: {text}" for text in facts.get("warnings", ())]


def _ratio(row: Mapping[str, Any]) -> str:
    low, high = (f"{row[end]:.2f}" if row[end] is not None else "?" for end in ("low", "high"))
    interval = f"{row['value']:.2f} [{low}, {high}]"
    return f"{row['contender']} is {interval} times {row['baseline']}: {row['verdict']}"


def _candidate(entry: Mapping[str, Any]) -> str:
    name = f"{entry['part']}: {entry['name']} ({entry['precision']})"
    if entry.get("skipped"):
        return f"{name} not run: {entry['skipped']}"
    usage = entry.get("usage")
    share = "beyond the budget" if usage is None else f"{100 * usage:.3g} % of the budget"
    return f"{name} {_word(entry['passed'])}, {share}"


def _word(passed: object) -> str:
    return {True: "passed", False: "FAILED"}.get(bool(passed), "") if passed is not None else "-"


def _flat(value: Any) -> str:
    """Return a small record as `name value` pairs."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items() if v not in (None, "", []))
    if isinstance(value, (list, tuple)):
        return "; ".join(_flat(item) for item in value)
    return str(value)
