"""How many translations of zh-en stay the same, token for token, when its weights are rounded.

    python -m reports.low_precision.translations WORK [--sentences 500]

The sentences are those that `pipeline parity` asks of the preset. Writes translations.json and
translations.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipeline import (
    ExportOptions,
    OptimizeOptions,
    ParityOptions,
    ParityResult,
    compare_parity,
    export_model,
    optimize_model,
)
from pipeline.types import Precision
from reports.common import publish, table

HERE = Path(__file__).resolve().parent
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8-weights", "int8", "int4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--sentences", type=int, default=500)
    given = parser.parse_args()
    folder = given.work / "zh-en"
    export_model(ExportOptions("zh-en", folder))
    for precision in PRECISIONS:
        optimize_model(OptimizeOptions(folder, precision=precision))
    compare_parity(ParityOptions(folder, sentences=given.sentences))
    found = ParityResult.read_file(folder / "parity" / "parity.json").generation
    rows: list[dict[str, Any]] = [
        {"variant": row.name, "texts": row.texts, "equal": row.equal, "near_ties": row.near_ties}
        for row in (found.candidates if found else ())
        if row.name.startswith("ort-cpu-")
    ]
    publish(HERE, rows, _page(rows), name="translations")


def _page(rows: list[dict[str, Any]]) -> str:
    cells = [
        [row["variant"], f"{row['equal']} of {row['texts']}", row["near_ties"]] for row in rows
    ]
    lines = [
        "# Translations with rounded weights",
        "",
        "zh-en, the preset with its own weights: sentences whose translation is the float model's, "
        "token for token, and those that part where the two likeliest tokens are as good as equal.",
        "",
        *table(["variant", "same", "near-ties"], cells),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
