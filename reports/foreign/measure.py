"""Foreign files: quantised ones, Paddle's, and files written as other tools write them.

    python -m reports.foreign.measure --models W/models --expected W/expected.json \\
        --zoo DIR_OF_THE_ZOO --work WORK [--timed] [--mutated LOG] [--random LOG]

`--models` are the zoo's exports (`run.py --work W` makes them). The quantised files and the Paddle
file are made and fetched into WORK once. The logs are what these print:

    python -m tests.pipeline.stages.optimize.mutated_files 10000 DIR_OF_ONNX_FILES
    python -m tests.pipeline.stages.optimize.random_graphs 5000

`--timed` keeps the seconds: for an idle machine. `--report-only` renders data.json again, with the
logs given. Writes data.json and report.md beside this script, every row into raw.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from reports.common import keep_raw, parser_complaint, publish
from reports.foreign import merge, quantise, render

HERE = Path(__file__).resolve().parent
ARCHS, DIALECTS = ("bert", "gpt2", "llama", "vit", "t5"), ("ts14", "eager18", "op23")
TARGETS = ("ort-cpu", "tensorrt")
QUANTISED = (
    "MatMulInteger", "DynamicQuantizeLinear", "com.microsoft::MatMulNBits", "QLinearMatMul",
)  # fmt: skip


def optimized(source: Path, out: Path, target: str) -> dict:
    """Return the facts of optimizing one file, and the seconds it took."""
    from pipeline.stages.optimize.options import OptimizeOptions
    from pipeline.stages.optimize.stage import optimize_model

    started = time.perf_counter()
    made = optimize_model(OptimizeOptions(source, out, target=target))
    return {"seconds": round(time.perf_counter() - started, 2), **made.record.to_json()}


def left(facts: dict) -> dict[str, int]:
    """Return why attention and norms were not fused, and how many."""
    return Counter(
        f"{s['construct']}: {s['refusal']['reason']}"
        for s in facts["sites"]
        if s["construct"] in ("attention", "norm") and s["state"] != "fused"
    )


def outputs(path: Path, feeds: dict, optimize: bool) -> list[np.ndarray] | str:
    """Return what ONNX Runtime computes, or its first words of complaint."""
    import score

    try:
        session = score.session(str(path), optimize)
        names = {value.name for value in session.get_inputs()}
        return session.run(None, {n: v for n, v in feeds.items() if n in names})
    except Exception as error:
        return str(error).strip().splitlines()[0][:200]


def distance(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Return the largest difference over the largest value, of the worst output."""
    return max(
        float(np.abs(a.astype(float) - b).max() / (np.abs(b).max() + 1e-9))
        for a, b in zip(some, others, strict=False)
    )


def compare(folder: Path, fused: Path) -> dict:
    """Compare a quantised file before and after, on the zoo's inputs.

    `exact` is the difference with ONNX Runtime's own optimizer off, where both files compute the
    same roundings; `usual` with it on, where it merges quantisers into integer kernels as it
    likes; `own` what that changes in the file as it came; `error` how far the quantiser is from
    PyTorch. All relative, worst of the input sets.
    """
    worst: dict = defaultdict(float)
    for case in "ABC":
        file = np.load(folder / f"{case}.npz")
        feeds = {name[3:]: file[name] for name in file if name.startswith("in:")}
        torch = [file[f"out:{i}"] for i in range(sum(n.startswith("out:") for n in file))]
        for mode in (False, True):
            before = outputs(folder / "model.onnx", feeds, mode)
            after = outputs(fused, feeds, mode)
            if isinstance(after, str):
                worst["ours fails"] = after
            if isinstance(before, str):
                worst["original fails"] = before
                continue
            if isinstance(after, str):
                continue
            name = "usual" if mode else "exact"
            worst[name] = max(worst[name], distance(after, before))
            if not mode:
                plain = before
                worst["error"] = max(worst["error"], distance(before, torch))
            elif "original fails" not in worst:
                worst["own"] = max(worst["own"], distance(before, plain))
    return {k: v if isinstance(v, str) else float(f"{v:.3g}") for k, v in worst.items()}


def quantised(args: argparse.Namespace) -> dict:
    """Make and measure the quantised files."""
    import score

    archs = args.only.split(",") if args.only else list(ARCHS)
    folder = args.work / "quantised"
    failed = quantise.make_all(args.models, folder, archs, list(DIALECTS))
    expected = json.loads(args.expected.read_text())
    rows = []
    for place in sorted(folder.iterdir()):
        arch, _, kind = place.name.split(".")
        if not (place / "model.onnx").exists() or arch not in archs:
            continue
        for target in TARGETS:
            out = place / f"{target}.onnx"
            row = {"file": place.name, "kind": kind, "target": target, **expected[arch]}
            try:
                facts = optimized(place / "model.onnx", out, target)
            except Exception as error:
                rows.append(row | {"refused": str(error)[:300]})
                continue
            before, after = (score.count(str(p)) for p in (place / "model.onnx", out))
            row |= {
                "seconds": facts["seconds"], "left": left(facts),
                "attention": after["attn_fused"], "norms": after["norm_fused"],
                "quantised": {op: [c["ops"].get(op, 0) for c in (before, after)]
                              for op in QUANTISED if before["ops"].get(op)},
                **compare(place, out),
            }  # fmt: skip
            if target == "tensorrt":
                paths = {"parser before": place / "model.onnx", "parser": out}
                row |= {key: parser_complaint(path) for key, path in paths.items()}
            rows.append(row)
            print(place.name, target, row["attention"], row["norms"], flush=True)
    return {"rows": rows, "not made": failed}


def generated(args: argparse.Namespace) -> list[dict]:
    """Measure the files that are written as other tools write them."""
    import onnx

    from tests.pipeline.foreign_files import FILES, plain

    folder = args.work / "generated"
    folder.mkdir(exist_ok=True)
    random, rows = np.random.default_rng(0), []
    x = random.standard_normal((2, 5, 32)).astype(np.float32)
    for name, (make, attentions, norms) in FILES.items():
        source, reference = folder / "source.onnx", folder / "reference.onnx"
        onnx.save(make(), source)
        onnx.save(plain() if name == "equal node names" else make(), reference)
        for target in TARGETS:
            out = folder / f"{target}.onnx"
            facts = optimized(source, out, target)
            off = 0.0
            for flag in (True, False):
                feeds = {"x": x, "flag": np.array(flag), "mask": x[:, None, None, 0, :5]}
                off = max(off, distance(outputs(out, feeds, True), outputs(reference, feeds, True)))
            counts = facts["counts"]
            rows.append({
                "file": name, "target": target, "seconds": facts["seconds"], "difference": off,
                "attention": [counts["attention"]["fused"], attentions],
                "norm": [counts["norm"]["fused"], norms],
            })  # fmt: skip
    return rows


def merged(args: argparse.Namespace) -> list[dict]:
    """Measure decoders with and without cache, merged under one If."""
    import onnx

    rows = []
    for dialect in DIALECTS:
        paths = [args.models / f"gpt2{kind}.{dialect}" for kind in ("", "_kv")]
        if not all((path / "model.onnx").exists() for path in paths):
            continue
        source = args.work / "merged.onnx"
        onnx.save(merge.merged(*(path / "model.onnx" for path in paths)), source)
        feeds = merge.feeds(*(np.load(path / "B.npz") for path in paths), source)
        for target in TARGETS:
            out = args.work / f"merged.{target}.onnx"
            facts = optimized(source, out, target)
            off = max(
                distance(outputs(out, feed, True), outputs(source, feed, True)) for feed in feeds
            )
            counts = facts["counts"]
            rows.append({
                "file": f"merged decoder, gpt2 {dialect}", "target": target,
                "seconds": facts["seconds"], "difference": off,
                "attention": [counts["attention"]["fused"], 4],
                "norm": [counts["norm"]["fused"], 10],
            })  # fmt: skip
    return rows


def paddle(args: argparse.Namespace) -> list[dict]:
    """Measure the Paddle file."""
    from tests.pipeline import paddle as reader

    folder = args.work / "paddle"
    folder.mkdir(exist_ok=True)
    source = reader.fetch(folder)
    if source is None:
        return []
    image, rows = reader.picture("Attention 2026"), []
    before = reader.read(source, image)
    for target in TARGETS:
        out = folder / f"{target}.onnx"
        facts = optimized(source, out, target)
        after = reader.read(out, image)
        rows.append({
            "target": target, "seconds": facts["seconds"], "nodes": facts["nodes"],
            "attention": facts["counts"]["attention"]["fused"],
            "norm": facts["counts"]["norm"]["fused"], "read before": before[0],
            "read": after[0], "difference": float(np.abs(after[1] - before[1]).max()),
        })  # fmt: skip
    return rows


def last_line(path: Path) -> str:
    """Return the summary a long run printed last."""
    return path.read_text().strip().splitlines()[-1]


def without_seconds(part: object) -> object:
    """Return the data with no time in it."""
    if isinstance(part, dict):
        return {k: without_seconds(v) for k, v in part.items() if k != "seconds"}
    return [without_seconds(x) for x in part] if isinstance(part, list) else part


def without_paths(data: dict, work: Path) -> dict:
    """Return the data without this machine's folder in messages."""
    shorter: dict = json.loads(json.dumps(data).replace(f"{work}/", ""))
    return shorter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("models", "expected", "zoo", "work", "mutated", "random"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("timed", "report-only"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if args.report_only:
        data = json.loads((HERE / "data.json").read_text())
    else:
        sys.path.insert(0, str(args.zoo))
        args.work.mkdir(parents=True, exist_ok=True)
        made = generated(args) + merged(args)
        data = {"paddle": paddle(args), "generated": made, "quantised": quantised(args)}
        data = without_paths(data if args.timed else without_seconds(data), args.work)
        keep_raw(HERE, data)
        data["quantised"] = render.summary(data["quantised"])
    for name in ("mutated", "random"):
        log = getattr(args, name)
        data[name] = last_line(log) if log is not None else data.get(name, "")
    publish(HERE, data, render.page(data))


if __name__ == "__main__":
    main()
