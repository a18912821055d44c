"""What the scripts here share: a table, what is published of a measurement, what is not.

They run from the root of the repository: `python -m reports.FOLDER.SCRIPT`. The summary that a
page is made from is published beside it; every row and sample behind it goes into `raw.json` of
the folder, which git ignores.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table in markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(str, cells)) + " |" for cells in lines]


def publish(folder: Path, data: Any, page: str, name: str = "report") -> None:
    """Write the summary as data.json and the page as report.md; both are NAME.* under a name."""
    summary = "data" if name == "report" else name
    write_rows(folder / f"{summary}.json", data)
    (folder / f"{name}.md").write_text(page, encoding="utf-8")


def keep_raw(folder: Path, data: Any) -> None:
    """Write everything that was measured into the folder's raw.json."""
    write_rows(folder / "raw.json", data)


def write_rows(path: Path, data: Any) -> None:
    """Write JSON that can be read and compared: a line per entry of a list, dicts indented."""
    path.write_text(_text(data, "") + "\n", encoding="utf-8")


def _text(part: Any, indent: str) -> str:
    deeper = indent + " "
    if isinstance(part, dict) and len(json.dumps(part)) > 80:
        rows = [f"{deeper}{json.dumps(k)}: {_text(v, deeper)}" for k, v in part.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(part, list) and len(json.dumps(part)) > 80:
        rows = [deeper + json.dumps(row, ensure_ascii=False) for row in part]
        return "[\n" + ",\n".join(rows) + f"\n{indent}]"
    return json.dumps(part, ensure_ascii=False)


def parser_complaint(path: Path) -> str:
    """Return what the TensorRT-RTX parser says about a file, empty when it takes it."""
    try:
        import tensorrt_rtx as trt
    except ImportError:
        return "tensorrt_rtx is not installed"
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    network = trt.Builder(logger).create_network(0)
    parser = trt.OnnxParser(network, logger)
    if parser.parse_from_file(str(path)) and network.num_outputs:
        return ""
    return parser.get_error(0).desc()[:200] if parser.num_errors else "no network"
