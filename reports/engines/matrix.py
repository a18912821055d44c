"""Build every model in every precision for three GPUs, raw beside optimized, and keep the figures.

    python -m reports.engines.matrix MODELS ROWS.jsonl [--dialects sdpa18,ts17] [--only TEXT]

MODELS holds NAME/model.onnx per folder (a zoo of exports, or folders of `pipeline export`). Each
line of ROWS.jsonl is one build; a second call goes on where the first stopped. The graphs are
judged as well: error of the typed graph under the rounding judge against the float64 judge,
in units of what rounding every step of the raw graph costs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from pipeline.accuracy import compare, magnitude, usage
from pipeline.builder.graph import read_graph
from pipeline.errors import PipelineError
from pipeline.graph.files.model_file import load_model, save_model
from pipeline.inputs import InputMaker
from pipeline.judge.interpreter import Judge
from pipeline.parity.budget import ULP, budget_for, pool
from pipeline.precision import type_model
from pipeline.records.engine import EngineRecord
from pipeline.records.record import as_json
from pipeline.stages.build_engine.options import BuildEngineOptions
from pipeline.stages.build_engine.stage import build_engines
from pipeline.stages.optimize.options import OptimizeOptions
from pipeline.stages.optimize.stage import optimize_model

TARGETS = ("8.0", "8.9", "12.0")
PRECISIONS = ("fp32", "fp16", "bf16")
JUDGES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
LOW = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
CASES = ((0, "plain"), (1, "padded"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--dialects", default="sdpa18,eager18,ts17")
    parser.add_argument("--only", default="")
    parser.add_argument("--forms", default="raw,optimized")
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    options = parser.parse_args()
    done = {(r["model"], r["form"], r["precision"]) for r in read(options.data)}
    for name, path in chosen(options.models, options.dialects.split(",")).items():
        if options.only not in name:
            continue
        for precision in options.precisions.split(","):
            for form in options.forms.split(","):
                if (name, form, precision) in done:
                    continue
                row = build(path, name, form, precision)
                with options.data.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(name, form, precision, "builds" if row["builds"] else row["error"][:120])


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def chosen(models: Path, dialects: list[str]) -> dict[str, Path]:
    """Every exported part of our own folders; of a zoo, the first of `dialects` each model has."""
    kept = {}
    for path in sorted(models.glob("*/onnx/*.exported.onnx")):
        kept[f"{path.parents[1].name}.{path.name.partition('.')[0]}"] = path
    names = {p.parent.name: p for p in models.glob("*/model.onnx")}
    for arch in sorted({n.rpartition(".")[0] for n in names}):
        present = [f"{arch}.{d}" for d in dialects if f"{arch}.{d}" in names]
        kept |= {n: names[n] for n in present[:1]}
    return kept


def build(path: Path, name: str, form: str, precision: str) -> dict:
    row = {"model": name, "form": form, "precision": precision, "targets": ",".join(TARGETS)}
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, "model.onnx")
        try:
            row |= prepare(path, graph, form, precision)
            info = read_graph(graph)
            row |= {"attention": info.attention_count, "softmax": info.softmax_count}
            row |= judged(path, graph, precision)
        except Exception as err:  # a failure is a row of the table, whatever its kind
            return row | {"builds": False, "error": f"{type(err).__name__}: {err}", "at": "graph"}
        try:
            made = build_engines(
                BuildEngineOptions(
                    graph, Path(folder, "m.plan"), compute_capabilities=TARGETS, dims=dims(info)
                )
            )
        except PipelineError as err:
            return row | {"builds": False, "error": f"{err.what} [{err.where}]", "at": "build"}
        part = EngineRecord.of(made).parts["model"]
    answers = [a.dedicated for a in part.attention]
    return row | {
        "builds": True,
        "error": "",
        "dedicated": sum(a is True for a in answers),
        "reasons": sorted({a.reason for a in part.attention if a.reason}),
        "seconds": round(part.build_seconds, 2),
        "plan_bytes": part.plan_bytes,
        "peak_rss_bytes": part.build_peak_rss_bytes,
        "version": part.version,
    }


def prepare(path: Path, graph: Path, form: str, precision: str) -> dict:
    """Write the graph to build; return what typing and fusing did."""
    start = time.perf_counter()
    if form == "optimized":
        record = optimize_model(
            OptimizeOptions(path, graph, target="tensorrt", precision=precision)
        ).record
        refusals = [s.refusal.reason for s in record.sites
                    if s.construct == "attention" and s.refusal is not None]  # fmt: skip
        told = record.to_json()
        found = {"counts": told["counts"], "typing": told["typing"], "refusals": refusals}
    else:
        model = load_model(path)
        typing = as_json(type_model(model, precision).record()) if precision != "fp32" else {}
        found = {"typing": typing}
        save_model(model, graph)
    return found | {"graph_seconds": round(time.perf_counter() - start, 2)}


def dims(info) -> dict[str, tuple[int, int, int]]:
    """Sizes that fit the small position tables of the zoo."""
    names = {d for spec in info.inputs for d in spec.dims if isinstance(d, str)}
    lengths = dict.fromkeys(("seq", "enc", "dec", "source", "target"), (1, 8, 16))
    sizes = {"batch": (1, 2, 4), "past": (0, 8, 16), **lengths}
    return {n: sizes[n] for n in sorted(names) if n in sizes}


def judged(path: Path, graph: Path, precision: str) -> dict:
    """Return the share of the parity budget the graph uses, by the rounding judge."""
    raw, made = load_model(path), load_model(graph)
    maker = InputMaker(raw)
    exact, rounded = Judge(raw, "float64"), Judge(raw, JUDGES[precision])
    typed = Judge(made, "declared")
    cases = []
    for variant, style in CASES:
        feeds = maker.make(maker.dims(variant), variant, style)
        low = {
            n: torch.from_numpy(v).to(LOW[precision]) if v.dtype.kind == "f" else v
            for n, v in feeds.items()
        }
        wanted = arrays(exact.run(feeds))
        cases.append((wanted, arrays(rounded.run(feeds)), arrays(typed.run(low))))
    worst = 0.0
    for name in cases[0][0]:
        trios = [(w[name], r[name], t[name]) for w, r, t in cases]
        noises = [(compare(r, w), magnitude(w)) for w, r, _t in trios]
        pooled = pool(noises)
        for (wanted, _rounded, found), (noise, size) in zip(trios, noises, strict=True):
            allowed = budget_for(noise, pooled, size, ULP[precision])
            worst = max(worst, usage(compare(found, wanted), allowed))
    return {"budget_used": worst}


def arrays(tensors: dict) -> dict:
    return {n: t.to(torch.float64).numpy() if t.is_floating_point() else t.numpy()
            for n, t in tensors.items()}  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
