"""The page of the exports: the whole way, then every exporter and form of cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.common import publish, table, write_rows

HERE = Path(__file__).parent
WHOLE = HERE / "whole.json"
WAYS = (("dynamo", "concat"), ("torchscript", "concat"), ("dynamo", "static"), ("dynamo", "none"))
COLUMNS = {
    "exports": "exports",
    "sizes": "sizes that may change in every graph",
    "loads": "loads",
    "budget": "outputs within budget",
    "tokens": "greedy tokens equal",
    "cache": "with cache = without",
    "ort-cpu": "all attention and norms fused, ort-cpu",
    "tensorrt": "the same, tensorrt",
}
WHOLE_WAY = """## The whole way

Each model is exported, optimized for ort-cpu and tensorrt, and every graph is compared with the
float64 model within the parity budget, sizes the exporter saw and others. Tokens are greedy ones,
those of PyTorch in float32 on the same random prompts. A real checkpoint that cannot be fetched
is left out and named.
"""
EXPORTERS = """## By exporter and cache form

Models are tiny and random: this table is about shapes and operators. A row counts as exported
only when the file equals PyTorch at sizes it was not traced with (a batch of 1, a past of 0,
two more values of every size); "difference" is the largest seen there, relative to the output.
"""


def known(path: Path) -> dict[str, Any]:
    """Return the rows that were measured before, none at first."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def write(found: Mapping[str, Any] | None = None, whole: Mapping[str, Any] | None = None) -> None:
    """Write what was measured, the table of exporters or the whole way, and the page of both."""
    if whole is not None:
        write_rows(WHOLE, whole)
    found = known(HERE / "data.json") if found is None else found
    publish(HERE, found, page(found, known(WHOLE)))


def page(found: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """Return the report as markdown."""
    lines = ["# What exports", "", *(_whole(whole) if whole else ()), *_exporters(found)]
    return "\n".join(lines) + "\n"


def _whole(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [[name, *(row[key] for key in COLUMNS)] for name, row in found.items()]
    lines = table(["model", *COLUMNS.values()], rows)
    return [*WHOLE_WAY.splitlines(), "", *lines, "", "A dash: the model has no such thing.", ""]


def _exporters(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    ways, rows = [" ".join(way) for way in WAYS], []
    for name in dict.fromkeys(key.split(" ")[0] for key in found):
        told = found.get(f"{name} dynamo concat", {})
        cells = [_cell(found.get(f"{name} {way}")) for way in ways]
        rows.append([name, told.get("task", ""), ", ".join(told.get("sizes", ())), *cells])
    good = sum(row["ok"] for row in found.values())
    lines = table(["model", "task", "sizes that may change", *ways], rows)
    count = f"{good} of {len(found)} exports hold; a dash: the model has no such form."
    return [*EXPORTERS.splitlines(), "", *lines, "", count]


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    if not row["ok"]:
        return f"no: {row['why']}"
    return f"yes, {row['difference']:.0e}, {sum(row['nodes'].values())} nodes"


if __name__ == "__main__":
    write()
