"""Write report.html and report.md from data.json.

    python -m reports.engines.render                      renders what is there
    python -m reports.engines.render ZOO.jsonl PRESETS.jsonl LARGE.jsonl    collects it first

The lines of the first two are matrix.py's, those of the third large.py's.
"""

from __future__ import annotations

import html
import json
import platform
import sys
from pathlib import Path

from reports.common import publish, table

HERE = Path(__file__).resolve().parent
PRECISIONS = ("fp32", "fp16", "bf16")
CSS = """
:root{--ink:#1d2733;--soft:#5b6875;--line:#d9dfe5;--good:#0a7d4f;--bad:#b3261e;--back:#fff;--zebra:#f5f7f9}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--line:#313b46;--good:#5fd39f;
--bad:#ff8a80;--back:#14191f;--zebra:#1a2027}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:72rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}p{max-width:46rem}
.wrap{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}tbody tr:nth-child(even){background:var(--zebra)}
th{font-weight:600;color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}
li{max-width:46rem}
"""


def main(arguments: list[str]) -> None:
    data = json.loads((HERE / "data.json").read_text())
    if arguments:
        lines = [Path(name).read_text().splitlines() for name in arguments]
        data = collected(*([json.loads(line) for line in file] for file in lines))
    blocks = content(data)
    publish(HERE, data, markdown(blocks))
    (HERE / "report.html").write_text(page(blocks))


def collected(zoo: list[dict], presets: list[dict], large: list[dict]) -> dict:
    """Return what the page says of the rows that matrix.py and large.py print."""
    return {
        "machine": {"system": platform.system(), "cores": 2, "gpu": "none"},
        "version": next(row["version"] for row in zoo if row["builds"]),
        "zoo": [shortened(row) for row in zoo],
        "presets": [shortened(row) for row in presets],
        "large": large,
    }


def shortened(row: dict) -> dict:
    """Return one build without what no table shows."""
    kept = {key: row[key] for key in ("model", "form", "precision", "builds")}
    if row.get("refusals"):
        kept["refusals"] = row["refusals"][:1]
    if not row["builds"]:
        return kept | {"error": short(row["error"])}
    kept |= {key: row[key] for key in ("dedicated", "attention")}
    kept["budget_used"] = round(row["budget_used"], 6)
    kept |= {"reasons": row["reasons"]} if row["reasons"] else {}
    if row["form"] == "raw":
        return kept
    typing = row.get("typing") or {}
    kept["casts"] = typing.get("casts", 0)
    kept["islands"] = sum(island["count"] for island in typing.get("islands", []))
    return kept | {key: row[key] for key in ("seconds", "plan_bytes", "peak_rss_bytes")}


def content(data: dict) -> list[tuple[str, object]]:
    """Return headings, paragraphs and tables, in order."""
    rows = data["presets"] + data["zoo"]
    return [
        ("h1", "Engines: every model, every precision, three GPUs"),
        ("p", f"TensorRT-RTX {data['version']} on two busy cores and no GPU: each row is one plan "
              "for compute capability 8.0, 8.9 and 12.0 together, built in a child process. "
              "Nothing here ran on a GPU; seconds are wall time while other work shared the "
              "machine."),
        ("h2", "In short"),
        ("list", summary(rows)),
        ("h2", "Presets"),
        ("p", LEGEND),
        ("table", matrix(data["presets"])),
        ("h2", "Zoo"),
        ("table", matrix(data["zoo"])),
        ("h2", "Large models, fp16, four targets"),
        ("table", large(data["large"])),
        ("h2", "Not run here"),
        ("list", NOT_RUN),
    ]  # fmt: skip


LEGEND = (
    "Kernels: attentions with a dedicated kernel, of those the graph has as operators, asked of "
    "the builder one by one; written-out attention is left to the compiler and cannot be counted "
    "through its public API. Budget: share of the parity budget that the graph uses, by the judge "
    "that rounds after every node, against what rounding every node of the raw graph costs."
)
NOT_RUN = [
    "Loading and running any engine, and so parity and latency of engines: no NVIDIA GPU. "
    "`pipeline pack` makes the bundle that does it.",
    "Full TensorRT 10 and 11: the library wheels are absent. Every name our code uses exists in "
    "the bindings of 10.16 and 11.4 (tests/pipeline/bindings.json).",
    "ONNX Runtime on CUDA: no GPU.",
]


def summary(rows: list[dict]) -> list[str]:
    found = []
    for form in ("raw", "optimized"):
        for precision in PRECISIONS:
            mine = [r for r in rows if r["form"] == form and r["precision"] == precision]
            if not mine:
                continue
            built = [r for r in mine if r["builds"]]
            kernels = sum(r["dedicated"] for r in built)
            operators = sum(r["attention"] for r in built)
            budget = max((r["budget_used"] for r in built), default=0.0)
            found.append(
                f"{form}, {precision}: {len(built)} of {len(mine)} graphs build; {kernels} of "
                f"{operators} attention operators have a dedicated kernel; budget used at most "
                f"{budget:.2f}"
            )
    reasons = sorted({(r["model"], short(r["refusals"][0])) for r in rows if r.get("refusals")})
    found += [f"{model}: attention stays written out, {reason}" for model, reason in reasons]
    plain: dict[str, set[str]] = {}
    for row in rows:
        for reason in row.get("reasons", ()):
            plain.setdefault(reason, set()).add(row["model"])
    found += [
        f"{reason} ({len(models)} graphs: {listed(models)})" for reason, models in plain.items()
    ]
    failed = [r for r in rows if not r["builds"]]
    found += [f"{r['model']} {r['form']} {r['precision']}: {short(r['error'])}" for r in failed]
    return found


def listed(names: set[str]) -> str:
    """Return a few names, and how many are left out."""
    few = sorted(names)[:8]
    return ", ".join(few) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def short(text: str) -> str:
    return text if len(text) < 160 else text[:157] + "..."


def matrix(rows: list[dict]) -> tuple[list[str], list[list[str]]]:
    head = ["model", "precision", "raw", "optimized", "kernels", "Casts", "islands", "budget",
            "seconds", "plan MB", "peak MB"]  # fmt: skip
    lines = []
    for name in dict.fromkeys(r["model"] for r in rows):
        for precision in PRECISIONS:
            found = {r["form"]: r for r in rows
                     if r["model"] == name and r["precision"] == precision}  # fmt: skip
            raw, ours = found.get("raw"), found.get("optimized")
            if ours is None:
                continue
            cells = [name, precision, word(raw), word(ours)]
            if ours["builds"]:
                cells += [
                    f"{ours['dedicated']}/{ours['attention']}",
                    str(ours["casts"]),
                    str(ours["islands"]),
                    f"{ours['budget_used']:.2f}",
                    f"{ours['seconds']:.1f}",
                    f"{ours['plan_bytes'] / 1e6:.1f}",
                    f"{ours['peak_rss_bytes'] / 1e6:.0f}",
                ]
            lines.append(cells + [""] * (len(head) - len(cells)))
    return head, lines


def word(row: dict | None) -> str:
    if row is None:
        return "–"
    return "builds" if row["builds"] else "refused"


def large(rows: list[dict]) -> tuple[list[str], list[list[str]]]:
    head = ["model", "weights MB", "plan MB", "seconds", "peak MB", "peak / weights", "kernels"]
    return head, [
        [
            r["model"],
            f"{r['weights_bytes'] / 1e6:.0f}",
            f"{r['plan_bytes'] / 1e6:.0f}",
            f"{r['seconds']:.0f}",
            f"{r['peak_rss_bytes'] / 1e6:.0f}",
            f"{r['peak_over_weights']:.2f}",
            f"{r['dedicated']}/{r['attention']}",
        ]
        for r in rows
    ]


def markdown(blocks: list) -> str:
    out = []
    for kind, what in blocks:
        if kind in ("h1", "h2"):
            out.append(f"{'#' * int(kind[1])} {what}")
        elif kind == "p":
            out.append(what)
        elif kind == "list":
            out.append("\n".join(f"- {line}" for line in what))
        else:
            out.append("\n".join(table(*what)))
    return "\n\n".join(out) + "\n"


def page(blocks: list) -> str:
    body = []
    for kind, what in blocks:
        if kind in ("h1", "h2", "p"):
            body.append(f"<{kind}>{html.escape(what)}</{kind}>")
        elif kind == "list":
            items = "".join(f"<li>{html.escape(line)}</li>" for line in what)
            body.append(f"<ul>{items}</ul>")
        else:
            head, rows = what
            cells = "".join(f"<th>{html.escape(h)}</th>" for h in head)
            lines = "".join(f"<tr>{''.join(map(cell, r))}</tr>" for r in rows)
            whole = f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"
            body.append(f'<div class="wrap">{whole}</div>')
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    title = "<title>Engines</title>"
    return f"<!doctype html><html lang=en>{head}{title}<style>{CSS}</style>{''.join(body)}</html>\n"


def cell(text: str) -> str:
    kind = {"builds": ' class="good"', "refused": ' class="bad"'}.get(text, "")
    return f"<td{kind}>{html.escape(text)}</td>"


if __name__ == "__main__":
    main(sys.argv[1:])
