"""The page of the foreign files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from reports.common import table
from reports.foreign.quantise import kinds

INTRO = """# Foreign files

Quantised files, a Paddle2ONNX file, and small files written the way other tools write theirs: old
opsets, functions, attention inside If and Loop bodies, shared weights, equal or missing names,
exporter junk. Every fused site is proven. Seconds, where they were taken, include the proofs; the
commands are in [measure.py](measure.py).
"""
QUANTISED = """
## Quantised files

Small bert, gpt2, llama, vit and t5 exports in three dialects (TorchScript opset 14, dynamo opset
18, dynamo opset 23), quantised by ONNX Runtime's own tools. *Fused* counts operators in the result
against all there are; *rounds inside* are sites with a quantiser between their own operators: no
attention or norm operator rounds there, so fusing would change the numbers, and they are left and
reported. *Off*: largest difference to the quantised file with ONNX Runtime's optimizer off,
relative to the largest value; a difference of one float32 ulp in front of a quantiser can turn into
one step of it, and the *quantiser's own error* (to PyTorch, same inputs) is what to hold that
against. *On*: with its optimizer on, which merges quantisers into integer kernels; *its own*: what
the optimizer changes in the file as it came.
"""


def page(data: dict) -> str:
    """Return the report."""
    parts = [INTRO, _paddle(data["paddle"]), _generated(data["generated"])]
    parts += [QUANTISED, _quantised(data["quantised"]["table"]), _why(data["quantised"])]
    parts += [_long_runs(data)]
    return "\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return "\n".join(table(head, rows))


def _seconds(rows: list[dict]) -> object:
    """Return the longest time, a dash where none was taken."""
    return max((row["seconds"] for row in rows if "seconds" in row), default="–")


def _paddle(rows: list[dict]) -> str:
    if not rows:
        return "\n## Paddle2ONNX\n\nThe package could not be downloaded.\n"
    head = ["target", "attention", "norms", "nodes", "line read before", "after",
            "largest difference", "seconds"]  # fmt: skip
    body = [
        [r["target"], f"{r['attention']}/2", f"{r['norm']}/5",
         f"{r['nodes']['before']} → {r['nodes']['after']}", r["read before"], r["read"],
         f"{r['difference']:.0e}", _seconds([r])]
        for r in rows
    ]  # fmt: skip
    return (
        "\n## Paddle2ONNX\n\n`ch_PP-OCRv4_rec_infer.onnx` of `rapidocr-onnxruntime==1.4.4`, opset "
        "12, 10.9 MB; a rendered line is read with it.\n\n" + _table(head, body) + "\n"
    )


def _generated(rows: list[dict]) -> str:
    by_file = defaultdict(list)
    for row in rows:
        by_file[row["file"]].append(row)
    body = []
    for name, found in by_file.items():
        fused = [f"{r['attention'][0]}/{r['attention'][1]}, {r['norm'][0]}/{r['norm'][1]}"
                 for r in found]  # fmt: skip
        body.append([name, *fused, f"{max(r['difference'] for r in found):.0e}",
                     _seconds(found)])  # fmt: skip
    head = ["file", *(f"{t}: attention, norms" for t in ("ort-cpu", "tensorrt")),
            "largest difference", "seconds at most"]  # fmt: skip
    return "\n## As other tools write them\n\n" + _table(head, body) + "\n"


def _quantised(rows: list[list[object]]) -> str:
    head = ["files", "target", "number", "attention fused", "rounds inside", "norms fused",
            "rounds inside", "integer products kept", "off", "on (its own)",
            "quantiser's own error", "do not load: as came, ours", "parser: as came, ours",
            "seconds at most"]  # fmt: skip
    return _table(head, rows) + "\n"


def summary(found: dict) -> dict:
    """Return the quantised files' rows counted: the cells of the table, and reasons by file."""
    rows, cells = found["rows"], []
    for kind, (words, _) in kinds().items():
        for target in ("ort-cpu", "tensorrt"):
            mine = [r for r in rows if r["kind"] == kind and r["target"] == target]
            if mine:
                cells.append([words if target == "ort-cpu" else "", target, *_row(mine)])
    reasons: Counter[str] = Counter()
    for row in rows:
        for reason, number in row.get("left", {}).items():
            reasons[f"{row['target']}: {reason}"] += number
    return {
        "table": cells,
        "left": dict(reasons.most_common()),
        "refused": _by_reason((r["refused"], r["file"]) for r in rows if "refused" in r),
        "do not run": _by_reason(
            (r["original fails"], r["file"]) for r in rows if "original fails" in r
        ),
        "not made": _by_reason((why, file) for file, why in found["not made"].items()),
    }


def _by_reason(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found = defaultdict(set)
    for why, file in pairs:
        found[_short(why)].add(file)
    return {why: sorted(files) for why, files in found.items()}


def _row(rows: list[dict]) -> list[object]:
    done = [r for r in rows if "refused" not in r]
    inside = {
        kind: sum(number for r in done for reason, number in r["left"].items()
                  if reason.startswith(kind) and "keeps them float" in reason)
        for kind in ("attention", "norm")
    }  # fmt: skip
    kept = [pair for r in done for pair in r["quantised"].values()]
    sound = [r for r in done if "original fails" not in r and "ours fails" not in r]

    def worst(name: str) -> str:
        return f"{max((r.get(name, 0.0) for r in sound), default=0.0):.0e}"

    parser = "-"
    if rows[0]["target"] == "tensorrt":
        took = [sum(not r[name] for r in done) for name in ("parser before", "parser")]
        parser = f"{took[0]}, {took[1]} of {len(done)}"
    fails = [sum(name in r for r in done) for name in ("original fails", "ours fails")]
    return [
        f"{len(done)}" + (f" + {len(rows) - len(done)} refused" if len(done) < len(rows) else ""),
        f"{sum(r['attention'] for r in done)}/{sum(r['attn'] for r in done)}",
        inside["attention"],
        f"{sum(r['norms'] for r in done)}/{sum(r['norm'] for r in done)}",
        inside["norm"],
        f"{sum(a == b for a, b in kept)}/{len(kept)}" if kept else "-",
        worst("exact"),
        f"{worst('usual')} ({worst('own')})",
        worst("error"),
        f"{fails[0]}, {fails[1]}",
        parser,
        _seconds(done),
    ]


def _why(found: dict) -> str:
    lines = ["", "Left, and why:", ""]
    lines += [f"- {reason} ({number} sites)" for reason, number in found["left"].items()]
    groups = {
        "Refused": "refused",
        "As the quantiser wrote them, ONNX Runtime does not run": "do not run",
        "Not made, because the quantiser failed": "not made",
    }
    for title, group in groups.items():
        lines += ["", f"{title}:", ""]
        lines += [f"- {', '.join(files)}: {why}" for why, files in found[group].items()]
    return "\n".join(lines) + "\n"


def _short(words: str) -> str:
    """Return the core of a complaint of ONNX Runtime, without paths and names of nodes."""
    core = re.split(r"failed:|Status Message: |FAIL : ", words.splitlines()[0])[-1]
    return re.sub(r"\s*(In Node, \(\"|Node \()[^\s\",)]*[\",)]*", "", core)[:90].strip()


def _long_runs(data: dict) -> str:
    lines = ["\n## Long runs\n"]
    if data["mutated"]:
        lines.append(f"- mutated real files: {data['mutated']}")
    if data["random"]:
        lines.append(f"- random graphs: {data['random']}")
    return "\n".join(lines) + "\n" if len(lines) > 1 else ""
