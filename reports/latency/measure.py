"""Latency of three transformers on CPU: torch, ONNX Runtime as exported and fused by others, ours.

    python -m reports.latency.measure WORK [--models bert-base,gpt2,llama] [--shapes 1x16,1x128]
        [--sessions 6] [--rounds 5] [--limit 900] [--render]

Models have random weights, are exported by `pipeline export`, and what is made of them stays in
WORK. The measurement is that of `pipeline perf`: every contender in a process of its own, turns in
a rotating order after a quiet moment, ratios with 99 % intervals resampled over sessions. The floor
is the graph's products with weights alone, chained, in ONNX Runtime: nothing that runs those
products there can be faster. Writes data.json and report.md beside this script, every sample into
raw.json; `--render` only writes report.md from data.json.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

from pipeline.artifacts import open_folder
from pipeline.perf.bench import measure_contenders
from pipeline.perf.contender import Contender
from pipeline.perf.contenders import default_threads, folder_contenders
from pipeline.perf.jobs import part_jobs
from pipeline.perf.options import PerfOptions
from pipeline.perf.own_optimizer import optimize_with_runtime
from pipeline.records.export import ExportRecord
from pipeline.records.variant import variant_record
from reports import common
from reports.latency.floor import products_alone

HERE = Path(__file__).resolve().parent
SHAPES = "1x16,1x128,8x128,1x512"
LIBRARIES = ("torch", "onnxruntime", "onnxscript", "openvino")
OURS, FLOOR = "ort-cpu-fp32", "floor"
BASELINES = ("eager", "compile", "exported", "ort-optimizer", "onnxscript", "openvino")
NAMES = {
    "eager": "PyTorch eager", "compile": "torch.compile", "exported": "ONNX Runtime, as exported",
    "ort-optimizer": "onnxruntime.transformers.optimizer", "onnxscript": "onnxscript ORT fusions",
    "openvino": "OpenVINO", OURS: "ours, `--target ort-cpu`", FLOOR: "products with weights alone",
}  # fmt: skip


def config_of(name: str):
    import transformers

    if name == "bert-base":
        return transformers.BertConfig()
    if name == "gpt2":
        return transformers.GPT2Config()
    return transformers.LlamaConfig(
        hidden_size=768, num_hidden_layers=12, num_attention_heads=12, num_key_value_heads=4,
        intermediate_size=2048, vocab_size=32000, max_position_embeddings=2048,
    )  # fmt: skip


def exported(name: str, work: Path) -> Path:
    """Return the folder with the export; its optimized graphs are made again each time."""
    from pipeline import ExportOptions, OptimizeOptions, export_model, optimize_model

    checkpoint, folder = work / name / "checkpoint", work / name / "run"
    if not checkpoint.exists():
        import torch
        import transformers

        torch.manual_seed(0)
        transformers.AutoModel.from_config(config_of(name)).save_pretrained(checkpoint)
    export_model(ExportOptions(str(checkpoint), folder, task="feature-extraction", kv_cache="none"))
    optimize_model(OptimizeOptions(folder, target="ort-cpu"))
    return folder


def by_onnxscript(source: Path, target: Path) -> None:
    import onnx_ir as ir
    from onnxscript.rewriter.ort_fusions import optimize_for_ort

    model, _ = optimize_for_ort(ir.load(source))
    ir.save(model, target, external_data=target.name + ".data")


def contenders_of(folder: Path, temp: Path) -> tuple[list[Contender], dict[str, str]]:
    """Return everyone who takes part, and who could not be made with the reason."""
    opened, threads = open_folder(folder), default_threads()
    exported = ExportRecord.of(opened.require("export", ""))
    others = {name: variant_record(opened.require(name, "")) for name in opened.stages()
              if name == f"optimize.{OURS}"}  # fmt: skip
    made, left = folder_contenders(
        folder, exported.parts, others, ("eager", "compile", "ort"), threads
    )
    ((part, about),) = exported.parts.items()
    source = folder / about.file
    makers = {
        "ort-optimizer": optimize_with_runtime, "onnxscript": by_onnxscript, FLOOR: products_alone,
    }  # fmt: skip
    for name, make in makers.items():
        target = temp / f"{name}.onnx"
        try:
            make(source, target)
        except Exception as error:
            left[name] = f"{type(error).__name__}: {error}"[:200]
            continue
        made.append(Contender(name, "ort", {part: str(target)}, str(folder), threads=threads))
    made.append(Contender("openvino", "openvino", {part: str(source)}, str(folder),
                          threads=threads))  # fmt: skip
    return made, left


def measured(name: str, arguments: argparse.Namespace) -> dict:
    from pipeline.graph.files.model_file import load_model

    folder = exported(name, arguments.work)
    record = ExportRecord.of(open_folder(folder).require("export", ""))
    ((part, about),) = record.parts.items()
    batch, length = list(about.dims)[:2]
    shapes = [tuple(map(int, text.split("x"))) for text in arguments.shapes.split(",")]
    options = PerfOptions(
        (folder,), sessions=arguments.sessions, rounds=arguments.rounds,
        time_limit_s=arguments.limit, roofline=False,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=arguments.work) as temp:
        made, left = contenders_of(folder, Path(temp))
        plans = [("", {batch: b, length: s}) for b, s in shapes]
        jobs = part_jobs(part, load_model(folder / about.file), plans, Path(temp))
        result = measure_contenders(options, made, jobs, left, BASELINES, Shown())
    names = {job.name: f"{b} x {s}" for job, (b, s) in zip(jobs, shapes, strict=True)}
    return {**result.to_json(), "shapes": names}


def summary(data: dict) -> dict:
    """Return what the page is made from: medians, ratios and verdicts without samples."""
    wanted = {
        "results": ("contender", "job", "latency"),
        "ratios": ("contender", "baseline", "job", "value", "low", "high", "verdict"),
        "contenders": ("name", "skipped"),
    }
    models = {}
    for name, model in data["models"].items():
        models[name] = {key: model[key] for key in ("shapes", "plan", "warnings")}
        for key, names in wanted.items():
            models[name][key] = [{n: row[n] for n in names} for row in model[key]]
        models[name]["ratios"] = [
            {
                key: round(value, 6) if isinstance(value, float) else value
                for key, value in r.items()
            }
            for r in models[name]["ratios"]
            if r["contender"] == OURS or r["baseline"] == "eager"
        ]
        for row in models[name]["results"]:
            row["latency"] = {"median": row["latency"]["median"]}
    return {**data, "models": models}


class Shown:
    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        if done is None or done % 10 == 0:
            print(text, done or "", f"of {total}" if total else "", flush=True)

    def note(self, text: str) -> None:
        print(text, flush=True)


def table(result: dict) -> list[str]:
    medians = {(r["contender"], r["job"]): r["latency"]["median"] for r in result["results"]}
    ratios = {(r["contender"], r["baseline"], r["job"]): r for r in result["ratios"]}
    names = [name for name in NAMES if any(who == name for who, _ in medians)]
    shapes = result["shapes"]
    rows = []
    for name in names:
        cells = []
        for job in shapes:
            ratio = ratios.get((name, "eager", job))
            text = f"{medians[name, job]:.1f} ms"
            first = max((n for n in names if n != FLOOR), key=lambda n: -medians[n, job]) == name
            cells.append((f"**{_told(ratio)}**" if first else _told(ratio)) + f", {text}")
        rows.append([NAMES[name], *cells])
    lines = common.table(["times faster than eager", *shapes.values()], rows)
    return [*lines, "", *_verdicts(names, shapes, medians, ratios)]


def _told(ratio: dict | None) -> str:
    if ratio is None:
        return "1"
    if ratio["low"] is None or ratio["high"] is None:
        return f"{ratio['value']:.2f}"
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _verdicts(names: list, shapes: dict, medians: dict, ratios: dict) -> list[str]:
    """Return a sentence per shape: ours against the best of the others, and what is left."""
    lines = []
    for job, shape in shapes.items():
        rivals = [n for n in names if n not in (OURS, FLOOR)]
        best = min(rivals, key=lambda n: medians[n, job])
        ratio = ratios[OURS, best, job]
        slower = [NAMES[n] for n in rivals if ratios[OURS, n, job]["verdict"] == "slower"]
        text = f"- {shape}: against the best other, {NAMES[best]}, ours is "
        text += f"{ratio['verdict']} ({_told(ratio)} times as fast)"
        text += f"; slower than {', '.join(slower)}" if slower else ""
        if (FLOOR, job) in medians:
            text += f"; its products take {medians[FLOOR, job] / medians[OURS, job]:.0%} of it"
        lines.append(text + ".")
    return lines


def report(data: dict) -> str:
    lines = [
        "# Latency of transformers on CPU, float32", "",
        f"{data['machine']['cpu']}, {data['threads']} threads, {data['versions']}. Exported by "
        "`pipeline export` (dynamo), batch and length dynamic, no key masked, random weights. "
        "Medians; ratios with 99 % intervals over sessions; the fastest of a column is bold. "
        "Denormals are flushed in ours alone: its lowering writes that setting beside the graph.",
        "",
    ]  # fmt: skip
    for name, result in data["models"].items():
        plan, absent = result["plan"], {c["name"]: c["skipped"] for c in result["contenders"]
                                        if c["skipped"]}  # fmt: skip
        lines += [f"## {name}", "", *table(result), ""]
        lines += [f"{plan['sessions']} sessions of {plan['rounds']} rounds."]
        lines += [f"Not measured: {NAMES.get(n, n)} ({why})." for n, why in absent.items()]
        lines += [f"Warning: {text}" for text in result["warnings"]] + [""]
    values = [r["value"] for m in data["models"].values() for r in m["ratios"]
              if (r["contender"], r["baseline"]) == (OURS, "exported")]  # fmt: skip
    if values:
        mean = math.exp(sum(map(math.log, values)) / len(values))
        lines += [f"Over all shapes and models ours is {mean:.2f} times as fast as the graphs as "
                  "exported (geometric mean)."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--models", default="bert-base,gpt2,llama")
    parser.add_argument("--shapes", default=SHAPES)
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=900.0)
    parser.add_argument("--render", action="store_true")
    arguments = parser.parse_args()
    target = HERE / "data.json"
    if not arguments.render:
        from pipeline.toolchain import machine, version_of

        told = ", ".join(f"{name} {version_of(name)}" for name in LIBRARIES)
        models = {name: measured(name, arguments) for name in arguments.models.split(",")}
        data = {"machine": vars(machine()), "threads": default_threads(), "versions": told,
                "models": models}  # fmt: skip
        common.keep_raw(HERE, data)
    else:
        data = json.loads(target.read_text())
    data = summary(data)
    common.publish(HERE, data, report(data))


if __name__ == "__main__":
    main()
